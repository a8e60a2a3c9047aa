# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of variables: what looks misspelled is refused, and so are facts of hosts that are named like options."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.host_variables import check_same_on_all_hosts
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.names import (
    ARTIFACTS,
    VARIABLES,
    check_artifacts,
    check_facts,
    check_names,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError


@pytest.mark.parametrize(("name", "meant"), [
    ("wave", "waves"), ("healthchecks", "health_checks"), ("health_check", "health_checks"),
    ("failure_bugdet", "failure_budget"), ("onbreach", "on_breach"), ("approval", "approve"), ("trail", "trial"),
    ("Waves", "waves"), ("reportdir", "report_dir"), ("transition_timout", "transition_timeout"),
    ("rolback_to", "rollback_to"), ("rollbackto", "rollback_to"), ("fail_on_drfit", "fail_on_drift"),
    ("cohorts_by", "cohort_by"), ("host", "hosts"), ("on_stal", "on_stall"), ("report_knd", "report_kind"),
])
def test_a_misspelled_variable_is_refused(name, meant):
    with pytest.raises(TaskError) as caught:
        check_names(["other", 7, f"livepatch_{name}"])
    assert (caught.value.code, caught.value.message) == (
        "bad-option",
        f"livepatch_{name} is no variable of this collection. Write livepatch_{meant}, or rename your own variable.")


@pytest.mark.parametrize("name", [
    "hosts", "rollback_to", "fail_on_drift", "report_kind", "report_results", "report_proofs", "rollback", "status",
    "rollout", "preflight", "report", "owner", "ring", "window"])
def test_other_variables_are_none_of_its_business(name):
    check_names([f"livepatch_{name}", f"__livepatch_{name}x"])


@pytest.mark.parametrize(("name", "right"), [
    ("livepatch_to", "Write livepatch_rollback_to, or"), ("livepatch_soak_time", "Write livepatch_soak, or"),
    ("livepatch_budget", "Write livepatch_failure_budget, or"), ("LIVEPATCH_SRC", "Write livepatch_src, or"),
    ("live_patch_rollback_to", "Write livepatch_rollback_to, or"), ("livepatchsrc", "Write livepatch_src, or"),
    ("livepatch_on_failure", "Write livepatch_fail_on_drift or livepatch_failure_budget or livepatch_on_breach, or"),
    ("livepatch_target", "Correct the name, or"), ("livepatch_canaries", "Correct the name, or"),
    ("livepatch_client_token", "Correct the name, or")])
def test_an_unknown_extra_variable_is_refused_and_one_of_another_role_in_the_inventory_is_not(name, right):
    check_names([name])
    with pytest.raises(TaskError) as caught:
        check_names([name], [name, "other", 7, "livepatch_src"])
    assert (caught.value.code, caught.value.message) == (
        "bad-option", f"{name} is no variable of this collection. {right} rename your own variable. Set a variable of "
        "another role in the inventory.")


def test_every_result_and_variable_is_known_as_an_extra_variable():
    every = [f"livepatch_{name}" for name in (*VARIABLES, *ARTIFACTS)]
    check_names(every, [*every, "awx_job_id", "live", "livestock_name", "__livepatch_x"])


@pytest.mark.parametrize(("name", "meant"), [
    ("livepach_soak", "soak"), ("livpatch_src", "src"), ("Livepatch_waves", "waves"), ("livepatches_limits", "limits"),
    ("LIVEPATCH_wave", None), ("live_name", None), ("lvm_name", None), ("patch_name", None), ("livepatch_", None)])
def test_a_misspelled_prefix_before_a_known_name_is_refused(name, meant):
    if meant is None:
        return check_names([name])
    with pytest.raises(TaskError, match=f"{name} is no variable of this collection. Write livepatch_{meant}, or"):
        check_names([name])


@pytest.mark.parametrize(("name", "meant"), [("rollback", "rollback_to"), ("report", "report_dir")])
def test_a_text_under_the_name_of_a_result_is_refused(name, meant):
    with pytest.raises(TaskError) as caught:
        check_artifacts({f"livepatch_{name}": "original"})
    assert (caught.value.code, caught.value.message) == (
        "bad-option",
        f"livepatch_{name} is 'original', but it is the result of a playbook. Write livepatch_{meant}, or rename your "
        "own variable.")


@pytest.mark.parametrize("value", [{"ok": True}, None, "", '{"ok": true}', "{{ earlier }}"])
def test_a_result_of_an_earlier_job_is_none_of_its_business(value):
    check_artifacts({f"livepatch_{name}": value for name in ("preflight", "report", "rollback", "rollout", "status")})


def test_every_variable_is_known():
    check_names([f"livepatch_{name}" for name in VARIABLES])


@pytest.mark.parametrize("name", ["livepatch_on_stall", "livepatch_anything", "__livepatch_step", "livepatch_\x1b[2J"])
@pytest.mark.parametrize("host", ["web1", "localhost"])
def test_a_fact_that_is_named_like_an_option_is_refused(host, name):
    fine = {"ansible_facts": {"kernel": "6.1", "local": {"livepatch_src": "x"}, "__livepatch": 1}, "livepatch_src": "x"}
    with pytest.raises(TaskError) as caught:
        check_facts({"web0": fine, host: {"ansible_facts": {name: "force"}}})
    assert caught.value.code == "host-not-trusted"
    assert caught.value.message.startswith(f"The facts of {host} set {name.replace(chr(27), '?')}, and facts override")
    assert "--flush-cache" in caught.value.message and caught.value.message.isprintable()


@pytest.mark.parametrize("facts", [{}, {"ansible_facts": None}, {"ansible_facts": "x"}, {"ansible_facts": {7: "x"}}])
def test_other_facts_are_fine(facts):
    check_facts({"web1": facts, "localhost": {"ansible_facts": {"__livepatch_rollout": {}}}})


def test_the_fact_of_a_rollout_is_refused_on_any_other_host():
    with pytest.raises(TaskError, match="The facts of web1 set __livepatch_rollout"):
        check_facts({"web1": {"ansible_facts": {"__livepatch_rollout": {}}}})


@pytest.mark.parametrize("value", [
    "{{ x }}", "{% if x %}y{% endif %}", ["{{ x }}"], {"a": ["b", {"c": "{{ x }}"}]}, {"{{ x }}": 1}])
def test_a_template_is_compared_by_what_it_comes_to_on_each_host(value):
    variables = {host: {"livepatch_soak": 5, "livepatch_params": value} for host in ("a", "b", "c")}
    asked = []
    check_same_on_all_hosts(variables, ["soak", "params"], lambda host, name: asked.append((host, name)))
    assert asked == [(host, "livepatch_params") for host in variables]
    with pytest.raises(TaskError, match=r"livepatch_params is 'a' on a and 'c' on c. Set one value for all hosts"):
        check_same_on_all_hosts(variables, ["soak", "params"], lambda host, _name: "c" if host == "c" else "a")
