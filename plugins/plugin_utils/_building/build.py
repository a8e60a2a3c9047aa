# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""One build for one kernel, seen from the controller: start it, look at it, and put its file into the bundle."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import time
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.sources import Sources
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.metadata import (
    FILE_NAME,
    LONGEST_PROVENANCE,
    entry_faults,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.writer import BundleWriter
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import format_duration, number_of

# The name of a directory in the bundle comes from the build host, which is not trusted.
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}")
_NAME = re.compile(r"[A-Za-z0-9_]{1,55}")
_PROVENANCE = ("inputs", "source", "tool", "tool_version", "compiler", "kernel_build_id")

Result = dict[str, t.Any]


class BuildHost(t.Protocol):
    """The build host of a task."""

    def call(self, arguments: Mapping[str, t.Any], **controller: t.Any) -> Result:
        """Run the module once; returns its checked result. Raises TaskError."""

    def send(self, sources: Sources) -> str:
        """Send the sources, once; returns their path there."""

    def fetch(self, path: str) -> bytes:
        """The content of a file of the build host. Raises TaskError."""


@dataclasses.dataclass
class KernelBuild:
    """A build by the options of the module patch_build. `result` is what the task returns, None before the end.

    `sources`: None for sources on the build host. `check_mode`: run all checks, and change nothing.
    """

    host: BuildHost
    arguments: Mapping[str, t.Any]
    sources: Sources | None
    bundle: BundleWriter
    cache: ParseCache
    check_mode: bool = False
    now: Callable[[], float] = time.time
    answer: Result | None = None
    result: Result | None = None

    @property
    def label(self) -> str:
        """The kernel in a line of progress."""
        kernel = self.arguments["kernel"]
        known = self.answer["build"]["release"] if self.answer and self.answer.get("build") else None
        return known or kernel.get("release") or kernel.get("source") or "kernel"

    @property
    def is_running(self) -> bool:
        return self.result is None and self.answer is not None and self.answer["state"] == "running"

    def check(self) -> None:
        """Refuse options that bundle.yml cannot have, before anything is built; raises TaskError bad-option."""
        for key, expected in entry_faults(self._described()).items():
            given = self.arguments[key]
            raise TaskError("bad-option", f"{key} is {given!r}, and it must be {expected}. Correct it.")

    def start(self) -> None:
        """Start the build, or find a running or a finished one."""
        known = self.bundle.known_inputs()
        sent = {"sources": self.host.send(self.sources), "sha256": self.sources.sha256} if self.sources else {}
        self._take(self.host.call(self.arguments, step="start", known=sorted(known), **sent), known)
        if self.answer and self.is_running:  # before an hour is spent on what cannot go into the bundle
            self._predicted(self.answer["build"])

    def look(self) -> None:
        """Look at a running build once."""
        if self.answer is None:
            raise ValueError("the build has not been started")
        answer = self.host.call(self.arguments, step="look", job=self.answer["job"])
        # The checks ran before the build.
        self._take(dict(answer, findings=[*(self.answer.get("findings") or ()), *(answer.get("findings") or ())]), {})

    def leave(self, waited: int) -> None:
        """Let the build go on without this task, which has waited for it as long as it should, in seconds."""
        self.result = dict(self.answer or {})
        if waited:
            self.result.update(failed=True, changed=True, code="build-unfinished", msg=(
                f"The build has not ended within {waited} s, and goes on. Run the task again to continue with it, or "
                "give async more seconds."))

    def progress_line(self) -> str:
        """How far the build has come, in one line."""
        if self.answer is None:
            return f"{self.label}: waiting"
        progress, tool = self.answer["progress"], self.answer["build"]["tool"]
        parts = [progress["step"]]
        if progress["compiled"]:
            parts.append(f"{number_of(progress['compiled'], 'object')} compiled")
        return f"{self.label}: {tool}: {', '.join(parts)}, {format_duration(progress['seconds'])}"

    def _take(self, answer: Result, known: Mapping[str, PurePosixPath]) -> None:
        self.answer = answer if answer.get("build") else self.answer
        if answer["failed"]:
            self.result = answer
        elif answer["state"] == "unchanged":
            file = known.get(answer["build"]["inputs"])
            if file is None:
                raise TaskError(
                    "host-not-trusted",
                    "The build host says that the bundle has this build, and it has not. Check that the build host has "
                    "not been compromised.")
            self.result = self._finish(answer, self.bundle.path / file, *self.bundle.update(
                file, self._described(), write=not self.check_mode))
        elif answer["state"] == "planned" or self.check_mode:
            self.result = dict(answer, state="planned", changed=True, **self._predicted(answer["build"]))
        elif answer["state"] == "built":
            self.result = self._enter(answer)

    def _predicted(self, build: Mapping[str, t.Any]) -> Result:
        """The `diff` of bundle.yml, if the names are known; raises BundleError for a file that cannot go in."""
        if not (build["release"] and _RELEASE.fullmatch(build["release"]) and _NAME.fullmatch(build["name"])):
            return {}
        return {"diff": _diff(*self.bundle.predict(dict(build), self._entry(build, None)))}

    def _enter(self, answer: Result) -> Result:
        build = answer["build"]
        content = self.host.fetch(answer["remote_file"])
        if hashlib.sha256(content).hexdigest() != build["sha256"]:
            raise TaskError(
                "changed", f"{answer['remote_file']} on the build host changed while it was read. Run again.")
        description = self.cache.describe_bytes(content, PurePosixPath(answer["remote_file"]).name)
        check_built(description, build, self.arguments)
        path, before, after = self.bundle.put(content, description, self._entry(build, self.now()))
        facts = {key: description[key] for key in ("release", "replace") if description[key] is not None}
        answer = dict(answer, build={**build, **facts})
        return dict(self._finish(answer, path, before, after), changed=True)

    def _finish(self, answer: Result, path: Path, before: str, after: str) -> Result:
        return dict(answer, file=str(path), changed=before != after, diff=_diff(before, after))

    def _described(self) -> Result:
        """The keys of an entry that say what the patch is for."""
        given = {key: self.arguments.get(key) for key in ("cves", "summary", "version")}
        return {key: value for key, value in given.items() if value}

    def _entry(self, build: Mapping[str, t.Any], now: float | None) -> Result:
        # The build host is not trusted with the form of a text either.
        provenance: Result = {
            key: truncate(build[key], LONGEST_PROVENANCE) if build[key] else None for key in _PROVENANCE}
        if now is not None:
            provenance["built"] = utc_timestamp(now)
        kernel_build = {"kernel_build_id": build["kernel_build_id"]} if build["kernel_build_id"] else {}
        return {**self._described(), **kernel_build, "provenance": provenance}


def check_built(
        description: Mapping[str, t.Any], build: Mapping[str, t.Any], arguments: Mapping[str, t.Any]) -> None:
    """Whether the file is what was ordered, by the reader of patch files; raises PatchFileError built-file-unfit."""
    faults = [
        (not description["livepatch"], "it is no live patch"),
        (description["name"] != build["name"], f"its name is {description['name']}"),
        (description["arch"] != build["arch"], f"it is for {description['arch']}"),
        (not _RELEASE.fullmatch(description["release"] or ""), "it is for no kernel release"),
        (build["release"] not in (None, description["release"]), f"it is for kernel {description['release']}"),
        (build["tool"] != "kbuild" and description["replace"] is (not build["replace"]),
         "it replaces other patches" if description["replace"] else "it does not replace other patches"),
        (bool(arguments.get("sign_key")) and description["signature"] is None, "it has no signature"),
        (not description["opaque"] and not any(entry["functions"] for entry in description["objects"]),
         "it patches no function"),
    ]
    found = [fault for is_so, fault in faults if is_so]
    if found:
        problem = (
            f"is not the patch that was to be built ({', '.join(found)}). See the log of the build, and correct the "
            "source")
        raise PatchFileError("built-file-unfit", problem, description["file"])


def _diff(before: str, after: str) -> dict[str, str]:
    return {"before_header": FILE_NAME, "after_header": FILE_NAME, "before": before, "after": after}
