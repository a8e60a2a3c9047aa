# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The controller's part of every module: run it on the host, and check what the host returns."""

from __future__ import annotations

import base64
import copy
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PROGRESS_FILE
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.load_count import LoadCount
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.operator import operator
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.task_options import with_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.waiting import Waiting, shares_connection
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.answer import (
    KEYS_OF_HOSTS,
    LONGEST_MESSAGE,
    malformed,
    read_answer,
    with_known_keys,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import printable_lines
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError

LARGEST_OUTPUT = 32 << 20  # characters of a module's output
LARGEST_FILE = 512 << 20  # of any other output: a file that slurp reads has no such bound
# The modules that change a host get the user's name and the run; reading modules have no such option.
CHANGING_MODULES = ("patch", "patch_hook", "patch_rollback")
# These warn of a host without a build, because Ansible only shows "ok". Warnings of hosts are dropped.
WARNING_MODULES = ("patch", "patch_check")


class HostAction(ActionBase):
    """Runs the module of the same name; nothing of a host's result leaves it unchecked."""

    TRANSFERS_FILES = False  # no temporary directory on a host without need of a file
    _supports_check_mode = True
    _supports_async = False  # async_status would return the result of the host unchecked
    _largest_output = LARGEST_OUTPUT
    _count: LoadCount | None = None  # over the hosts of a wave

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        if self._task.async_val and not self._supports_async:
            return {"failed": True, "code": "bad-option", "msg": (
                f"The task has async, and {self._module()} cannot run in the background, because async_status does not "
                "check the result of a host. Remove async and poll from the task.")}
        result = super().run(tmp, task_vars)
        self._task.args = with_options(self._task.args)
        try:
            result.update(self._run_printable(task_vars or {}))
        except (PatchFileError, TaskError) as error:
            result.update(failed=True, msg=printable_lines(error.message, LONGEST_MESSAGE), code=error.code)
        return self._with_own_keys(result)

    def _run_on_host(self, task_vars: dict) -> dict:
        """The checked result; raises TaskError and PatchFileError."""
        return self._execute(task_vars)

    def _module(self) -> str:
        return self._task.action.rpartition(".")[2]

    def _execute(self, task_vars: dict, **controller: t.Any) -> dict:
        """Run the module once with `controller` as its option `via_controller`; returns the checked result.

        A value of that option from the playbook is dropped, except the run. Raises TaskError `malformed-result`.
        """
        arguments = dict(self._task.args)
        arguments.pop("require_signature", None)  # for this half alone
        if self._module() in CHANGING_MODULES:
            controller["operator"] = operator()
            run = self._from_playbook().get("run")
            if isinstance(run, str) and run:
                controller["run"] = run
        if controller:
            arguments["via_controller"] = controller
        if self._module() not in CHANGING_MODULES:
            return read_answer(self._module(), self._execute_checked(module_args=arguments, task_vars=task_vars))
        with self._waiting(task_vars):
            answer = self._execute_checked(module_args=arguments, task_vars=task_vars)
        return read_answer(self._module(), answer)

    def _waiting(self, task_vars: dict) -> Waiting:
        """Signs of life while a module changes the host."""
        host = str(task_vars.get("inventory_hostname") or self._play_context.remote_addr)
        look = self._read_progress if shares_connection(self._connection) else None
        return Waiting(host, self._module(), look, self._count.prefix if self._count else str)

    def _read_progress(self) -> str:
        """What the host writes about its transition, read beside the running module; called in a thread."""
        beside = copy.copy(self)
        beside._connection = copy.copy(self._connection)
        if beside._connection.become:
            beside._connection.become = copy.copy(beside._connection.become)  # it keeps the state of a password prompt
        return beside._low_level_execute_command(f"cat {PROGRESS_FILE}", sudoable=True)["stdout"]

    def _from_playbook(self) -> Mapping[str, t.Any]:
        """The option `via_controller` of the task: only playbooks of this collection set it."""
        given = self._task.args.get("via_controller")
        return given if isinstance(given, Mapping) else {}

    def _execute_checked(self, **options: t.Any) -> t.Any:
        """What a module returned. Raises TaskError if Ansible cannot process it, for example because of its depth."""
        try:
            return self._execute_module(**options)
        except RecursionError:
            raise malformed("it is nested too deeply") from None

    def _read_remote_file(self, path: str, task_vars: dict) -> bytes:
        """The content of a file on the host, which is not trusted. Raises TaskError unreadable, malformed-result."""
        self._largest_output = LARGEST_FILE
        answer = self._execute_checked(
            module_name="ansible.legacy.slurp", module_args={"src": path}, task_vars=task_vars)
        del self._largest_output
        if answer.get("failed"):
            raise TaskError("unreadable", f"{path} on the host cannot be read: {answer.get('msg')}.")
        try:
            return base64.b64decode(answer["content"])
        except (KeyError, TypeError, ValueError):
            raise malformed("content is not base64") from None

    def _send_file(self, source: Path, name: str) -> str:
        """Put a file into the task's temporary directory on the host; returns its path there."""
        directory = self._make_tmp_path()
        target = self._connection._shell.join_path(directory, name)
        Display().v(f"sending {source.stat().st_size} bytes", host=self._play_context.remote_addr)
        self._transfer_file(str(source), target)
        self._fixup_perms2((directory, target), execute=False)
        return target

    def _low_level_execute_command(self, *more: t.Any, **named: t.Any) -> dict:
        """Run a command; its output has no control characters, because ActionBase shows parts of it in warnings."""
        result = super()._low_level_execute_command(*more, **named)
        for key in ("stdout", "stderr"):
            result[key] = printable_lines(result.get(key) or "", LARGEST_FILE)
            result[f"{key}_lines"] = result[key].splitlines()
        return result

    def _parse_returned_data(self, res: dict, *more: t.Any, **named: t.Any) -> dict:
        """Drop what ActionBase._execute_module would show or act on before this action has the result.

        Since ansible-core 2.21, ActionBase acts on some keys while it parses, and returns an object.
        """
        for key in ("stdout", "stderr"):
            if len(res.get(key, "")) > self._largest_output:
                raise malformed(f"its output is larger than {self._largest_output >> 20} MB")
        try:
            known = {**res, "stdout": with_known_keys(res.get("stdout", ""))}
            data = super()._parse_returned_data(known, *more, **named)
            return {key: data[key] for key in data if key in KEYS_OF_HOSTS} if isinstance(data, dict) else data
        except TaskError:
            raise
        except Exception as error:  # whatever the host's JSON makes of Ansible's parser
            raise malformed(f"it cannot be parsed ({type(error).__name__})") from None

    def _run_printable(self, task_vars: dict) -> dict:
        """The same as _run_on_host; errors of Ansible lose control characters, because hosts can write ssh's output."""
        try:
            return self._run_on_host(task_vars)
        except AnsibleError as error:
            text = str(error)
            message = printable_lines(text, LONGEST_MESSAGE)
            if message == text:
                raise
            lost = isinstance(error, AnsibleConnectionFailure)
        # After the except clause: ansible-core would also show the first error, as the context of the second.
        raise AnsibleConnectionFailure(message) if lost else AnsibleError(message)

    def _with_own_keys(self, result: dict) -> dict:
        """The result with the keys that this controller adds."""
        arguments = {key: value for key, value in self._task.args.items() if key != "via_controller"}
        result["invocation"] = {"module_args": arguments}
        if self._discovered_interpreter_key:
            # Without it, each task would look for the interpreter of the host again.
            result.setdefault("ansible_facts", {})[
                self._discovered_interpreter_key] = self._discovered_interpreter
        warnings = [
            *map(_one_line, getattr(self, "_discovery_warnings", ())), *result.pop("warnings", ()),
            *self._no_build_warnings(result)]
        if warnings:
            result["warnings"] = warnings
        return result

    def _no_build_warnings(self, result: dict) -> list[str]:
        quiet = boolean(self._task.args.get("report_only", False), strict=False)
        if self._module() not in WARNING_MODULES or result.get("failed") or quiet:
            return []
        return [found["message"] for found in result.get("findings", ()) if found["code"] == "no-build"][:1]


def _one_line(text: t.Any) -> str:
    return printable_lines(str(text), LONGEST_MESSAGE).replace("\n", " ")
