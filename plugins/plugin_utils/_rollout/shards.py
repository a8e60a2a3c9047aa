# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What the shards of one rollout tell each other: small files in a directory that all of them share.

    hosts-2-of-8.json    what the checks of shard 2 have found, so that each shard plans the waves of the whole fleet
    shard-2-of-8.json    how far it is: the digest of its plan, the waves that it has passed, why it has ended

Each file has one writer, and is replaced as a whole. A directory is for one run: without that, a shard could take what
an earlier run has left for the present.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import read_regular, write_private
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import (
    NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    matches,
    parse_json,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.shard import Shard, in_order, share_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.waves import Wave
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX, format_value
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

SCHEMA = 1
MOST_BYTES = 1 << 28  # of a file; a million hosts take a quarter of it
MOST_LOOKS = 10  # at a file that is replaced at each look
LONGEST_WHY = 1000
BREACH = {"wave": NUMBER, "shard": NUMBER, "why": TEXT}
# `passed`: how many waves are over without a breach, from the first on. `ended`: why this shard takes no more part.
# `trials`: of hosts that may still be on trial beside the next wave, each with its end, in seconds since 1970.
STATE = {
    "schema": NUMBER, "plan": OPTIONAL_TEXT, "passed": NUMBER, "ended": OPTIONAL_TEXT, "breach": (None, BREACH),
    "trials": [{"host": TEXT, "wave": NUMBER, "ends": NUMBER, "domains": [TEXT]}]}
# `placed`: the hosts of a kernel that have a wave, `others` those that have none, `unknown` those without a result.
CHECKED = {
    "schema": NUMBER, "options": dict, "builds": [TEXT], "forks": NUMBER, "covered": NUMBER, "unknown": [TEXT],
    "kernels": [{"kernel": TEXT, "arch": TEXT, "build": OPTIONAL_TEXT, "placed": [TEXT], "others": [TEXT]}]}
# Options that have to be the same, because the plan or its end depends on them.
SHARED = (
    "name", "version", "state", "soak", "trial", "longest_trial", "transition_timeout", "on_stall", "budget",
    "on_breach", "waves", "limits", "without_domain", "window", "cohort_by")

Document = dict[str, t.Any]
NEW: Document = {"schema": SCHEMA, "plan": None, "passed": 0, "ended": None, "breach": None, "trials": []}


class Elsewhere(t.NamedTuple):
    """The hosts of the other shards, and what the plan needs to know of them; empty without shards.

    `kernels`, `builds`: as cohorts_of takes them. `placed`: those with a wave. `covered`: how many have a build.
    `shard_of`: the number of the shard of each host, also of this one's. `forks`: the fewest of any shard.
    """

    kernels: Mapping[str, tuple[str, str]] = {}
    builds: Mapping[str, str | None] = {}
    placed: frozenset[str] = frozenset()
    covered: int = 0
    shard_of: Mapping[str, int] = {}
    forks: int | None = None


class ShardFiles:
    """The files of all shards, for one of them. Every method raises TaskError for a file or a directory of no use."""

    def __init__(self, directory: str, shard: Shard) -> None:
        self.shard = shard
        self._directory = Path(directory)

    def claim(self) -> None:
        """Make the directory if it is missing, and take this shard's place in it; a place is taken once."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_others()
            self._take_place()
        except OSError as error:
            raise self._unusable(f"cannot be used ({error.strerror or error})") from error
        self.write()

    def _take_place(self) -> None:
        try:
            # Not the content: a reader takes an empty file for one that is not there yet.
            os.close(os.open(self._path("shard"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise TaskError(
                "shard-dir-used",
                f"{self._directory} has a file of shard {self.shard} already: another run uses the directory, or has "
                f"used it. Give a new {PREFIX}shard_dir to all shards of a run.") from None

    def write(self, **state: t.Any) -> None:
        """Tell the other shards the state of this one; a key that is not given is as at the begin."""
        self._replace("shard", {**NEW, **state})

    def write_checked(self, checked: Document) -> None:
        self._replace("hosts", {"schema": SCHEMA, **checked})

    def state(self, number: int) -> Document | None:
        """The state of a shard, None before it has one."""
        return self._read("shard", number, STATE)

    def states(self) -> dict[int, Document | None]:
        """The states of all other shards."""
        return {number: self.state(number) for number in self.shard.others}

    def checked(self, number: int) -> Document | None:
        return self._read("hosts", number, CHECKED)

    def _path(self, kind: str, number: int | None = None) -> Path:
        return self._directory / f"{kind}-{number or self.shard.number}-of-{self.shard.of}.json"

    def _replace(self, kind: str, document: Document) -> None:
        content = json.dumps(document).encode("utf-8", "replace")
        try:
            write_private(str(self._path(kind)), lambda stream: stream.write(content))
        except (LivepatchError, OSError) as error:
            raise self._unusable(f"does not take {self._path(kind).name} ({error})") from error

    def _read(self, kind: str, number: int, shape: Document) -> Document | None:
        path = self._path(kind, number)
        try:
            content = _read_replaced(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(f"does not give {path.name} ({error.strerror or error})") from error
        if not content:
            return None
        try:
            document = parse_json(content) if len(content) <= MOST_BYTES else None
        except ValueError:
            document = None
        if not isinstance(document, dict) or not matches(document, shape) or document["schema"] != SCHEMA:
            raise TaskError(
                "shard-file-damaged",
                f"{path} is no file of this version of the collection. Use one version on all controllers, and start "
                f"all shards again with a new {PREFIX}shard_dir.")
        return document

    def _refuse_others(self) -> None:
        """Refuse a directory in which other users could write a state."""
        status = self._directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise self._unusable("is no directory, or can be changed by other users")

    def _unusable(self, why: str) -> TaskError:
        return TaskError(
            "shard-dir-unusable",
            f"{PREFIX}shard_dir {self._directory} {why}. Give a directory that all controllers share, that belongs to "
            "the user of this run, and that only this user can write to.")


def _read_replaced(path: Path) -> bytes:
    """The bytes of a file that another controller replaces meanwhile; raises OSError.

    On NFS, the file that was opened is gone from the server then, and cannot be read any more. The name has another.
    """
    for _look in range(MOST_LOOKS - 1):
        try:
            return read_regular(path, MOST_BYTES + 1)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
    return read_regular(path, MOST_BYTES + 1)


def plan_digest(waves: Sequence[Wave]) -> str:
    """What two shards have in common if, and only if, they have the same waves."""
    plan = json.dumps([[wave.title, wave.hosts] for wave in waves])
    return hashlib.sha256(plan.encode("utf-8", "surrogatepass")).hexdigest()


def share_of_budget(allowed: int, shard: Shard) -> int:
    """The failures that a shard may have; the shares of all shards add up to those of the fleet."""
    return allowed * shard.number // shard.of - allowed * (shard.number - 1) // shard.of


def passed_waves(waves: Iterable[Mapping[str, t.Any]]) -> int:
    """How many waves are passed, from the first one on; one without hosts of this shard counts."""
    passed = 0
    for wave in waves:
        if wave["state"] != "passed":
            break
        passed += 1
    return passed


def checked_document(
        hosts: Mapping[str, Mapping[str, t.Any]], builds: Mapping[str, str | None], options: Mapping[str, t.Any],
        patches: Sequence[Mapping[str, t.Any]], forks: int) -> Document:
    """What other shards need to know of this shard's hosts, from the hosts of its record."""
    kernels: dict[tuple[str, str, str | None], Document] = {}
    for name, host in hosts.items():
        if host["kernel"]:
            key = (host["kernel"], host["arch"], builds.get(name))
            of_kernel = kernels.setdefault(
                key, dict(zip(("kernel", "arch", "build"), key, strict=True), placed=[], others=[]))
            of_kernel["placed" if host["state"] == "pending" or host["done"] else "others"].append(name)
    return {
        "options": {name: options[name] for name in SHARED if name in options}, "forks": forks,
        "builds": sorted(build["sha256"] for patch in patches for build in patch["builds"]),
        "covered": sum(host["state"] != "no_build" for host in hosts.values()),
        "unknown": [name for name, host in hosts.items() if not host["kernel"]], "kernels": list(kernels.values())}


def join_shards(documents: Mapping[int, Document], shard: Shard) -> Elsewhere:
    """The hosts of all shards. Raises TaskError `shards-differ` if they do not share one fleet, or its options."""
    mine = documents[shard.number]
    shard_of: dict[str, int] = {}
    for number, document in documents.items():
        _check_same(mine, document, shard.number, number)
        for name in _names(document):
            if shard_of.setdefault(name, number) != number:
                raise _differ(
                    f"{printable(name)} is in shard {shard_of[name]} and in shard {number}. Start each shard with the "
                    f"same inventory, the same hosts and the same --limit, and give {PREFIX}shard with -e")
    order = in_order(shard_of)
    for number, document in documents.items():
        wrong = sorted(set(share_of(order, Shard(number, shard.of))).symmetric_difference(_names(document)))
        if wrong:
            raise _differ(
                f"The shares of shard {number} and of this one do not fit: {join_hosts(list(map(printable, wrong)))}. "
                "Start each shard with the same inventory, the same hosts and the same --limit")
    others = [document for number, document in documents.items() if number != shard.number]
    kernels = [one for document in others for one in document["kernels"]]
    members = [(name, one) for one in kernels for name in (*one["placed"], *one["others"])]
    return Elsewhere(
        {name: (one["kernel"], one["arch"]) for name, one in members}, {name: one["build"] for name, one in members},
        frozenset(name for one in kernels for name in one["placed"]),
        sum(int(document["covered"]) for document in others), shard_of,
        min(int(document["forks"]) for document in documents.values()))


def _names(document: Document) -> list[str]:
    return [*document["unknown"], *(
        name for one in document["kernels"] for name in (*one["placed"], *one["others"]))]


def _check_same(mine: Document, other: Document, number: int, others_number: int) -> None:
    for name in SHARED:
        values = [document["options"].get(name) for document in (mine, other)]
        if values[0] != values[1]:
            shown = [format_value(value.get("asked") if name == "budget" and isinstance(value, dict) else value)
                     for value in values]
            option = "failure_budget" if name == "budget" else name
            raise _differ(
                f"{PREFIX}{option} is {shown[0]} in shard {number} and {shown[1]} in shard {others_number}. Give all "
                "shards the same variables")
    if mine["builds"] != other["builds"]:
        raise _differ(
            f"{PREFIX}src has other files in shard {others_number} than in shard {number}. Give all shards the same "
            "patch files")


def _differ(message: str) -> TaskError:
    return TaskError("shards-differ", truncate(f"{message}.", LONGEST_WHY))


def same_plan(digest: str, states: Mapping[int, Document | None]) -> None:
    """Raises TaskError `shards-differ` if another shard has planned other waves."""
    other = next((number for number, state in states.items() if state and state["plan"] not in (None, digest)), None)
    if other is not None:
        raise _differ(
            f"Shard {other} has planned other waves, though it has the same hosts and options. The variables of "
            f"{PREFIX}limits and {PREFIX}cohort_by have to be the same on all controllers: set them in the inventory, "
            "and not as facts")
