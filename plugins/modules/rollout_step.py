#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/rollout_step.py.

DOCUMENTATION = r"""
module: rollout_step
short_description: Run one step of a rollout on the controller
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - A part of the playbook C(kernel.livepatch.rollout) and of the role P(kernel.livepatch.apply#role), and of no use
    without them. Each step judges the results of a wave's hosts, prints the progress of the rollout, returns the data
    for the next tasks, and leaves facts on C(localhost) for the next plays.
  - Runs once for all hosts, on the controller, and contacts no host.
extends_documentation_fragment:
  - kernel.livepatch._attributes
  - kernel.livepatch._attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  step:
    description:
      - V(check) looks whether the variables and the patch make sense, V(plan) makes the waves, V(open) begins one and
        asks for approval, V(load) records the load results, V(watch) records a look and waits for the next one,
        V(accept) records the acceptance results, V(close) ends the wave, V(finish) stops the rollout if a wave did
        not reach its gate, V(rollback) records the rollback results, and V(end) summarizes the rollout.
    type: str
    required: true
    choices: [check, plan, open, load, watch, accept, close, finish, rollback, end]
  look:
    description: Which of the four looks at a wave it is, counted from 1.
    type: int
    default: 0
  alone:
    description: Whether all hosts run at once and each is judged alone.
    type: bool
    default: false
  variables:
    description: The variables of the rollout by their names.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Plan the waves
  kernel.livepatch.rollout_step:
    step: plan
    variables:
      livepatch_src: patches/
  delegate_to: localhost
  delegate_facts: true
  run_once: true
"""

RETURN = r"""
end:
  description: Whether the play ends here.
  returned: when O(step) is about a wave
  type: bool
load:
  description: The hosts that are patched next.
  returned: when O(step) is about a wave
  type: list
  elements: str
watch:
  description: The hosts that are watched next.
  returned: when O(step) is about a wave
  type: list
  elements: str
accept:
  description: The hosts that are accepted next.
  returned: when O(step) is about a wave
  type: list
  elements: str
rollback:
  description: The hosts that are rolled back next.
  returned: when O(step) is about a wave
  type: list
  elements: str
lines:
  description: The summary for a person.
  returned: when O(step) is V(end)
  type: list
  elements: str
record:
  description: >-
    The plan and its results, see
    R(the guide to reports, ansible_collections.kernel.livepatch.docsite.guide_report).
  returned: when O(step) is V(end)
  type: dict
artifact:
  description: The data for later jobs.
  returned: when O(step) is V(end)
  type: dict
problems:
  description: The problem of each host that is not in its wanted state.
  returned: when O(step) is V(end)
  type: dict
verdict:
  description: The reason for a failed rollout; V(none) if it succeeded.
  returned: when O(step) is V(end)
  type: str
code:
  description: The stable code of the failure.
  returned: on failure
  type: str
  sample: bad-option
"""
