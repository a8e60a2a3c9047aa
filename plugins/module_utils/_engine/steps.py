# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the steps between two states of one patch, and checks each of them in the kernel."""

import os

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.insertion import insert_module, set_enabled
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.progress import Progress, forget_progress
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import (
    blockers_in,
    error_from,
    finding,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import TOLERATED
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import remove_module
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import (
    advice,
    blockers_sentence,
    describe_blockers,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.state_machine import steps
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

SIGNAL_SECONDS = 15  # SIGNALS_TIMEOUT in kernel/livepatch/transition.c


class StepRunner:
    """One change of one patch on one host.

    After `run`: `seconds` (of the transition, None without one), `replaced` (names), `findings`, `blockers` (of an
    unfinished or forced transition). A LivepatchError leaves the host as it was, or names each failure to undo.
    """

    def __init__(self, host, interface, name, timeout, on_stall):
        self.host = host
        self.interface = interface
        self.name = name
        self.timeout = timeout
        self.on_stall = on_stall
        self.seconds = None
        self.replaced = []
        self.findings = []
        self.blockers = []
        self._store = None
        self._sha256 = None
        self._image = None
        self._parameters = ""
        self._before = []
        self._started = None

    def select_image(self, store, sha256, parameters):
        """Choose the kept file for `run` to load; `parameters` are the module's, as one line."""
        self._store = store
        self._sha256 = sha256
        self._parameters = parameters

    def run(self, current, wanted):
        """Take the steps between two states; stops early if a transition did not finish.

        The file is opened before anything is changed, and its bytes are checked and loaded through one descriptor.
        """
        planned = steps(current, wanted)
        forget_progress(self.host)
        if "load" in planned:
            self._image = self._store.open(self._sha256)
        try:
            self._before = self._enabled()
            self._started = self.host.now()
            for step in planned:
                if not getattr(self, step)():
                    return
        finally:
            if self._image is not None:
                os.close(self._image)
                self._image = None

    def load(self):
        """Insert the module; the kernel returns as soon as the transition has begun."""
        self._started = insert_module(
            self.host, self.interface, self.name, self._image, self._parameters, self.timeout)
        return True

    def enable_registered(self):
        """Enable the patch where the kernel has only registered it; if that fails, unload it."""
        if not self.interface.is_registered(self.name):
            return True
        try:
            return self.enable()
        except LivepatchError as error:
            raise LivepatchError(error.code, f"{error.message} {self._unload()}", **error.details) from error

    def enable(self):
        return self._change(True)

    def disable(self):
        return self._change(False)

    def _change(self, enabled):
        """Ask the kernel for a direction; where it cannot reverse a transition, after the end of the running one."""
        ends_first = not self.interface.reverses and self.interface.state(self.name) in ("enabling", "disabling")
        if ends_first and not self._wait_for_state("disabled" if enabled else "enabled"):
            return False
        set_enabled(self.host, self.interface, self.name, enabled, self.timeout)
        return True

    def remove(self):
        """Unload the module of the disabled patch."""
        remove_module(self.host, self.name)
        return True

    def wait_enabled(self):
        """Wait until every task runs the new code, then unload the modules of the replaced patches."""
        if not self._wait_for_state("enabled"):
            return False
        enabled = self._enabled()
        self.replaced = [name for name in self._before if name not in enabled]
        for name in self.replaced:
            self._remove_replaced(name)
        return True

    def wait_disabled(self):
        """Wait until no task runs the patch's code."""
        return self._wait_for_state("disabled")

    def verify(self, description, tolerated=TOLERATED):
        """Compare the enabled patch with its file; raises LivepatchError with the first difference not tolerated."""
        findings, _functions = verify_patch(self.host, self.interface, self.name, description, tasks=False)
        self.findings.extend(findings)
        blockers = blockers_in(findings, tolerated)
        if blockers:
            raise error_from(blockers)

    def _enabled(self):
        # A replaced patch is shown as disabled for a moment before its directory goes.
        return [patch["name"] for patch in self.interface.patches() if patch["state"] == "enabled"]

    def _wait_for_state(self, wanted):
        if self._ends_in(wanted) or self._resolve_stall(wanted):
            self.seconds = round(self.host.now() - self._started, 3)
            return True
        return False

    def _ends_in(self, wanted):
        """Whether the transition ends in `wanted` before the timeout.

        A kernel with a file for it is asked to wake the tasks, as often as later kernels do it by themselves.
        """
        due = [self.host.now() + min(SIGNAL_SECONDS, self.timeout / 2)]
        progress = Progress(self.host, self.name, self._started or self.host.now(), self.timeout)

        def has_ended():
            if self._is(wanted):
                return True
            if self.host.now() >= due[0]:
                self.interface.send_signals(self.name)
                due[0] += SIGNAL_SECONDS
            progress.step(self.interface.state(self.name))
            return False

        try:
            return poll_until(self.host, has_ended, self.timeout)
        finally:
            progress.end()

    def _is(self, wanted):
        """Whether the transition has ended in `wanted`; raises LivepatchError if it ended in the opposite state."""
        state = self.interface.state(self.name)
        if state in ("enabling", "disabling"):
            return False
        if (state == "enabled") != (wanted == "enabled"):
            raise LivepatchError(
                "changed-meanwhile",
                f"Another process changed {self.name} to {state} during this task. Find it with patch_info (changing, "
                "other_tools), then run again.")
        return True

    def _resolve_stall(self, wanted):
        """Whether the transition ended after all; raises LivepatchError if it was reversed."""
        patch = self.interface.patch(self.name)
        blockers = describe_blockers(self.host, patch) if patch else []
        if self._is(wanted):  # it ended during the search for its blockers
            return True
        self.blockers = blockers
        if self.on_stall == "wait":
            self.findings.append(finding(
                "transition-unfinished", self.name, name=self.name, blockers=blockers_sentence(blockers),
                how=f"did not end within {self.timeout} s and continues, because on_stall is wait"))
            return False
        if self.on_stall == "force" and self.interface.can_force(self.name):
            return self._force(wanted)
        return self._reverse(wanted)

    def _force(self, wanted):
        if self._finished_meanwhile(wanted, lambda: self.interface.force(self.name)):
            return True
        self.findings.append(finding("transition-forced", self.name, name=self.name, seconds=self.timeout))
        if not self._ends_in(wanted):
            raise LivepatchError(
                "force-stalled",
                f"The transition of {self.name} was forced and did not end within {self.timeout} s more. "
                "Read the kernel log, and plan a reboot.", blockers=self.blockers)
        return True

    def _reverse(self, wanted):
        """Reverse the transition and raise LivepatchError with the result; True only if it had already ended."""
        if not self.interface.reverses:
            raise LivepatchError(
                "reverse-unsupported",
                f"The transition of {self.name} did not end within {self.timeout} s and continues, because "
                f"{self.interface.label} cannot reverse it. It is held by {blockers_sentence(self.blockers)}. "
                f"{advice(self.blockers)}", blockers=self.blockers)
        original_state = "disabled" if wanted == "enabled" else "enabled"
        if self._finished_meanwhile(wanted, lambda: self.interface.set_enabled(self.name, original_state == "enabled")):
            return True
        if not self._ends_in(original_state):
            raise self._reverse_stalled()
        raise LivepatchError(
            "transition-stalled",
            f"The transition of {self.name} did not end within {self.timeout} s and was reversed"
            f"{' because this kernel cannot force it' if self.on_stall == 'force' else ''}. It was held by "
            f"{blockers_sentence(self.blockers)}. {self._describe_reversal(original_state)} "
            f"{advice(self.blockers)}", blockers=self.blockers)

    def _finished_meanwhile(self, wanted, request):
        """Whether the kernel refused `request` only because the transition had already ended."""
        try:
            request()
        except LivepatchError:
            if self._is(wanted):
                return True
            raise
        return False

    def _reverse_stalled(self):
        patch = self.interface.patch(self.name)
        blockers = describe_blockers(self.host, patch) if patch else []
        return LivepatchError(
            "reverse-stalled",
            f"The transition of {self.name} did not end within {self.timeout} s, and neither did its reversal. "
            f"It is still {self.interface.state(self.name)}, held by {blockers_sentence(blockers)}. "
            f"{advice(blockers)}", blockers=blockers)

    def _describe_reversal(self, original_state):
        """The state of the patch after its transition was reversed, as a sentence; unloads a disabled patch."""
        if original_state == "enabled":
            return "The patch is enabled as before."
        return self._unload()

    def _unload(self):
        """Unload the disabled patch; returns the result as a sentence."""
        try:
            remove_module(self.host, self.name)
        except LivepatchError as error:
            return error.message
        return "The patch was unloaded."

    def _remove_replaced(self, name):
        try:
            remove_module(self.host, name)
        except LivepatchError as error:
            self.findings.append(finding("replaced-module-kept", name, other=name, why=error.message))
