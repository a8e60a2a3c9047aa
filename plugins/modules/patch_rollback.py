#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_rollback
short_description: Bring a running kernel back to the live patches that it had before
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Brings the running kernel back to the live patches that it had before a change, or to none. What was replaced or
    taken out is loaded again from the files that the host keeps, with the parameters that it had, so that this needs
    nothing of the controller but the word.
  - Where an earlier patch replaces the later ones, it is loaded over them, and there is no moment without either.
    Otherwise the patches that go are disabled and removed before that, the newest first, and then the others are
    loaded in their order.
  - Nothing is changed before everything that has to come back has been checked as for a load, and afterwards the
    kernel is asked whether it runs what was to be reached.
  - A patch that goes is no longer accepted, and one that comes back is accepted if it was so then, so that the next
    boot loads what fits. A trial that is going on is over.
  - A transition that is going on is turned round or waited for. Modules of patches that have no effect any more are
    removed. What the kernel holds for ever after a forced transition is reported, and not fought.
  - All of it is one change in the host's journal. On a host whose journal cannot be written it is made all the same,
    with a warning.
requirements:
  - On the host, Python 3.6 or later, and root.
extends_documentation_fragment:
  - kernel.livepatch._source.transition
  - kernel.livepatch._source.operator
  - kernel.livepatch._attributes
attributes:
  action:
    description: Has a part that runs on the controller.
    support: full
  async:
    description: Can be run in the background with C(async).
    support: full
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  to:
    description:
      - What to go back to.
      - V(previous) is what there was before the newest change by M(kernel.livepatch.patch) that brought a patch in or
        took one out. Doing it again changes nothing.
      - V(original) is the code that the kernel was booted with, without any live patch.
      - The name of a transaction stands for what there was before that change.
        RV(kernel.livepatch.patch#module:transaction) returns it, and
        RV(kernel.livepatch.patch_info#module:livepatch.journal) lists the last ones.
      - The host keeps the files for going back to before each of the last five changes that brought a patch in or took
        one out.
    type: str
    default: previous
seealso:
  - module: kernel.livepatch.patch
  - module: kernel.livepatch.patch_info
"""

EXAMPLES = r"""
- name: Undo the last change of the live patches
  kernel.livepatch.patch_rollback:

- name: Go back to what there was before one change
  kernel.livepatch.patch_rollback:
    to: 20261121T091653.123456Z-9f3c2a1b

- name: Take every live patch out
  kernel.livepatch.patch_rollback:
    to: original
"""

RETURN = r"""
removed:
  description: What was taken out, in that order. In check mode, what would be.
  returned: when the host was looked at
  type: list
  elements: dict
  contains:
    name:
      description: The patch's name.
      type: str
      sample: livepatch_cve_2026_1234
    transition_seconds:
      description: How long it took until no task ran its code; V(none) when it had no effect before, and in check mode.
      type: float
      sample: 0.021
restored:
  description: What was loaded again, in that order. In check mode, what would be.
  returned: when the host was looked at
  type: list
  elements: dict
  contains:
    name:
      description: The patch's name.
      type: str
      sample: livepatch_cve_2026_1000
    transition_seconds:
      description: How long it took until every task ran its code; V(none) in check mode.
      type: float
      sample: 1.482
target:
  description: The names of the patches that were to be enabled in the end, oldest first.
  returned: success
  type: list
  elements: str
  sample: [livepatch_cve_2026_1000]
transaction:
  description: What the change is called in the host's journal; V(none) where there was nothing to change.
  returned: success, or when a change has failed that had begun
  type: str
  sample: 20261121T091653.123456Z-9f3c2a1b
holder:
  description: >-
    Who is changing the host, as RV(kernel.livepatch.patch_info#module:livepatch.changing) has it; V(none) where that
    cannot be told.
  returned: when RV(code) is V(host-busy)
  type: dict
  sample:
    transaction: 20261121T091653.123456Z-9f3c2a1b
    since: "2026-11-21T09:16:53Z"
    pid: 4711
    who: {controller_user: alice, controller_node: control1, user: deploy, address: 192.0.2.7}
findings:
  description: What is worth knowing about what was done.
  returned: success, or when a change has failed that had begun
  type: list
  elements: dict
  contains:
    code:
      description: The stable name of what was found.
      type: str
      sample: transition-unfinished
    level:
      description: V(blocker), V(warning) or V(note).
      type: str
      sample: warning
    subject:
      description: What it is about.
      type: str
      sample: livepatch_cve_2026_1234
    message:
      description: What it means and what to do.
      type: str
      sample: >-
        The transition of livepatch_cve_2026_1234 was not over after 90 s and was left going, as asked for by on_stall.
blockers:
  description: >-
    The tasks that hold, or held, a transition that was not over in time, as
    RV(kernel.livepatch.patch#module:blockers) has them.
  returned: success, or when a transition has stalled
  type: list
  elements: dict
  sample: []
code:
  description: The stable name of what went wrong.
  returned: on failure
  type: str
  sample: transition-stalled
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import (
    OPERATOR_OPTION,
    TRANSITION_OPTIONS,
    run_job,
    transition_seconds,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back


def main():
    module = AnsibleModule(
        argument_spec=dict(
            to={"type": "str", "default": "previous"}, **TRANSITION_OPTIONS, **OPERATOR_OPTION),
        supports_check_mode=True,
    )
    seconds = transition_seconds(module)
    run_job(module, lambda host: roll_back(
        host, module.params["to"], seconds, module.params["on_stall"], check_mode=module.check_mode,
        controller=module.params["_operator"]))


if __name__ == "__main__":
    main()
