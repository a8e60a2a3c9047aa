#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_hook
short_description: Mark a host while tasks around its change are under way
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Writes or removes the mark that the C(livepatch_after) of a run is due on this host. The mark outlives a reboot and
    a dead controller, and the next run acts on it.
  - The playbook C(kernel.livepatch.rollout) and the role P(kernel.livepatch.apply#role) do this themselves. Use it to
    remove the mark after you have undone C(livepatch_before) by hand.
  - Loads and unloads no patch.
requirements:
  - On the host, Python 3.6 or later, and root.
extends_documentation_fragment:
  - kernel.livepatch._source.lease
  - kernel.livepatch._source.via_controller
  - kernel.livepatch._attributes
  - kernel.livepatch._attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  state:
    description:
      - V(begun) writes the mark.
      - V(ended) removes it.
    type: str
    choices: [begun, ended]
    required: true
  seconds:
    description: >-
      With V(state=begun) in a run of a playbook, how long the run holds this host at least. A trial can prolong this.
    type: int
    default: 0
seealso:
  - module: kernel.livepatch.patch
  - module: kernel.livepatch.patch_info
"""

EXAMPLES = r"""
- name: Remove the mark after livepatch_before was undone by hand
  kernel.livepatch.patch_hook:
    state: ended
"""

RETURN = r"""
hook:
  description: >-
    The mark after this task, or V(none).
  returned: success
  type: dict
  contains:
    run:
      description: The identifier of the run; null for a task outside a run, and for a damaged mark.
      type: str
      sample: 20261121T091500Z-4f1b0b
    who:
      description: The user who runs it, as information without proof.
      type: dict
      contains:
        controller_user:
          description: The user on the controller, as the controller reports it.
          type: str
          sample: alice
        controller_node:
          description: The name of the controller, as it reports it.
          type: str
          sample: control1
        user:
          description: The login user on the host.
          type: str
          sample: deploy
        address:
          description: The address of the login, or null if it is not known.
          type: str
          sample: 192.0.2.7
    since:
      description: The time when C(livepatch_before) began, in UTC.
      type: str
      sample: "2026-11-21T09:16:53Z"
findings:
  description: Findings about this change, such as a lease that was taken over.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: The stable code of the finding.
      type: str
      sample: lease-taken-over
    level:
      description: V(blocker), V(warning) or V(note).
      type: str
      sample: note
    subject:
      description: The object of the finding.
      type: str
      sample: 20261121T091500Z-4f1b0b
    message:
      description: The problem and the remedy.
      type: str
      sample: >-
        This change took the lease of this host over from the run 20261121T091500Z-4f1b0b of alice@control1. The host
        refuses the earlier run now.
code:
  description: The stable code of the failure.
  returned: on failure
  type: str
  sample: host-leased
holder:
  description: >-
    The other run that is changing the host, as in RV(kernel.livepatch.patch_info#module:livepatch.changing); V(none)
    if it is not known.
  returned: when RV(code) is V(host-busy)
  type: dict
  sample:
    transaction: 20261121T091653.123456Z-9f3c2a1b
    since: "2026-11-21T09:16:53Z"
    pid: 4711
    who: {controller_user: alice, controller_node: control1, user: deploy, address: 192.0.2.7}
lease:
  description: >-
    The run that holds the host, as in RV(kernel.livepatch.patch_info#module:livepatch.lease).
  returned: when RV(code) is V(host-leased)
  type: dict
  sample:
    run: 20261121T091500Z-4f1b0b
    since: "2026-11-21T09:16:53Z"
    until: "2026-11-21T09:31:53Z"
    who: {controller_user: alice, controller_node: control1, user: deploy, address: 192.0.2.7}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import use_compiled_code


def main():
    use_compiled_code()
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import (
        CONTROLLER_OPTION,
        LEASE_OPTION,
        controller,
        run_job,
    )
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_hook import mark_hook

    module = AnsibleModule(
        argument_spec=dict(
            state={"type": "str", "choices": ["begun", "ended"], "required": True},
            seconds={"type": "int", "default": 0}, **LEASE_OPTION, **CONTROLLER_OPTION),
        supports_check_mode=True,
    )
    options = module.params
    run_job(module, lambda host: mark_hook(
        host, options["state"], options["seconds"], check_mode=module.check_mode, controller=controller(module)))


if __name__ == "__main__":
    main()
