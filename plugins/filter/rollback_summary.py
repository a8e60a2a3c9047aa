# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One summary of the rollback of all hosts, for use in templates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_summary
short_description: Summarize the results of patch_rollback and patch_verify
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Takes the results of M(kernel.livepatch.patch_rollback) of many hosts, and of M(kernel.livepatch.patch_verify) after
    it, and returns a verdict for each host.
  - A host is in the requested state when M(kernel.livepatch.patch_rollback) did not fail, and exactly the target
    patches are enabled and verified. So is a host without a change to roll back and without a live patch.
  - The role P(kernel.livepatch.rollback#role) uses it. No result of a host makes it fail.
positional: proofs, check_mode
options:
  _input:
    description:
      - The result of M(kernel.livepatch.patch_rollback) of each host, by the host's name.
      - The results of failed tasks and of unreachable hosts belong there too, and an empty dict where no task ran.
    type: dict
    required: true
  proofs:
    description:
      - The result of M(kernel.livepatch.patch_verify), without O(kernel.livepatch.patch_verify#module:src), of each
        host where M(kernel.livepatch.patch_rollback) succeeded, or failed with the code V(no-previous).
    type: dict
  check_mode:
    description: Whether M(kernel.livepatch.patch_rollback) ran in check mode, where there is nothing to verify.
    type: bool
    default: false
seealso:
  - module: kernel.livepatch.patch_rollback
  - module: kernel.livepatch.patch_verify
"""

EXAMPLES = r"""
- name: Undo the last change, and continue after a failure
  block:
    - name: Roll back each host
      kernel.livepatch.patch_rollback:
      register: answer
      ignore_unreachable: true
    - name: Verify the live patches of each host
      kernel.livepatch.patch_verify:
      register: proof
      ignore_unreachable: true
      failed_when: proof is failed and proof.code | default('') != 'nothing-enabled'
      when: answer is not unreachable
  rescue:
    - name: Continue with the failed result
      ansible.builtin.meta: noop

- name: Show the result of this host
  ansible.builtin.debug:
    msg: "{{ ({'it': answer} | kernel.livepatch.rollback_summary({'it': proof | default({})})).lines }}"
"""

RETURN = r"""
_value:
  description: The summary.
  type: dict
  contains:
    ok:
      description: Whether every host is in the requested state.
      type: bool
    hosts:
      description: How many hosts there are.
      type: int
    counts:
      description:
        - How many hosts are V(rolled_back), V(planned) (would be rolled back, in check mode), V(unchanged),
          V(in_transition) (a transition is still running), V(failed), V(unreachable) or V(no_result) (no task ran).
      type: dict
    arrived:
      description: The hosts in the requested state, grouped by the same changes.
      type: list
      elements: dict
      contains:
        verdict:
          description: V(rolled_back), V(planned) or V(unchanged).
          type: str
          sample: rolled_back
        removed:
          description: The patches that were removed, in that order.
          type: list
          elements: str
          sample: [livepatch_cve_2026_1234]
        restored:
          description: The patches that were loaded again, in that order.
          type: list
          elements: str
          sample: [livepatch_cve_2026_1000]
        enabled:
          description: The patches that are enabled now, or would be, oldest first.
          type: list
          elements: str
          sample: [livepatch_cve_2026_1000]
        hosts:
          description: The hosts.
          type: list
          elements: str
    findings:
      description: Warnings and notes of these hosts, each code once.
      type: list
      elements: dict
      contains:
        code:
          description: The stable name of what was found.
          type: str
          sample: module-kept
        level:
          description: V(warning) or V(note).
          type: str
          sample: warning
        messages:
          description: What it means and what to do, each sentence once.
          type: list
          elements: str
        messages_left_out:
          description: How many other messages there are.
          type: int
        hosts:
          description: Where it was found.
          type: list
          elements: str
    in_transition:
      description: The hosts whose transition is still running, by code.
      type: list
      elements: dict
      contains:
        code:
          description: The stable name of what went wrong; V(none) for an error of Ansible itself.
          type: str
          sample: transition-unfinished
        messages:
          description: What went wrong, each sentence once.
          type: list
          elements: str
        messages_left_out:
          description: How many other messages there are.
          type: int
        hosts:
          description: Where it went wrong.
          type: list
          elements: str
    failed:
      description: The hosts that failed, or run other patches than the target, in the same shape.
      type: list
      elements: dict
    unreachable:
      description: The unreachable hosts, in the same shape.
      type: list
      elements: dict
    no_result:
      description: The hosts without any result.
      type: list
      elements: str
    problems:
      description: One sentence for each host that is in transition, failed or unreachable, by the host's name.
      type: dict
    artifact:
      description: >-
        For later jobs: C(ok), C(counts), C(problems) and C(hosts); the last has each host's
        verdict and what is enabled on it, by its name.
      type: dict
    lines:
      description: The summary as text, a few names of hosts at a time.
      type: list
      elements: str
"""

from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.rollback import summarize_rollback


class FilterModule:
    """The filter of this file's name."""

    def filters(self):
        return {"rollback_summary": summarize_rollback}
