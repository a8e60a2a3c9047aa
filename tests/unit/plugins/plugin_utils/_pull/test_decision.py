# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host does in one run of pull, from what it answers; the answers are simulated."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.decision import (
    WORDS,
    artifact,
    begin,
    decide,
    finish,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.options import pull_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.release import parse_release
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.pull_answers import (
    BACK,
    LEASED,
    NO_BUILD,
    NONE_ENABLED,
    SHA,
    SOAK,
    TRIAL,
    blocker,
    check,
    info,
    patched,
    trial,
)


def record(ring=0, halt=False, up_to=1, directory=None, **variables):
    document = {"rings": ["1%", "10%", "100%"], "soak": SOAK, "trial": TRIAL, "halt": halt,
                "releases": [{"src": "/p", "up_to": up_to}]}
    return begin(pull_options(variables, directory), parse_release(yaml.safe_dump(document).encode(), "r"), ring)


@pytest.mark.parametrize(("given", "of_host", "checked", "action", "state"), [
    # Nothing is released to this ring, or it is halted: nothing begins, and what is on trial reverts.
    ({"ring": 2}, info(), None, "none", "waiting"), ({"ring": 2}, info(trial()), None, "revert", None),
    ({"halt": True}, info(), None, "none", "halted"), ({"halt": "why"}, info(trial()), None, "revert", None),
    ({"ring": 2, "halt": True}, info(), None, "none", "halted"),
    # Released: load, wait for the soak, accept, and then nothing more.
    ({}, info(), check(), "load", None), ({}, info(), check("disabled"), "load", None),
    # The check of a host on trial tells of the lease, since it does not know whose run asks.
    ({}, info(trial(3500)), LEASED, "none", "on_trial"), ({}, info(trial(3001)), LEASED, "none", "on_trial"),
    ({}, info(trial(3000)), LEASED, "accept", None), ({}, info(trial(1)), LEASED, "accept", None),
    ({}, info(trial(3700)), check("enabling", [blocker("host-leased")]), "none", "on_trial"),
    ({}, info(), check("accepted"), "none", "accepted"), ({}, info(), check("enabled"), "accept", None),
    ({}, info(), NO_BUILD, "none", "no_build"),
    # On trial for an earlier release: first the host reverts, and the next run loads the new one.
    ({}, info(trial(name="old")), check(), "revert", None), ({}, info(trial()), check("absent"), "revert", None),
    # A trial of somebody else is left alone, also by a halt.
    ({}, info(trial(), run="20261121T1-a"), LEASED, "none", "foreign_trial"),
    ({"halt": True}, info(trial(), run="20261121T1-a"), None, "none", "foreign_trial"),
    ({"halt": True}, info(trial(), run=None), None, "none", "foreign_trial"),
    ({"halt": True, "livepatch_take_lease": True}, info(trial(), run="other"), None, "revert", None),
    ({"livepatch_take_lease": True}, info(), check("absent", [blocker("host-leased")]), "load", None),
    ({"livepatch_ignore_findings": "quarantined"}, info(), check("absent", [blocker("quarantined")]), "load", None)])
def test_what_a_host_does(tmp_path, given, of_host, checked, action, state):
    decided = decide(record(directory=tmp_path, **given), of_host, checked or {})
    assert (decided["action"], decided["state"], decided["failure"]) == (action, state, None)
    assert decided["transaction"] == ("t7" if of_host["livepatch"]["trial"] else None)


@pytest.mark.parametrize(("of_host", "checked", "code"), [
    (info(), check("absent", [blocker("quarantined")]), "quarantined"),
    (info(), check("absent", [blocker("host-leased")]), "host-leased"),
    (info(failed_watch={"sha256": SHA}), check(), "watch-failed"),
    ({"failed": True, "code": "not-permitted", "msg": "x"}, check(), "not-permitted"),
    (info(), {"failed": True, "code": "host-silent", "msg": "x"}, "host-silent"), (info(), {}, None),
    ({}, check(), None),
    (info(), {"compatible": 7}, "malformed-result")])
def test_why_a_host_does_nothing(tmp_path, of_host, checked, code):
    decided = decide(record(directory=tmp_path), of_host, checked)
    assert (decided["action"], decided["state"], decided["failure"][0]) == ("none", "failed", code)
    ended = finish(decided, {}, False)
    assert not ended["ok"] and ended["problem"]


def test_every_blocker_is_shown_in_one_run(tmp_path):
    blockers = [{**blocker(code), "message": f"About {code}."} for code in ("read-only", "quarantined", "no-space")]
    ended = finish(decide(record(directory=tmp_path), info(), check("absent", blockers)), {}, False)
    assert ended["problem"] == "read-only: About read-only."
    assert ended["lines"][2:] == ["  blocker quarantined: About quarantined.", "  blocker no-space: About no-space."]


def test_another_build_is_loaded_after_a_failed_watch(tmp_path):
    decided = decide(record(directory=tmp_path), info(failed_watch={"sha256": "6" * 64}), check())
    assert decided["action"] == "load"


@pytest.mark.parametrize(("action", "answers", "state", "ok"), [
    ("load", {"load": patched("enabled")}, "on_trial", True), ("load", {"load": patched("enabling")}, "on_trial", True),
    ("load", {"load": patched("no_build")}, "no_build", True), ("load", {"load": patched("absent")}, "failed", False),
    ("load", {"load": {"failed": True, "code": "transition-stalled", "msg": "x"}}, "failed", False),
    ("load", {}, "failed", False), ("load", {"load": {"unreachable": True, "msg": "x"}}, "failed", False),
    ("load", {"load": {"patch": 7}}, "failed", False),
    ("accept", {"accept": patched("accepted")}, "accepted", True),
    ("accept", {"accept": {"failed": True, "code": "watch-failed", "msg": "x"}}, "failed", False),
    ("revert", {"rollback": BACK, "verify": NONE_ENABLED}, "reverted", True),
    ("revert", {"rollback": {"failed": True, "code": "transition-stalled", "msg": "x"}}, "failed", False),
    ("revert", {"rollback": BACK}, "failed", False), ("revert", {}, "failed", False)])
def test_what_came_of_it(tmp_path, action, answers, state, ok):
    ended = finish({**record(directory=tmp_path), "action": action, "patch": "fix"}, answers, False)
    assert (ended["state"], ended["ok"], ended["problem"] is None) == (state, ok, ok)
    assert WORDS[state] in ended["lines"][1]
    left = artifact(ended, changed=True)
    assert (left["state"], left["ring"], left["failure"] is None) == (state, 0, ok)


def test_the_lines_say_the_ring_and_the_halt(tmp_path):
    assert finish(decide(record(directory=tmp_path, halt="web is slow"), info(), {}), {}, False)["lines"] == [
        "ring 0: halted: web is slow", "no patch: not begun, because of the halt"]
    assert finish(decide(record(directory=tmp_path, ring=2), info(), {}), {}, False)["lines"][0] == (
        "ring 2: nothing is released to it")
    lines = finish(decide(record(directory=tmp_path), info(trial(3500)), check("enabled")), {}, False)["lines"]
    assert lines == ["ring 0: released up to ring 1", (
        "fix: on trial, accepted by a run after 10 min of its trial, and reverting automatically in 58 min")]


def test_check_mode_says_what_would_be_done(tmp_path):
    ended = finish(
        {**record(directory=tmp_path), "action": "load", "patch": "fix"}, {"load": patched("enabled")}, True)
    assert "would be loaded on trial" in ended["lines"][1]


@pytest.mark.parametrize("up_to", [0, 2])
def test_a_ring_that_the_release_does_not_have_is_refused(tmp_path, up_to):
    with pytest.raises(TaskError) as caught:
        record(directory=tmp_path, ring=3, up_to=up_to)
    message = caught.value.message
    assert (caught.value.code, "livepatch_ring is 3" in message, "from 0 to 2" in message) == ("bad-option", True, True)


@pytest.mark.parametrize(("of_host", "action"), [(info(), "none"), (info(trial()), "revert")])
def test_a_halt_is_also_for_a_ring_that_the_release_does_not_have(tmp_path, of_host, action):
    decided = decide(record(directory=tmp_path, ring=3, halt=True), of_host, {})
    assert (decided["action"], decided["failure"]) == (action, None)


def test_a_halt_and_a_ring_that_is_withdrawn_revert_hosts_on_trial_and_no_accepted_one(tmp_path):
    """A simulated fleet of 100,000 hosts, through the life of a release: each host decides from its name alone."""
    names = [f"host{number:06}" for number in range(100_000)]
    options = pull_options({}, tmp_path)

    def read(up_to, halt=False):
        document = {"rings": ["1%", "10%", "50%", "100%"], "soak": SOAK, "trial": TRIAL, "halt": halt,
                    "releases": [{"src": "/p", "up_to": up_to}]}
        return parse_release(yaml.safe_dump(document).encode(), "r")

    def run(states, release, left):
        after, done, records = {}, [], [begin(options, release, number) for number in range(4)]
        for name, state in states.items():
            answer = info(trial(left)) if state == "enabled" else info()
            decided = decide(records[release.ring_of(name)], answer, check(state))
            done.append(decided["action"])
            after[name] = {"load": "enabled", "accept": "accepted", "revert": "absent"}.get(decided["action"], state)
        return after, {action: done.count(action) for action in set(done)}
    rings = read(0)
    ring = {name: rings.ring_of(name) for name in names}
    first, second = (sum(of == number for of in ring.values()) for number in (0, 1))
    states, done = run(dict.fromkeys(names, "absent"), read(0), 0)
    assert done == {"load": first, "none": len(names) - first}
    states, done = run(states, read(0), TRIAL - SOAK)
    assert done == {"accept": first, "none": len(names) - first}
    states, done = run(states, read(1), TRIAL)
    assert done == {"load": second, "none": len(names) - second}
    states, done = run(states, read(1, "halt"), TRIAL - 60)
    assert done == {"revert": second, "none": len(names) - second}
    assert {ring[name] for name, state in states.items() if state == "accepted"} == {0}
    states, done = run(states, read(1), TRIAL)
    assert done == {"load": second, "none": len(names) - second}
