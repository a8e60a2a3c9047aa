#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_rollback
short_description: Roll back the live patches of a running kernel
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Restores the live patches from before a change, or removes all live patches. Replaced and removed patches are
    loaded again from the files kept by the host, with their earlier parameters. The controller sends no file.
  - If an earlier patch replaces the later ones, it is loaded over them, and the kernel is never without a patch.
    Otherwise, the later patches are disabled and removed first, beginning with the newest. The earlier ones are then
    loaded in their order.
  - Before any change, every patch to restore is checked as for a load. Afterwards, the enabled patches are compared
    with the target.
  - A removed patch is no longer accepted. A restored patch is accepted if it was accepted at that time. A running trial
    ends.
  - A transition in progress is reversed, or the task waits for its end. Modules of patches without effect are
    unloaded. Modules pinned by the kernel after a forced transition are reported.
  - If the host just reverts automatically, because its watch has failed or its trial is over, the task waits for that,
    at most O(transition_timeout).
  - The rollback is one change in the host's journal. If the journal cannot be written, the task warns and rolls back
    nevertheless.
  - It also works with a broken lock, store or ledger, and warns of each missing record.
    With V(to=previous) it refuses if the newest lines of the journal cannot be read.
requirements:
  - On the host, Python 3.6 or later, and root.
extends_documentation_fragment:
  - kernel.livepatch._source.transition
  - kernel.livepatch._source.lease
  - kernel.livepatch._source.via_controller
  - kernel.livepatch._attributes
  - kernel.livepatch._attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  to:
    description:
      - The state to restore.
      - V(previous) restores the patches from before the newest change by M(kernel.livepatch.patch) that loaded or
        removed a patch. A second run changes nothing.
      - V(original) removes every live patch. The kernel then runs the code of its boot.
      - The name of a transaction restores the patches from before that change.
        RV(kernel.livepatch.patch#module:transaction) returns it, and
        RV(kernel.livepatch.patch_info#module:livepatch.journal) lists the last ones.
      - The host keeps the files for a rollback of each of the last five changes that loaded or removed a patch.
    type: str
    default: previous
seealso:
  - module: kernel.livepatch.patch
  - module: kernel.livepatch.patch_info
"""

EXAMPLES = r"""
- name: Roll back the last change of the live patches
  kernel.livepatch.patch_rollback:

- name: Restore the patches from before one change
  kernel.livepatch.patch_rollback:
    to: 20261121T091653.123456Z-9f3c2a1b

- name: Remove every live patch
  kernel.livepatch.patch_rollback:
    to: original
"""

RETURN = r"""
removed:
  description: The removed patches, in order of removal. In check mode, the patches to remove.
  returned: when the state of the host was read
  type: list
  elements: dict
  contains:
    name:
      description: The patch's name.
      type: str
      sample: livepatch_cve_2026_1234
    transition_seconds:
      description: The time until no task ran its code; V(none) if it had no effect before, and in check mode.
      type: float
      sample: 0.021
restored:
  description: The patches loaded again, in order of loading. In check mode, the patches to load again.
  returned: when the state of the host was read
  type: list
  elements: dict
  contains:
    name:
      description: The patch's name.
      type: str
      sample: livepatch_cve_2026_1000
    transition_seconds:
      description: The time until every task ran its code; V(none) in check mode.
      type: float
      sample: 1.482
target:
  description: The names of the patches to have enabled after the rollback, oldest first.
  returned: success
  type: list
  elements: str
  sample: [livepatch_cve_2026_1000]
builds:
  description: The requested build of each of RV(target).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The patch's name.
      type: str
      sample: livepatch_cve_2026_1000
    build_id:
      description: The build-id of its module; V(none) if it has none.
      type: str
      sample: 3f1c9a1b7c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f
transaction:
  description: The name of the change in the host's journal; V(none) if nothing was changed.
  returned: success, or when a change began and failed
  type: str
  sample: 20261121T091653.123456Z-9f3c2a1b
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
findings:
  description: Warnings and notes about the change.
  returned: success, or when a change began and failed
  type: list
  elements: dict
  contains:
    code:
      description: The stable code of the finding.
      type: str
      sample: transition-unfinished
    level:
      description: V(blocker), V(warning) or V(note).
      type: str
      sample: warning
    subject:
      description: The object of the finding.
      type: str
      sample: livepatch_cve_2026_1234
    message:
      description: The problem and the remedy.
      type: str
      sample: >-
        The transition of livepatch_cve_2026_1234 did not end within 90 s and continues, because on_stall is wait. It is
        held by kworker/0:1 (pid 812) running.
blockers:
  description: >-
    The tasks that hold, or held, a transition beyond its timeout, as in
    RV(kernel.livepatch.patch#module:blockers).
  returned: success, or when a transition has stalled
  type: list
  elements: dict
  sample: []
code:
  description: The stable code of the failure.
  returned: on failure
  type: str
  sample: transition-stalled
errno:
  description: The error code from the kernel.
  returned: when the kernel refused to load a patch again or to change one
  type: str
  sample: EINVAL
attempts:
  description: How often the load or change was tried, as in RV(kernel.livepatch.patch#module:attempts).
  returned: when the kernel refused to load a patch again or to change one
  type: int
  sample: 1
kernel_log:
  description: What the kernel logged during the load, as in RV(kernel.livepatch.patch#module:kernel_log).
  returned: when the kernel refused to load a patch again
  type: list
  elements: str
  sample: ["livepatch: symbol 'no_such_function' not found in symbol table"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import use_compiled_code


def publish(host):
    """Write the metrics, the facts and the command of this host."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._console.commands import refresh

    return refresh(host)


def main():
    use_compiled_code()
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import (
        CONTROLLER_OPTION,
        LEASE_OPTION,
        TRANSITION_OPTIONS,
        controller,
        run_job,
        transition_seconds,
    )
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back

    module = AnsibleModule(
        argument_spec=dict(
            to={"type": "str", "default": "previous"}, **TRANSITION_OPTIONS, **LEASE_OPTION,
            **CONTROLLER_OPTION),
        supports_check_mode=True,
    )
    seconds = transition_seconds(module)
    run_job(module, lambda host: roll_back(
        host, module.params["to"], seconds, module.params["on_stall"], check_mode=module.check_mode,
        controller=controller(module)), publish)


if __name__ == "__main__":
    main()
