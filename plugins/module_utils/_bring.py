# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch`: choose the build, check it, and bring it to the state that is asked for."""

import os
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._change import Change
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import Facts
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.policy import permission
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.question import Question, state_in_question
from ansible_collections.kernel.livepatch.plugins.module_utils._choice import chosen_description, uncovered_note
from ansible_collections.kernel.livepatch.plugins.module_utils._compatibility import findings_on
from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError, known_error
from ansible_collections.kernel.livepatch.plugins.module_utils._findings import (
    check_ignorable,
    joined,
    refusal,
    standing_blockers,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._forecast import replaced_patches
from ansible_collections.kernel.livepatch.plugins.module_utils._host_file import open_image
from ansible_collections.kernel.livepatch.plugins.module_utils._interfaces import interface_or_none, unsupported
from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import module_build_id, module_name
from ansible_collections.kernel.livepatch.plugins.module_utils._lock import refuse_while_busy
from ansible_collections.kernel.livepatch.plugins.module_utils._needs import Needs
from ansible_collections.kernel.livepatch.plugins.module_utils._parameters import parameter_line
from ansible_collections.kernel.livepatch.plugins.module_utils._plan import reached, steps
from ansible_collections.kernel.livepatch.plugins.module_utils._report import (
    claimed_objects,
    forecast_stack,
    patch_result,
    stack_diff,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._transaction import transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._verify import TOLERATED

# offer: see _choice, None without src. timeout: seconds. params: a dict.
Wish = namedtuple("Wish", "offer name state timeout on_stall ignore_findings params")


def bring_patch(host, wish, check_mode=False, told=None):
    """Bring one patch to `wish.state`; `told` is what the controller says of itself, see _operator.py.

    Returns a dict of `changed`, `transaction`, `patch`, `findings`, `blockers` and `diff`. Raises Needs when the
    controller has to tell or send something first, and LivepatchError.
    """
    if wish.name is not None:
        wish = wish._replace(name=module_name(wish.name))
    check_ignorable(wish.ignore_findings)
    line = parameter_line(wish.params)
    store = Store(host)
    description = chosen_description(host, store, wish.offer, wish.name) if wish.offer else None
    if description is None and (wish.state == "enabled" or wish.name is None):
        return _uncovered(host, wish)  # what is to go away by name needs no build
    interface = interface_or_none(host)
    if interface is None and wish.state != "enabled":
        raise refusal([unsupported(host)])
    task = _Task(host, interface, store, wish, description, line)
    if not steps(task.previous, wish.state):
        if wish.state == "absent" and not check_mode:
            task.forget_files(told)
        return task.unchanged()
    if check_mode:
        return task.forecast(task.check())
    task.check_before_lock()
    with transaction(host, "patch", told) as recorded:
        return task.change(recorded)


class _Task:
    """One run of the job, after the build is known."""

    def __init__(self, host, interface, store, wish, description, line):
        self.host = host
        self.interface = interface
        self.store = store
        self.wish = wish
        self.description = description
        self.name = description["name"] if description else wish.name
        self.line = line
        self.facts = Facts(host, description)  # for both looks, before the lock and after it: they are dear to read
        self.before = interface.patches() if interface else []
        self.previous = self.state()
        self.loaded_build = module_build_id(host, self.name)

    def state(self):
        """The patch's state now; raises LivepatchError `name-not-a-livepatch` where no check is going to tell it."""
        if self.wish.state == "enabled":
            return state_in_question(self.host, self.interface, self.name)
        return self.interface.state(self.name)

    def check(self):
        """The findings before a change; raises LivepatchError on a blocker that is not ignored."""
        if self.wish.state == "enabled":
            findings = findings_on(self._question())
        else:
            removes = "remove" in steps(self.previous, self.wish.state)
            findings = list(permission(self.host, modules=removes))
        blockers = standing_blockers(findings, self.wish.ignore_findings)
        if blockers:
            raise refusal(blockers, findings=findings, patch=self.result(self.previous))
        return findings

    def check_before_lock(self):
        """Refuse what the checks refuse; where a transition is in the way, tell of the run that waits for its end."""
        try:
            self.check()
        except LivepatchError as error:
            if any(found["code"] == "transition-running" for found in error.details.get("findings", ())):
                refuse_while_busy(self.host)
            raise

    def _question(self):
        return Question(self.host, self.interface, self.description, self.previous, self.wish.params, self.facts)

    def forget_files(self, told):
        """What is absent by itself, after a reboot for one, leaves its files."""
        if self.store.keeps(self.name):
            with transaction(self.host, "patch", told):
                self.store.forget(self.name)

    def unchanged(self):
        """There is nothing to do; what is enabled is compared with its file all the same."""
        findings = []
        if self.wish.state == "enabled":
            findings = findings_on(self._question())
            blockers = standing_blockers(findings, TOLERATED)
            if blockers:
                raise refusal(blockers, findings=findings, patch=self.result(self.previous))
        return self.answer(self.previous, findings)

    def forecast(self, findings):
        """What a change would come to, with nothing changed."""
        state = reached(self.previous, self.wish.state)
        after = forecast_stack(self.before, self.name, state, self.description)
        answer = self.answer(state, findings, after)
        if state == "enabled":
            answer["patch"]["replaces"] = replaced_patches(self._question())
            answer["patch"]["objects"] = claimed_objects(self.description)
        return answer

    def have_image(self):
        """Have the image in the store when the plan loads it; raises Needs when it has to be sent."""
        if "load" not in steps(self.previous, self.wish.state) or self.store.has(self.description["sha256"]):
            return
        offer = self.wish.offer
        if offer["kind"] == "host":
            with open_image(self.host.path(offer["path"])) as stream:
                self.store.put(stream, self.description)
        elif offer.get("delivered"):
            with open(offer["delivered"], "rb") as stream:
                self.store.put(stream, self.description)
        else:
            raise Needs(file=self.description["sha256"])

    def change(self, recorded):
        """Take the steps, in the transaction `recorded`.

        Another run may have moved the patch before this one had the lock, so look again.
        """
        before, self.before = self.before, self.interface.patches()
        if self.before != before:
            self.facts = Facts(self.host, self.description)  # what was read before holds no more
        self.previous = self.state()
        if not steps(self.previous, self.wish.state):
            return self.unchanged()
        findings = self.check()
        self.have_image()
        change = Change(self.host, self.interface, self.name, self.wish.timeout, self.wish.on_stall)
        try:
            recorded.begin([self._planned()], self.before)
            self._run(change)
        except (LivepatchError, OSError) as failure:
            raise self._failed(known_error(failure), findings, change, recorded) from failure
        if self.wish.state == "absent":
            self.store.forget(self.name)
        after = self.interface.patches()
        state = self.interface.state(self.name)
        outcome = "left-going" if state in ("enabling", "disabling") else "done"
        unwritten = self._end(recorded, outcome, state, change, after)
        answer = self.answer(state, joined(findings, change.findings) + unwritten, after)
        answer["patch"].update(replaces=change.replaced, transition_seconds=change.seconds)
        answer.update(blockers=change.blockers, transaction=recorded.id)
        return answer

    def _planned(self):
        """What the journal is told of this patch before the change."""
        return {
            "name": self.name, "sha256": self.description["sha256"] if self.description else None,
            "build_id": self.build_id(), "previous_state": self.previous, "wanted_state": self.wish.state,
        }

    def _failed(self, error, findings, change, recorded):
        """The error of a change, with what became of the patch in its details."""
        state = self.interface.state(self.name)
        if state == "absent":
            self.store.forget(self.name)
        unwritten = self._end(recorded, "failed", state, change, self.interface.patches(), error.code)
        error.details.setdefault("patch", self.result(state, change))
        error.details.setdefault("changed", state != self.previous or bool(change.replaced))
        error.details.update(findings=joined(findings, change.findings) + unwritten, transaction=recorded.id)
        return error

    def _end(self, recorded, outcome, state, change, after, code=None):
        patches = [{"name": self.name, "state": state, "transition_seconds": change.seconds}]
        return recorded.end(outcome, patches, after, code=code, replaces=change.replaced)

    def _run(self, change):
        if "load" in steps(self.previous, self.wish.state):
            descriptor = self.store.open(self.description["sha256"])
            try:
                change.load_from(descriptor, self.line)
                change.run(self.previous, self.wish.state)
            finally:
                os.close(descriptor)
        else:
            change.run(self.previous, self.wish.state)
        if self.wish.state == "enabled" and self.interface.state(self.name) == "enabled":
            change.verify(self.description)

    def answer(self, state, findings, after=None):
        """The task's result; `after` is the stack of patches when something changed or would."""
        after = self.before if after is None else after
        return {
            "changed": state != self.previous,
            "transaction": None,
            "patch": self.result(state),
            "findings": findings,
            "blockers": [],
            "diff": stack_diff(self.host, self.before, after),
        }

    def result(self, state, change=None):
        patch = self.interface.patch(self.name) if self.interface else None
        return patch_result(
            self.host, self.name, state=state, previous_state=self.previous,
            sha256=self.description["sha256"] if self.description else None, build_id=self.build_id(),
            objects=patch["objects"] if patch else [], replaces=change.replaced if change else [])

    def build_id(self):
        """Of the file where one is known, else of what is loaded."""
        return self.description["build_id"] if self.description else self.loaded_build


def _uncovered(host, wish):
    return {
        "changed": False, "transaction": None, "blockers": [],
        "findings": [uncovered_note(host, wish.offer, wish.name)],
        "patch": patch_result(host, wish.name, state="uncovered", previous_state="uncovered"),
    }
