# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of one live patch.

Imports within methods are of what only some changes need: a host compiles each file of a module anew in each task.
When a change of the kernel begins, everything is imported that it needs until its end is recorded.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import CheckContext, observed_state
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import Facts
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.policy import permission
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.registry import evaluate
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import (
    blockers_in,
    error_from,
    finding,
    merge,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import TOLERATED
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import describe_blockers
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.state_machine import state_after, steps
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import claimed_objects
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import DEFAULT_TRIAL_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.result import (
    forecast_stack,
    patch_result,
    stack_diff,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_for_running_kernel,
    contains_build,
    entry_of,
    without_patch,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import read_ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of, running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import (
    LivepatchError,
    as_livepatch_error,
)

KERNEL_STATES = {"accepted": "enabled"}  # the kernel has no such state


class PatchChange:
    """One run of the job, after the build is known; `request` is a PatchRequest, `line` its parameters.

    `watch` is what a trial's process looks at: the ledger's `watch` and `baseline`.
    """

    def __init__(self, host, interface, store, request, description, line, watch):
        self.host = host
        self.interface = interface
        self.store = store
        self.request = request
        self.description = description
        self.name = description["name"] if description else request.name
        self.line = line
        self.watch = dict(watch, watch=dict(watch["watch"], functions=self._counted_functions(watch)))
        self.wanted = KERNEL_STATES.get(request.state, request.state)
        self.tolerated = (*TOLERATED, *request.ignore_findings)  # of the comparison with the kernel
        self.facts = None
        self.ledger = read_ledger_for_this_boot(host, best_effort=self.wanted != "enabled")
        self.before = None
        self.refresh()
        self.loaded_build = module_build_id(host, self.name)
        self.was_accepted = self.previous == "enabled" and self.is_accepted()

    def _counted_functions(self, watch):
        """The functions whose calls the watch of a trial counts."""
        if not (self.description and watch["watch"]["min_calls"]):
            return []
        from ansible_collections.kernel.livepatch.plugins.module_utils._health.call_counts import counted_functions

        return counted_functions(self.description)

    def refresh(self):
        """Read the patches again, and the facts only if the patches changed; reading the facts is slow."""
        before, self.before = self.before, self.interface.patches() if self.interface else []
        if self.before != before:
            self.facts = Facts(self.host, self.description)
        self.previous = self.state()

    def state(self):
        """The patch's state now; raises LivepatchError `name-not-a-livepatch` if no check will report that."""
        if self.wanted == "enabled":
            return observed_state(self.host, self.interface, self.name)
        return self.interface.state(self.name)

    def steps(self):
        """The steps from the state now to the wanted state."""
        return steps(self.previous, self.wanted)

    def refuse_expired_trial(self):
        """Raises LivepatchError `trial-over` if the controller returned to accept the patch and it is not enabled.

        A build that this host has reverted because its watch failed is not accepted either (`watch-failed`).
        """
        if self.request.state == "accepted" or self.request.fresh:
            from ansible_collections.kernel.livepatch.plugins.module_utils._change.watch_verdict import (
                refuse_failed_watch,
            )

            refuse_failed_watch(self.ledger, self.build())
        if self.request.fresh:
            raise LivepatchError(
                "trial-over",
                f"{self.name} is {self.previous} and can no longer be accepted: its trial ended or it was "
                "removed. See the journal in patch_info.", patch=self.result(self.previous))

    def is_accepted(self):
        """Whether the next boot of this kernel loads this build, or without a file, the build that is loaded."""
        if self.on_trial():
            return False
        return contains_build(accepted_for_running_kernel(self.host, self.ledger), self.build())

    def build(self):
        """The name, the build-id and the digest, as far as they are known."""
        return {"name": self.name, "build_id": self.build_id(),
                "sha256": self.description["sha256"] if self.description else ""}

    def is_scheduled(self):
        """Whether a boot of any kernel, or a trial's end, would load a patch of this name, or its watch has failed."""
        if self.ledger["failed_watch"] and self.ledger["failed_watch"]["name"] == self.name:
            return True
        back_to = self.ledger["trial"]["back_to"] if self.ledger["trial"] else []
        return any(entry["name"] == self.name for entry in self.ledger["accepted"] + back_to)

    def on_trial(self):
        """Whether this patch is on trial."""
        return bool(self.ledger["trial"]) and self.ledger["trial"]["name"] == self.name

    def renews_trial(self):
        """Whether the trial of this patch begins again, or ends with the patch enabled."""
        return self.request.state == "enabled" and "load" not in self.steps() and self.on_trial()

    def safeguards(self, transaction):
        """The Safeguards of this change."""
        from ansible_collections.kernel.livepatch.plugins.module_utils._change.safeguards import Safeguards

        return Safeguards(
            self.host, transaction, self.request.timeout, self.trial_seconds(), self.watch, self.renews_trial())

    def check(self):
        """The findings before a change; raises LivepatchError on a blocker that is not ignored."""
        if self.wanted == "enabled":
            from ansible_collections.kernel.livepatch.plugins.module_utils._change.adoption import shared_boots
            from ansible_collections.kernel.livepatch.plugins.module_utils._change.trial_obstacles import (
                trial_obstacles,
            )

            findings = evaluate(self.check_context()) + trial_obstacles(self) + shared_boots(self)
        else:
            findings = list(permission(self.host, modules="remove" in self.steps()))
        blockers = blockers_in(findings, self.request.ignore_findings)
        if blockers:
            raise error_from(blockers, findings=findings, patch=self.result(self.previous))
        return findings

    def check_before_lock(self):
        """Run the checks before the lock is taken; wait for the end of another patch's transition."""
        try:
            self.check()
        except LivepatchError as error:
            blockers = blockers_in(error.details.get("findings", ()), self.request.ignore_findings)
            if {found["code"] for found in blockers} != {"transition-running"}:
                raise
        if not self._is_free():
            self._wait_for_other()
            self.refresh()
            self.check()

    def _is_free(self):
        return self.interface is None or self.interface.patch_in_transition() in (None, self.name)

    def _wait_for_other(self):
        """Raises LivepatchError `host-busy`, or `transition-running` with its blockers in the details."""
        from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import refuse_while_busy

        refuse_while_busy(self.host)
        other = self.interface.patch_in_transition()
        if poll_until(self.host, self._is_free, self.request.timeout):
            return
        patch = self.interface.patch(other)
        error = error_from([finding("transition-running", other, other=other)], patch=self.result(self.previous))
        error.details["blockers"] = describe_blockers(self.host, patch) if patch else []
        raise error

    def unchanged(self):
        """The result when there are no steps; compares an enabled patch with its file."""
        findings = []
        if self.wanted == "enabled":
            findings = evaluate(self.check_context())
            blockers = blockers_in(findings, self.tolerated)
            if blockers:
                raise error_from(blockers, findings=findings, patch=self.result(self.previous))
        return self.task_result(self.previous, findings)

    def finish_unchanged(self, transaction=None):
        """The result when the patch already has the wanted state, with or without an open transaction.

        A patch to disable or unload is also removed from the ledger; that needs the transaction.
        """
        if transaction and self.wanted != "enabled" and (self.is_scheduled() or self.on_trial()):
            return self.forget(transaction)
        result = self.unchanged()
        if self.request.fresh and not self.on_trial():
            from ansible_collections.kernel.livepatch.plugins.module_utils._change.watch_verdict import ended_verdict

            result["watch"] = ended_verdict(self.host, self.ledger, self.build())
        if self.wanted == "enabled" and self.request.trial and not self.is_accepted() and not self.on_trial():
            result["findings"].append(finding("trial-not-begun", self.name, name=self.name))
        return result

    def forget(self, transaction):
        """Remove an inactive patch from the ledger, so that neither a boot nor a trial's end loads it."""
        from ansible_collections.kernel.livepatch.plugins.module_utils._engine.journaled_restore import close_trial

        transaction.begin([self.journal_plan()], self.before)
        if self.on_trial():
            close_trial(self.host, transaction)
        transaction.update_ledger(**without_patch(transaction.ledger, self.name))
        findings = self.end(transaction, "done")
        return dict(self.task_result(self.previous, findings), changed=True, transaction=transaction.id)

    def end(self, transaction, outcome, code=None):
        """Write the end of a change without a transition; returns the findings about the records."""
        state = self.interface.state(self.name)
        patches = [{"name": self.name, "state": state, "transition_seconds": None}]
        return transaction.end(outcome, patches, self.interface.patches(), code=code)

    def forecast(self, findings):
        """The result that the change would have; changes nothing."""
        state = state_after(self.previous, self.wanted)
        after = forecast_stack(self.before, self.name, state, self.description)
        result = self.task_result(state, findings, after)
        if state == "enabled":
            from ansible_collections.kernel.livepatch.plugins.module_utils._checks.forecast import replaced_patches

            result["patch"].update(state=self.request.state, replaces=replaced_patches(self.check_context()),
                                   objects=claimed_objects(self.description))
        return result

    def apply(self, transaction):
        """Take the steps, in an open transaction.

        Another run may have moved the patch before this one had the lock, so look again.
        """
        self.ledger = transaction.ledger
        self.refresh()
        if not self.steps():
            return self.finish_unchanged(transaction)
        self.refuse_expired_trial()
        findings = self.check()
        if self.request.trial and "load" not in self.steps() and not self.on_trial():
            findings.append(finding("trial-not-begun", self.name, name=self.name))
        if "load" in self.steps():
            self._ensure_image_to_load(findings)
        runner = self._runner()
        safeguards = self.safeguards(transaction)
        try:
            transaction.begin([self.journal_plan()], self.before)
            self._run(runner, safeguards, transaction)
        except (LivepatchError, OSError) as failure:
            raise self._failed(as_livepatch_error(failure), findings, runner, safeguards, transaction) from failure
        state = self.interface.state(self.name)
        outcome = "in-transition" if state in ("enabling", "disabling") else "done"
        record_findings = self._end(transaction, outcome, state, runner, safeguards)
        findings = merge(findings, safeguards.findings + runner.findings) + record_findings
        result = self.task_result(state, findings, self.interface.patches())
        result["patch"].update(replaces=runner.replaced, transition_seconds=runner.seconds)
        result.update(blockers=runner.blockers, transaction=safeguards.trial_transaction)
        return result

    def _runner(self):
        from ansible_collections.kernel.livepatch.plugins.module_utils._engine.steps import StepRunner

        return StepRunner(self.host, self.interface, self.name, self.request.timeout, self.request.on_stall)

    def journal_plan(self):
        """The journal's record of this patch before the change."""
        return {
            "name": self.name, "sha256": self.description["sha256"] if self.description else None,
            "build_id": self.build_id(), "previous_state": self.previous, "wanted_state": self.request.state,
        }

    def task_result(self, state, findings, after=None):
        """The task's result; `after` is the list of patches after the change, if it differs from before."""
        after = self.before if after is None else after
        return {
            "changed": state != self.previous,
            "transaction": None,
            "watch": None,
            "patch": self.result(state),
            "findings": merge(findings, self._boot_obstacles()),
            "blockers": [],
            "diff": stack_diff(self.host, self.before, after),
        }

    def _boot_obstacles(self):
        """The findings about the boots that an accepted patch is for."""
        if self.request.state != "accepted":
            return []
        from ansible_collections.kernel.livepatch.plugins.module_utils._change.boot_repair import boot_obstacles

        return boot_obstacles(self.host)

    def result(self, state, runner=None):
        """The `patch` of a result, for a state in the kernel, or `accepted`."""
        patch = self.interface.patch(self.name) if self.interface else None
        return patch_result(
            self.host, self.name, state="accepted" if state == "enabled" and self.is_accepted() else state,
            previous_state="accepted" if self.was_accepted else self.previous,
            sha256=self.description["sha256"] if self.description else None, build_id=self.build_id(),
            objects=patch["objects"] if patch else [], replaces=runner.replaced if runner else [])

    def build_id(self):
        """The build-id of the file if there is one, else of the loaded module."""
        return self.description["build_id"] if self.description else self.loaded_build

    def check_context(self):
        return CheckContext(self.host, self.interface, self.description, self.previous, self.request.params, self.facts)

    def trial_seconds(self):
        """The trial's length in seconds; 0 without a trial, or if the build is accepted with the same parameters."""
        if self.is_accepted() and any(
                entry["name"] == self.name and entry["parameters"] == self.line for entry in self.ledger["accepted"]):
            return 0
        return self.request.trial or (DEFAULT_TRIAL_SECONDS if self.request.state == "accepted" else 0)

    def has_image(self):
        """Whether the host keeps the image undamaged, for the next boot or a rollback."""
        sha256 = self.description["sha256"]
        return self.store.has(sha256) and self.store.fault(sha256) is None

    def has_new_metadata(self):
        """Whether the bundle says something else today of a kept file; a file without an entry says nothing."""
        offer = self.request.offer
        says = bool(offer) and (offer["kind"] == "bundle" or "metadata" in self.description)
        return says and self.store.has_other_metadata(self.description)

    def ensure_image(self):
        """Put the image into the store; raises ControllerRequest if the controller must send it."""
        if self.has_image():
            if self.has_new_metadata():
                self.store.update(self.description)
            return
        from ansible_collections.kernel.livepatch.plugins.module_utils._change.image import fetch_image

        fetch_image(self.host, self.store, self.request.offer, self.description)

    def _ensure_image_to_load(self, findings):
        """ensure_image_or_program before a load; its errors have the findings of the checks, and the patch."""
        from ansible_collections.kernel.livepatch.plugins.module_utils._change.image import ensure_image_or_program

        try:
            ensure_image_or_program(self)
        except (LivepatchError, OSError) as failure:
            error = as_livepatch_error(failure)
            error.details.update(findings=findings, patch=self.result(self.previous))
            raise error from failure

    def _run(self, runner, safeguards, transaction):
        stack = running_stack(self.host, self.before, transaction.ledger)
        if self.wanted != "enabled":
            transaction.update_ledger(**without_patch(transaction.ledger, self.name))
        elif "load" in self.steps():
            runner.select_image(self.store, self.description["sha256"], self.line)
            safeguards.arm(entry_of(self.description, self.line, transaction.name), stack)
        safeguards.extend_trial()
        runner.run(self.previous, self.wanted)
        if self.wanted == "enabled" and self.interface.state(self.name) == "enabled":
            try:
                runner.verify(self.description, self.tolerated)
                self._keep_replace_set()
            except LivepatchError as error:
                raise LivepatchError(error.code, f"{error.message} {self._restore_earlier(runner, stack)}") from error

    def _keep_replace_set(self):
        patch = self.interface.patch(self.name)
        if patch and patch["replace_set"] is not None:
            self.store.keep_replace_set(self.description["sha256"], patch["replace_set"])

    def _restore_earlier(self, runner, stack):
        """Remove a patch that differs from its file, and restore `stack`; returns the outcome as sentences."""
        # Imported already, with Safeguards.
        from ansible_collections.kernel.livepatch.plugins.module_utils._engine.restore import StackRestore

        restore = StackRestore(self.host, self.interface, stack, self.request.timeout, self.request.on_stall)
        try:
            restore.check()
        except LivepatchError:  # a replaced patch cannot be loaded again
            restore = restore.to_layers_in_effect(self.ledger, lambda layer: layer["name"] != self.name)
        lost = [name for name in names_of(stack) if name not in names_of(restore.target)]
        try:
            if not restore.run():
                return f"Its removal has not ended: it is {self.interface.state(self.name)}."
        except LivepatchError as error:
            return f"The patch could not be removed again. {error.message}"
        finally:
            runner.findings += restore.findings
        if lost:
            return f"The patch was removed again. The patches that it had replaced are not loaded: {', '.join(lost)}."
        runner.replaced = []
        return "The patch was removed again" + (", and the replaced ones were restored." if restore.restored else ".")

    def _failed(self, error, findings, runner, safeguards, transaction):
        """The error of a change, with the resulting state of the patch in its details."""
        state = self.interface.state(self.name)
        if state == self.previous and transaction.id and self.wanted != "enabled":  # reversed: the records stay
            transaction.update_ledger_best_effort(accepted=self.ledger["accepted"], trial=self.ledger["trial"])
        record_findings = self._end(transaction, "failed", state, runner, safeguards, error.code)
        error.details.setdefault("patch", self.result(state, runner))
        error.details.setdefault("changed", state != self.previous or bool(runner.replaced))
        error.details.update(findings=merge(findings, runner.findings) + record_findings, transaction=transaction.id)
        return error

    def _end(self, transaction, outcome, state, runner, safeguards, code=None):
        after = self.interface.patches()
        if transaction.id:
            safeguards.finish(after, done=outcome == "done")
            self.ledger = transaction.ledger
        patches = [{"name": self.name, "state": state, "transition_seconds": runner.seconds}]
        return transaction.end(outcome, patches, after, code=code, replaces=runner.replaced)
