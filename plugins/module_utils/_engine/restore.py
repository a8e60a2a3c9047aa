# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores an earlier stack of live patches, and leaves no longer gap without a patch than the kernel requires."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import CheckContext, observed_state
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import Facts
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.registry import evaluate
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.steps import StepRunner
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import (
    FINDINGS,
    blockers_in,
    error_from,
    finding,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import TOLERATED_IN_RESTORE
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import disabled_modules, loaded_build
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import state_conflict
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.replacement import has_replace_sets, replacement
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import contains_build, empty_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import (
    in_common,
    names_of,
    running_stack,
    same_builds,
    same_stack,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error

# A file that ran here before may be loaded again despite ignorable blockers, but not after a crash with it.
IGNORABLE = frozenset(code for code, (_level, ignorable, _message) in FINDINGS.items() if ignorable) - {"quarantined"}
# Blockers that the restore itself ends first, and blockers that only matter for a file still to be written.
TRANSIENT = frozenset((
    "transition-running", "name-taken-by-other-build", "trial-running", "states-incompatible", "read-only", "no-space",
    "earlier-patch-disabled"))


class StackRestore:
    """A change from the patches in effect to `target`, a list of LAYERs (see _persistence/ledger.py), oldest first.

    `ignored` are the codes of the blockers to ignore when a layer is loaded again. `store` has the files, and replaces
    the host's own Store. After `run`: `removed` and
    `restored` (each a list of `name` and `transition_seconds`), `changed`, `findings` and `blockers`.
    """

    def __init__(self, host, interface, target, timeout, on_stall, ignored=IGNORABLE | TRANSIENT, store=None):
        self.host = host
        self.interface = interface
        self.target = target
        self.removed = []
        self.restored = []
        self.changed = False
        self.findings = []
        self.blockers = []
        self._options = (timeout, on_stall)
        self._ignored = ignored
        self._store = store or Store(host)

    def patches_to_remove(self):
        """The names of the patches to remove, newest first; a patch in transition comes before all others."""
        patches = self.interface.patches()
        moving = [patch["name"] for patch in patches if patch["state"] in ("enabling", "disabling")]
        removals, _back = self._plan(self._stack(patches))
        return [name for name in moving if name not in names_of(self.target)] + names_of(removals)

    def layers_to_load(self):
        """The LAYERs to load again, in the order of loading."""
        return self._plan(self._stack(self.interface.patches()))[1]

    def check(self):
        """Raise LivepatchError with the first reason why a layer cannot be loaded again; changes nothing."""
        for layer in self.layers_to_load():
            self._check(layer)
            self._store.check_undamaged(layer["sha256"])

    def to_layers_in_effect(self, ledger, keep):
        """The same restore to the layers that are in effect now and for which `keep(layer)` holds."""
        stack = running_stack(self.host, self.interface.patches(), ledger)
        target = [layer for layer in stack if keep(layer)]
        return StackRestore(self.host, self.interface, target, *self._options, ignored=self._ignored,
                            store=self._store)

    def load_all(self, before):
        """Check and load every patch of the target, and remove nothing; calls `before(layer)` before each load.

        A failure does not stop the others. Returns False if a transition did not finish. Raises LivepatchError at the
        end, with the first failure.
        """
        failures = []
        for layer in self.target:
            try:
                self._check(layer)
                before(layer)
                if not self._load(layer):
                    return False
            except (LivepatchError, OSError) as failure:
                failures.append(as_livepatch_error(failure))
        if failures:
            raise failures[0]
        return True

    def run(self):
        """Restore the target; returns False if a transition did not finish.

        Raises LivepatchError with `changed`, `removed`, `restored` and `findings` in its details.
        """
        try:
            return self._restore()
        except (LivepatchError, OSError) as failure:
            error = as_livepatch_error(failure)
            error.details.update(
                changed=self.changed, removed=self.removed, restored=self.restored,
                findings=self.findings)
            raise error from failure

    def _restore(self):
        if not self._finish_transition():
            return False
        removals, loads = self._plan(self._stack(self.interface.patches()))
        direct = self._directly_replaced(removals, loads)
        for name in [name for name in names_of(removals) if name not in direct]:
            if not self._remove(name):
                return False
        for name in self.interface.disabled_in_stack() if loads else ():
            self._remove(name)
        for layer in loads:
            if not self._load(layer):
                return False
        shown = {patch["name"] for patch in self.interface.patches() if patch["state"] != "disabled"}
        shown.update(found["subject"] for found in self.findings)  # modules in use, found just now
        for module in disabled_modules(self.host, shown):
            self._remove(module["name"])
        self._verify_stack()
        return True

    def _check(self, layer):
        description = self._description_of(layer)
        state = observed_state(self.host, self.interface, layer["name"])
        loaded = loaded_build(self.host, layer["name"])
        if not same_build(loaded, layer):
            state = "absent"  # at load time: the other build of this name is removed first
        facts = Facts(self.host, description, best_effort_ledger=True)
        context = CheckContext(self.host, self.interface, description, state, {}, facts)
        # An accepted patch in its first boot on this kernel is judged like any other first load.
        untried = layer.get("untried")
        blockers = blockers_in(
            evaluate(context), self._ignored if untried is None else TRANSIENT.union(untried))
        if blockers:
            raise error_from(blockers)

    def _plan(self, stack):
        """The layers to remove, newest first, and the layers to load, oldest first.

        With replace sets no two patches have a function in common, so their order does not matter.
        """
        if has_replace_sets(self.interface.patches()):
            return ([layer for layer in reversed(stack) if not contains_build(self.target, layer)],
                    [layer for layer in self.target if not contains_build(stack, layer)])
        same = in_common(stack, self.target)
        return stack[same:][::-1], self.target[same:]

    def _stack(self, patches):
        return running_stack(self.host, patches, empty_ledger())

    def _directly_replaced(self, removals, loads, moving=()):
        """The names of layers to remove, and of patches in transition, that layers to load replace without a gap."""
        names = [*moving, *names_of(removals)]
        patches = [patch for patch in self.interface.patches() if patch["name"] in names]
        if has_replace_sets(patches):
            return [name for layer in loads for name in self._replaced_by(layer, patches, removals)
                    if name not in names_of(loads)]
        if not loads or set(names) & set(names_of(loads)):
            return []
        return names if set(self._replaced_by(loads[0], patches, removals)) == set(names) else []

    def _replaced_by(self, layer, patches, removals):
        """The names of the patches that one layer replaces; none if the kernel would refuse it beside them."""
        description = self._description_of(layer)
        replaced = replacement(description, patches).replaced
        kept = [self._store.description(one["sha256"]) for one in removals if one["sha256"] and one["name"] in replaced]
        conflict = any(state_conflict(description, one, replaces=True) for one in kept if one)
        return [] if conflict else replaced

    def _finish_transition(self):
        """End a running transition, because the kernel allows one at a time; returns False if it did not end."""
        name = self.interface.patch_in_transition()
        if name is None:
            return True
        removals, loads = self._plan(self._stack(self.interface.patches()))
        ends_over = self.interface.state(name) == "disabling" and loads and name in self._directly_replaced(
            removals, loads, [name])
        if name in names_of(self.target) or ends_over:
            return self._run_steps(self._runner(name), "enabled", self.restored)
        return self._remove(name)

    def _remove(self, name):
        """Remove one patch; returns False when its transition did not finish."""
        runner = self._runner(name)
        try:
            return self._run_steps(runner, "absent", self.removed)
        except (LivepatchError, OSError) as failure:
            if self.interface.state(name) != "disabled":
                raise
            # The patch is disabled already; its module must not stop the removal of the other patches.
            self.findings.append(finding("module-kept", name, name=name, why=as_livepatch_error(failure).message))
        return True

    def _load(self, layer):
        """Load one patch again; returns False when its transition did not finish."""
        runner = self._runner(layer["name"])
        runner.select_image(self._store, layer["sha256"], layer["parameters"])
        finished = self._run_steps(runner, "enabled", self.restored)
        if finished:
            self._verify(runner, layer)
        self.removed += [{"name": name, "transition_seconds": runner.seconds} for name in runner.replaced]
        return finished

    def _verify(self, runner, layer):
        try:
            runner.verify(self._description_of(layer), TOLERATED_IN_RESTORE)
        except LivepatchError as error:
            removed = self._remove(layer["name"])
            became = "was removed again" if removed else f"is {self.interface.state(layer['name'])}"
            raise LivepatchError(error.code, f"{error.message} The patch {became}.") from error

    def _runner(self, name):
        timeout, on_stall = self._options
        return StepRunner(self.host, self.interface, name, timeout, on_stall)

    def _run_steps(self, runner, wanted, done):
        """Whether a change finished; adds it to `done` if the patch reached its state."""
        previous = self.interface.state(runner.name)
        try:
            runner.run(previous, wanted)
        finally:
            state = self.interface.state(runner.name)
            self.changed = self.changed or state != previous
            self.findings += runner.findings
            self.blockers += runner.blockers
            if state != previous and state in (("enabled",) if wanted == "enabled" else ("absent", "disabled")):
                done.append({"name": runner.name, "transition_seconds": runner.seconds})
        return state not in ("enabling", "disabling")

    def _description_of(self, layer):
        description = layer["sha256"] and self._store.description(layer["sha256"])
        if not description:
            raise error_from([finding(
                "earlier-file-missing", layer["name"], name=layer["name"], build=layer["build_id"] or "none")])
        return description

    def _verify_stack(self):
        """Raises LivepatchError if the kernel runs another stack than the target."""
        patches = self.interface.patches()
        stack = self._stack(patches)
        if not (same_builds if has_replace_sets(patches) else same_stack)(stack, self.target):
            raise LivepatchError(
                "stack-differs",
                f"After the rollback, the kernel has {_names_text(stack)} enabled instead of "
                f"{_names_text(self.target)}. Another process changes this host: find it with patch_info (changing, "
                "other_tools).")


def _names_text(stack):
    return ", ".join(names_of(stack)) or "no patch"
