# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrong value is refused with the same words by every playbook that reads the variable."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.playbooks import read_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import rollout_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

ROLLOUT, PREFLIGHT, ROLLBACK, STATUS = ["rollout", "preflight", "rollback", "status"]
WRONG = {
    "cohort_by": ({"a": 1}, (ROLLOUT, PREFLIGHT, STATUS), "has {'a': 1} in it. Give a list of texts"),
    "transition_timeout": ("soon", (ROLLOUT, ROLLBACK), "is 'soon'. Give a whole number of seconds from"),
    "on_stall": ("panic", (ROLLOUT, ROLLBACK), "is 'panic'. Give reverse, wait or force."),
    "rollback_to": ("orignal", (ROLLBACK,), "is 'orignal'. Give previous, original or the name of a transaction"),
    "report_dir": (["reports"], (ROLLOUT, ROLLBACK, STATUS), "is ['reports']. Give a directory on the"),
    "name": (["a"], (ROLLOUT, PREFLIGHT, STATUS), "is ['a']. Give the name of a patch in the bundle"),
    "version": ([1.1], (ROLLOUT, PREFLIGHT, STATUS), "is [1.1]. Give the version as a text, in"),
    "take_lease": ("maybe", (ROLLOUT, ROLLBACK), "is 'maybe'. Give true or false."),
    "fail_on_drift": ("maybe", (STATUS,), "is 'maybe'. Give true or false.")}


def read(playbook, given):
    if playbook == ROLLOUT:  # and apply, which has the same options
        rollout_options(given)
    hosts = ["web1", "web2"]
    variables = {
        "hostvars": dict.fromkeys(hosts, given), "ansible_play_hosts_all": hosts, "ansible_play_hosts": hosts,
        **given}
    read_options(playbook, given, variables, lambda value: value, list)


@pytest.mark.parametrize(("name", "playbook"), [(name, playbook) for name in WRONG for playbook in WRONG[name][1]])
def test_a_wrong_value_is_refused_in_the_same_words(build_module, name, playbook):
    value, _playbooks, words = WRONG[name]
    source = str(build_module("source_simple", '-DNAME="fix"'))
    with pytest.raises(TaskError) as caught:
        read(playbook, {"livepatch_src": source, f"livepatch_{name}": value})
    assert caught.value.code == "bad-option" and f"livepatch_{name} {words}" in caught.value.message
