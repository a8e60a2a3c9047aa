# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The base of the actions that build: a build host by way of Ansible's connection."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.build import KernelBuild, Result
from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.runner import Runner
from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.sources import Sources, read_sources
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import find_source
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.writer import BundleWriter
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.host_action import HostAction
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.reconnection import reset_connection
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.waiting import say
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.answer import read_answer
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import to_plain
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.orphan import EndsWithRun

MODULE = "patch_build"
LOST_SECONDS = 180  # a build host that is unreachable for longer has failed; its builds go on
RETRY_SECONDS = 5


class BuildAction(HostAction):
    """Runs builds on the host of the task by the module patch_build."""

    _supports_async = True  # by this action: its answers are checked, and a build outlives its connection anyway

    def _module(self) -> str:
        return MODULE

    def _run_builds(self, builds: list[Mapping[str, t.Any]], parallel: int, task_vars: dict) -> list[Result]:
        """The result of each build, in their order. `builds` are dicts of the module's options."""
        seconds = self._seconds_to_wait()
        self._vars = task_vars
        self._sent: dict[str, str] = {}
        self._bundles: dict[Path, BundleWriter] = {}
        self._cache = ParseCache(Path(constants.DEFAULT_LOCAL_TMP))
        made = [self._make_build(arguments) for arguments in builds]
        for build in made:
            build.check()
        for bundle in self._bundles.values():
            bundle.check()
        with EndsWithRun():
            Runner(made, parallel, seconds, say).run()
        return [build.result or {} for build in made]

    def _seconds_to_wait(self) -> int | None:
        """How long to wait for builds, by the keywords `async` and `poll` of the task; None for ever.

        Ansible would poll a job of its own for a task with async, so it is hidden from it.
        """
        seconds, poll = self._task.async_val, self._task.poll
        self._task.async_val = 0
        return None if not seconds else seconds if poll else 0

    def _make_build(self, arguments: Mapping[str, t.Any]) -> KernelBuild:
        plain = to_plain(dict(arguments))
        if not plain["bundle"].strip():  # would be the current directory
            raise TaskError("bad-option", "bundle is empty. Give the directory for the patch files.")
        sources = None
        if not plain.get("remote_src"):
            sources = read_sources([find_source(self, source) for source in plain["src"]])
        path = Path(plain["bundle"]).expanduser()
        bundle = self._bundles.setdefault(path, BundleWriter(path, self._cache))
        return KernelBuild(self, plain, sources, bundle, self._cache, check_mode=bool(self._task.check_mode))

    def call(self, arguments: Mapping[str, t.Any], **controller: t.Any) -> Result:
        """Run the module once. A lost connection is tried again for a while, because nothing is lost with it."""
        end = time.monotonic() + LOST_SECONDS
        while True:
            try:
                return read_answer(MODULE, self._execute_checked(
                    module_name=f"kernel.livepatch.{MODULE}",
                    module_args={**arguments, "via_controller": controller}, task_vars=self._vars))
            except AnsibleConnectionFailure:
                if controller["step"] != "look" or time.monotonic() >= end:
                    raise
                say("the connection to the build host is lost, and the build goes on: trying again")
                time.sleep(RETRY_SECONDS)
                reset_connection(self._connection)

    def send(self, sources: Sources) -> str:
        """Send the sources to the host once, whatever number of kernels they are built for."""
        if sources.sha256 not in self._sent:
            with self._cache.file_of(sources.content) as file:
                self._sent[sources.sha256] = self._send_file(file, f"{sources.sha256}.json")
        return self._sent[sources.sha256]

    def fetch(self, path: str) -> bytes:
        return self._read_remote_file(path, self._vars)

    def _with_arguments(self, spec: dict[str, t.Any]) -> dict[str, t.Any]:
        """The task's options by an argument spec, without `via_controller`; raises TaskError `bad-option`."""
        _all, arguments = self.validate_argument_spec({**spec, "via_controller": {"type": "raw"}})
        arguments.pop("via_controller", None)
        for source in arguments.get("src") or []:
            if not source.strip():
                raise TaskError("bad-option", "src is empty. Give source patches, or the directory of one module.")
        return arguments
