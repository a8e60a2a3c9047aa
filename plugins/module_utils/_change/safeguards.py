# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records and the trial process that a host gets before a load, so that it can revert without the controller."""

from ansible_collections.kernel.livepatch.plugins.module_utils._change.watch_verdict import refuse_failed_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.journaled_restore import close_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import (
    arm,
    armed,
    boot_service_status,
    disarm,
    install_boot_service,
    own_paths,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import STOPPED, trial_process
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.call_probes import remove_probes
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.selinux import restore_labels
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import still_in_kernel, without
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import forget_watch
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import (
    ensure_program,
    is_for_this_python,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError


class Safeguards:
    """The safeguards of one change; `findings` are those about them.

    `seconds` is the trial's length, 0 for none; `timeout` is the longest time for the transition, in seconds.
    `watch` are the ledger's `watch` and `baseline` of a new trial.
    `renewal`: nothing is loaded, and the running trial begins again with `seconds`, or ends with 0.
    `trial_transaction` is the change that began the trial; rolling back to its start undoes the trial.
    """

    def __init__(self, host, transaction, timeout, seconds=0, watch=None, renewal=False):
        self.host = host
        self.transaction = transaction
        self.timeout = timeout
        self.seconds = seconds
        self.watch = watch
        self.renewal = renewal
        self.trial_transaction = transaction.ledger["trial"]["transaction"] if renewal else transaction.name
        self.findings = []

    def arm(self, entry, back_to):
        """Before a load: write the patch to the ledger, watch the end of this boot, and arm a trial.

        Raises LivepatchError with nothing armed and the ledger as it was.
        """
        earlier = self.transaction.ledger
        try:
            self._arm(entry, back_to)
        except BaseException:
            self.transaction.update_ledger_best_effort(**earlier)
            if self.seconds:
                disarm(self.host, self.transaction.name)
            raise

    def _arm(self, entry, back_to):
        ledger = self.transaction.ledger
        loaded = without(ledger["loaded"], entry["name"])
        # First: programs started below read it.
        self.transaction.update_ledger(loaded=[*loaded, entry], failed_watch=None)
        # The trial's process shows that the program runs. A Python that cannot run it would take minutes to show that,
        # and this one runs the same code now.
        argv = ensure_program(self.host, probe=bool(self.seconds) and not is_for_this_python(self.host))
        # Without an init system, the trial process records a clean shutdown.
        detached = bool(self.seconds) and boot_service_status(self.host)["init"] == "none"
        self.transaction.update_ledger(watched=install_boot_service(self.host, argv) or detached)
        self.findings += restore_labels(self.host, own_paths(self.host))
        if self.seconds:
            self.transaction.update_ledger(trial={
                "transaction": self.transaction.name, "name": entry["name"], "since": self.transaction.now(),
                "seconds": self.seconds, "ends": self._end() + self.timeout, "back_to": back_to, **self.watch})
            forget_watch(self.host)
            remove_probes(self.host)  # of a trial whose process was killed
            arm(self.host, self.transaction.name, [*argv, "end-trial"])
        elif ledger["trial"] and ledger["trial"]["name"] == entry["name"]:  # of an earlier load
            close_trial(self.host, self.transaction)

    def extend_trial(self):
        """Before a trial is renewed: move its end, and start the trial process again if it does not run.

        Raises LivepatchError with the trial as it was.
        """
        earlier = self.transaction.ledger["trial"]
        if not (self.renewal and self.seconds):
            return
        process, pid = trial_process(self.host, self.trial_transaction)
        if process == STOPPED:
            raise LivepatchError(
                "trial-not-armed",
                f"The process to end the trial is stopped, so the trial is not renewed. Continue it with kill "
                f"-CONT {pid}, then run again.")
        refuse_failed_trial(self.host, earlier)
        try:
            self.transaction.update_ledger(trial=dict(
                earlier, since=self.transaction.now(), seconds=self.seconds, ends=self._end() + self.timeout,
                watch=self.watch["watch"], baseline=earlier["baseline"] or self.watch["baseline"]))
            if not armed(self.host, self.trial_transaction):
                arm(self.host, self.trial_transaction, [*ensure_program(self.host, probe=True), "end-trial"])
        except BaseException:
            self.transaction.update_ledger_best_effort(trial=earlier)
            raise

    def finish(self, patches, done=True):
        """After a change: update the ledger from the kernel; start a trial's clock, or end a trial without a patch.

        `done`: whether the change reached its state. If it did not and the earlier patches are not restored, the
        trial's end is due now and tries to restore them again.
        """
        ledger = self.transaction.ledger
        states = {patch["name"]: patch["state"] for patch in patches if patch["state"] != "disabled"}
        changes = still_in_kernel(patches, ledger)
        trial = ledger["trial"]
        state = states.get(trial["name"]) if trial else None
        accepted = state == "enabled" and done and self.renewal and not self.seconds
        own = bool(trial) and trial["transaction"] == self.trial_transaction
        not_restored = state is None and own and not done and any(
            states.get(layer["name"]) != "enabled" for layer in trial["back_to"])
        if trial and (accepted or (state is None and not not_restored)):
            close_trial(self.host, self.transaction, best_effort=True, **changes)
            return
        if not_restored:
            changes["trial"] = dict(trial, ends=self.host.now())
        elif own and state == "enabled":
            changes["trial"] = dict(trial, ends=self._end())
        self.transaction.update_ledger_best_effort(**changes)

    def _end(self):
        return self.host.now() + self.seconds
