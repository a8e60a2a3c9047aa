# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The options of status, rollback, preflight and the role report: read once, before the playbook asks any host.

The result of each is the record that every later task goes by: plain values, by their names without `livepatch_`.
Options that differ from host to host by design are tested here for each host, and used on that host alone.
"""

from __future__ import annotations

import difflib
import os
import re
import time
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.builds import read_builds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import run_cache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.signed import require_signature
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.bounds import task_bounds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.builds import BUILD_NAMES, build_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.host_variables import HostVariables
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.inventory import OPTION, check_inventory
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import new_run
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.files import check_report_dir
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    PREFIX,
    Values,
    bad_option,
    format_value,
)

# Each list's first is the default.
ON_STALL = ("reverse", "wait", "force")
TARGETS = ("previous", "original")
KINDS = ("status", "rollback", "preflight")
TRANSITION_TIMEOUT, LONGEST_TRANSITION = 90, 24 * 3600  # seconds, the first as in the module patch
SOURCE = f"set it to a patch file or a bundle, as in -e {PREFIX}src=patches/"
NAME = "give the name of a patch in the bundle, or a pattern"
VERSION = "give the version as a text, in YAML in quotes"
KEYRING = "give the path of a keyring with public keys on the controller"
DIRECTORY = "give a directory on the controller"
_TRANSACTION = re.compile(r"[\w.:+-]{1,200}", re.ASCII)
_MOST_SHOWN = 3  # different values of one option, in a report
_SIMILARITY = 0.7

Record = dict[str, t.Any]


def read_options(
        playbook: str, given: Mapping[str, t.Any], variables: Mapping[str, t.Any],
        resolve: Callable[[t.Any], t.Any], unread: Callable[[], list[str] | None]) -> Record:
    """The options of a playbook, or of the role report.

    `given`: the options that all hosts share, templated. `variables`: those of the task; `resolve` resolves templates
    in them, and returns None for a template that fails. `unread`: the inventory sources that Ansible could not read.
    Raises TaskError and PatchFileError.
    """
    hosts = HostVariables(variables)
    hosts.check()
    read, shared = PLAYBOOKS[playbook]
    hosts.check_same(shared)
    values = Values(given)
    partial = {OPTION: bool(check_inventory(unread(), values))} if OPTION in shared else {}
    return {**read(values, _PerHost(hosts, variables, resolve)), **partial}


class _PerHost:
    """Options that may differ from host to host."""

    def __init__(
            self, hosts: HostVariables, variables: Mapping[str, t.Any], resolve: Callable[[t.Any], t.Any]) -> None:
        self._hosts = hosts
        self._variables = variables
        self._resolve = resolve

    def read(self, name: str, read: Callable[[Values], t.Any]) -> list[t.Any]:
        """What `read` makes of each different value of an option; raises TaskError, with the host's name."""
        found: dict[str, t.Any] = {}
        for host, value in self._values(name):
            if repr(value) not in found:
                try:
                    found[repr(value)] = read(Values({PREFIX + name: value}))
                except TaskError as error:
                    raise TaskError(error.code, f"{host}: {error.message}" if host else error.message) from None
        return list(found.values())

    def _values(self, name: str) -> list[tuple[str | None, t.Any]]:
        # The variables of the play and of the role are known to the task alone.
        shared = self._resolve(self._variables.get(PREFIX + name))
        by_host = self._hosts.values(name)
        same = all(value == shared for value in by_host.values())
        return [(None, shared), *(() if same else by_host.items())]


def read_keyring(values: Values) -> str | None:
    """From here on, the run reads only signed files, if the option `require_signature` is set; raises TaskError."""
    keyring = values.text("require_signature", KEYRING)
    require_signature(keyring, run_cache())
    return keyring


def status_options(values: Values, _hosts: _PerHost) -> Record:
    read_keyring(values)
    src, name, version = values.text("src", SOURCE), values.text("name", NAME), values.text("version", VERSION)
    options = {
        "src": src, "name": name, "version": version, "cohort_by": values.texts("cohort_by"),
        "fail_on_drift": values.flag("fail_on_drift"), "report_dir": _report_dir(values), "timeouts": task_bounds()}
    if src:
        read_builds(Path(os.path.expanduser(src)), name, version)
    return options


def preflight_options(values: Values, hosts: _PerHost) -> Record:
    """Each host can have its own src, name and version; one without src fails alone. `src` is for the report."""
    keyring = read_keyring(values)
    sources = [src for src in hosts.read("src", lambda value: value.text("src", SOURCE)) if src]
    if not sources:
        raise TaskError("bad-option", f"No host has {PREFIX}src. {SOURCE[0].upper()}{SOURCE[1:]}.")
    # A path elsewhere is verified by the first task that reads it, also before that asks its host.
    for path in [Path(os.path.expanduser(src)) for src in sources] if keyring else ():
        if path.exists():
            read_builds(path)
    hosts.read("name", lambda value: value.text("name", NAME))
    hosts.read("version", lambda value: value.text("version", VERSION))
    return {
        "src": join_limited(list(dict.fromkeys(sources)), _MOST_SHOWN), "cohort_by": values.texts("cohort_by"),
        "report_dir": _report_dir(values), "timeouts": task_bounds()}


def rollback_options(values: Values, hosts: _PerHost) -> Record:
    """Each host can have its own target and its own times; `to` is for the report, `run` for the leases of hosts."""
    targets = hosts.read("rollback_to", read_target)
    # One bound for all hosts: the longest.
    timeouts = task_bounds(max(hosts.read("transition_timeout", read_transition_timeout)))
    hosts.read("on_stall", lambda value: value.choice("on_stall", ON_STALL))
    shown = join_limited(list(dict.fromkeys(targets)), _MOST_SHOWN)
    return {
        "report_dir": _report_dir(values), "to": shown, "timeouts": timeouts, "run": new_run(time.time()),
        "take_lease": values.flag("take_lease")}


def report_options(values: Values, _hosts: _PerHost) -> Record:
    read_keyring(values)
    report_dir, kind = values.text("report_dir", DIRECTORY), values.get("report_kind")
    if report_dir is None:
        raise bad_option("report_dir", "is not set", DIRECTORY)
    if kind not in KINDS:
        raise bad_option("report_kind", f"is {format_value(kind)}", f"give {' or '.join(KINDS)}")
    return {
        "report_dir": report_dir, "kind": kind,
        "src": values.text("src", SOURCE), "name": values.text("name", NAME),
        "version": values.text("version", VERSION), "cohort_by": values.texts("cohort_by"),
        "fail_on_drift": values.flag("fail_on_drift"), "to": values.text("rollback_to", _right_target())}


def read_target(values: Values) -> str:
    """The target of a rollback. Raises TaskError `bad-option`, also for a word that looks misspelled."""
    target = values.text("rollback_to", _right_target())
    if target is None:
        return TARGETS[0]
    near = target not in TARGETS and difflib.get_close_matches(target.lower(), TARGETS, n=1, cutoff=_SIMILARITY)
    if near or not _TRANSACTION.fullmatch(target):
        raise bad_option("rollback_to", f"is {format_value(target)}", _right_target())
    return target


def read_transition_timeout(values: Values) -> int:
    return values.number("transition_timeout", TRANSITION_TIMEOUT, 1, LONGEST_TRANSITION)


def _right_target() -> str:
    return f"give {', '.join(TARGETS)} or the name of a transaction from the host's journal"


def _report_dir(values: Values) -> str | None:
    """The directory for reports, tested before any host is asked."""
    report_dir = values.text("report_dir", DIRECTORY)
    if report_dir:
        check_report_dir(report_dir)
    return report_dir


# Each with the options that all hosts share.
PLAYBOOKS: dict[str, tuple[Callable[[Values, _PerHost], Record], tuple[str, ...]]] = {
    "status": (status_options, (
        "src", "name", "version", "require_signature", "cohort_by", "fail_on_drift", "report_dir", OPTION)),
    "preflight": (preflight_options, ("require_signature", "cohort_by", "report_dir", OPTION)),
    "rollback": (rollback_options, ("report_dir", "take_lease", OPTION)),
    "report": (report_options, ()),
    "awx": (lambda _values, _hosts: {}, ()),  # its variables are AWX's to judge
    "build": (lambda values, _hosts: build_options(values), BUILD_NAMES),
}
