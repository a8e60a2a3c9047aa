# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One summary of the results of all hosts, for use in templates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_summary
short_description: Summarize the results of patch_check by cohort
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Summarizes the results of M(kernel.livepatch.patch_check) of many hosts by cohort. Lists the compatible hosts, the
    blockers of the others, and the hosts without a result.
  - A cohort is the hosts that are alike in kernel release, architecture, build of the kernel, and the values of
    O(cohort_by).
  - The role P(kernel.livepatch.preflight#role) uses it. No result of a host makes it fail.
positional: hostvars, cohort_by
options:
  _input:
    description:
      - The result of M(kernel.livepatch.patch_check) of each host, by the host's name.
      - The results of failed tasks and of unreachable hosts belong there too, and an empty dict where no task ran.
    type: dict
    required: true
  hostvars:
    description: The variables of the hosts, by the host's name. Needed with O(cohort_by) only.
    type: dict
  cohort_by:
    description:
      - Names of variables or facts that split cohorts further; a dot leads into a dict.
      - A list, or a text with commas.
    type: list
    elements: str
seealso:
  - module: kernel.livepatch.patch_check
"""

EXAMPLES = r"""
- name: Check each host, and continue after a failure
  block:
    - name: Check the patch on each host
      kernel.livepatch.patch_check:
        src: patches/
        report_only: true
      register: answer
      ignore_unreachable: true
  rescue:
    - name: Continue with the failed result
      ansible.builtin.meta: noop

- name: Show the summary by kernel and by datacenter
  ansible.builtin.debug:
    msg: "{{ (answers | kernel.livepatch.preflight_summary(hostvars, 'datacenter')).lines }}"
  vars:
    hosts: "{{ ansible_play_hosts_all }}"
    answers: "{{ dict(hosts | zip(hosts | map('extract', hostvars, 'answer') | map('default', {}))) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The summary.
  type: dict
  contains:
    ok:
      description: >-
        Whether no host is blocked, unchecked, unreachable or without a result. Hosts without a build do not count.
      type: bool
    hosts:
      description: How many hosts there are.
      type: int
    counts:
      description:
        - How many hosts are V(compatible), V(no_build) (the bundle has no build for their kernel), V(blocked),
          V(unchecked) (the check failed), V(unreachable) or V(no_result) (no task ran).
      type: dict
    cohorts:
      description: The cohorts of the hosts that answered, sorted by kernel, architecture and values.
      type: list
      elements: dict
      contains:
        kernel:
          description: The kernel release.
          type: str
          sample: 6.1.0-56-amd64
        arch:
          description: The architecture, as C(uname -m) tells it.
          type: str
          sample: x86_64
        build:
          description: >-
            The build-id of the kernel if hosts run several builds of this release, and V(none) otherwise.
          type: str
        values:
          description: The value of each name in O(cohort_by), V(none) where a host has none.
          type: dict
        title:
          description: All of that as text.
          type: str
          sample: 6.1.0-56-amd64 x86_64, datacenter fra
        compatible:
          description: The hosts where the patch would work.
          type: list
          elements: str
        no_build:
          description: The hosts without a build in the bundle.
          type: list
          elements: str
        blocked:
          description: The hosts with a blocker.
          type: list
          elements: str
        findings:
          description: What was found on these hosts, each code once, blockers first.
          type: list
          elements: dict
          contains:
            code:
              description: The stable name of what was found.
              type: str
              sample: ftrace-disabled
            level:
              description: V(blocker), V(warning) or V(note).
              type: str
              sample: blocker
            messages:
              description: What is wrong and what to do, each sentence once.
              type: list
              elements: str
            messages_left_out:
              description: How many other messages there are.
              type: int
            hosts:
              description: Where it was found.
              type: list
              elements: str
        rollback:
          description: The obstacles to a later rollback, in the shape of RV(_value.cohorts[].findings).
          type: list
          elements: dict
    unchecked:
      description: The hosts where the check itself failed, by code.
      type: list
      elements: dict
      contains:
        code:
          description: The stable name of what went wrong; V(none) for an error of Ansible itself.
          type: str
          sample: not-elf
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
    unreachable:
      description: The unreachable hosts, in the shape of RV(_value.unchecked).
      type: list
      elements: dict
    no_result:
      description: The hosts without any result.
      type: list
      elements: str
    problems:
      description: One sentence for each host that is blocked, unchecked or unreachable, by the host's name.
      type: dict
    artifact:
      description: >-
        For later jobs: C(ok), C(counts), C(problems) and C(hosts); the last has each host's
        verdict, its kernel, and the codes of its blockers and warnings, by its name.
      type: dict
    lines:
      description: The summary as text, a few names of hosts at a time.
      type: list
      elements: str
"""

from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.preflight import summarize


class FilterModule:
    """The filter of this file's name."""

    def filters(self):
        return {"preflight_summary": summarize}
