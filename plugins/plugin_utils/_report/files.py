# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The files of a report on the controller: JSON for programs, HTML for people, CSV and OpenVEX for other tools."""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import write_private
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.openvex import openvex
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.oval import oval
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.page import render
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.table import csv_text
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.vocabulary import KINDS
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

# The keys of a host that differ from host to host. All others are the same on many hosts of a wave.
OWN = ("transaction", "loaded_at", "transition_seconds", "trial_ends", "watch", "moves")
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


def check_report_dir(path: t.Any) -> Path:
    """Make the report directory (0700) if it is missing, and check that it is writable.

    A relative path is below the current directory. No file is left in it. Raises TaskError `bad-option` for a value
    that is no path, and `report-dir-unusable`.
    """
    if not isinstance(path, str) or not path.strip() or "\0" in path:
        raise TaskError("bad-option", f"livepatch_report_dir is {path!r}. Set it to the path of a directory.")
    directory = Path.cwd() / os.path.expanduser(path)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_others(directory)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise _unusable(directory, f"cannot be used ({error.strerror or error})") from error
    return directory


def write_report(
        record: Mapping[str, t.Any], path: t.Any, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Write a record as JSON and as HTML (0600), each whole or not at all; returns the paths, by `json` and `html`.

    A status is written as CSV and as OpenVEX too (`csv`, `openvex`), and its bundle as OVAL (`oval`). The last two are
    left out if no CVE is known. `more` has the texts of other files, by their ending.
    Raises TaskError `bad-option` for a malformed record, and `report-dir-unusable`.
    """
    kind, identifier = record.get("kind"), record.get("id")
    if kind not in KINDS or not isinstance(identifier, str) or not IDENTIFIER.fullmatch(identifier):
        raise TaskError(
            "bad-option",
            f"The record for a report has the kind {kind!r} and the id {identifier!r}. Use the record of a "
            "playbook of this collection.")
    contents = {"json": _json(share_groups(record)), "html": render(record), **(more or {})}
    if kind == "status":
        stated = openvex(record)
        checks = oval(record)
        contents.update({
            "csv": csv_text(record), **({"openvex": _json(stated)} if stated else {}),
            **({"oval.xml": checks} if checks else {})})
    directory = check_report_dir(path)
    paths = {}
    for ending, content in contents.items():
        file = directory / f"livepatch-{kind}-{identifier}.{ending}"
        try:
            # A hostile text can contain a lone surrogate, which cannot be encoded.
            write_private(str(file), lambda stream, text=content: stream.write(text.encode("utf-8", "replace")))
        except (LivepatchError, OSError) as error:
            raise _unusable(directory, f"does not take {file.name} ({error})") from error
        paths[ending.partition(".")[0]] = str(file)
    return paths


def _json(value: t.Any) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def share_groups(record: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The record with `groups`: what is the same on many hosts, once. Each host has the number of its `group`.

    A host is `{**groups[host["group"]], **host}`; a key of OWN that is missing is null. Cohorts have no list of their
    hosts, because each group has the title of its cohort. Without this, the JSON of a large fleet is five times the
    size of its page.
    """
    groups: dict[str, int] = {}
    hosts = {}
    for name, host in record.get("hosts", {}).items():
        same = json.dumps({key: value for key, value in host.items() if key not in OWN}, separators=(",", ":"))
        own = {key: host[key] for key in OWN if host.get(key) is not None}
        hosts[name] = {"group": groups.setdefault(same, len(groups)), **own}
    cohorts = [{key: cohort[key] for key in cohort if key != "hosts"} for cohort in record.get("cohorts") or ()]
    return {**record, "cohorts": cohorts, "hosts": hosts, "groups": [json.loads(same) for same in groups]}


def _refuse_others(directory: Path) -> None:
    """Refuse a path that other users control: through their links, or through write access to the directory."""
    trusted = (0, os.geteuid())
    for place in (directory, *directory.parents):
        status = place.lstat()
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in trusted:
            raise _unusable(directory, f"leads through {place}, a link of another user")
    status = directory.stat()
    # With the sticky bit, as /tmp has it, others cannot change files that are not theirs.
    if status.st_uid not in trusted or (status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX):
        raise _unusable(directory, "can be changed by other users")


def _unusable(directory: Path, why: str) -> TaskError:
    return TaskError(
        "report-dir-unusable",
        f"The directory for reports {directory} {why}. Set another livepatch_report_dir, or correct its owner and "
        "mode.")
