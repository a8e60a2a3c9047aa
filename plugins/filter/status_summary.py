# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One summary of the live patches of all hosts, for use in templates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: status_summary
short_description: Summarize the results of patch_info by cohort
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Summarizes the results of M(kernel.livepatch.patch_info) of many hosts by cohort. Lists the patches with their
    states and hosts, the drift, running changes, and the hosts without a result.
  - A cohort is the hosts that are alike in kernel release, architecture, build of the kernel, and the values of
    O(cohort_by).
  - The playbook C(kernel.livepatch.status) uses it. No result of a host makes it fail.
positional: hostvars, cohort_by, src, name, fail_on_drift, version
options:
  _input:
    description:
      - The result of M(kernel.livepatch.patch_info) of each host, by the host's name.
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
  src:
    description:
      - A patch file or a bundle on the controller to compare the hosts with; a relative path is below the directory
        that Ansible was started in.
      - The filter fails when it cannot be read.
    type: path
  name:
    description: Which patch of O(src) to compare with, by its name or a pattern; all of them without it.
    type: str
  fail_on_drift:
    description: Whether a host with drift, or with unknown drift, is a problem.
    type: bool
    default: false
  version:
    description: Which version of the patches in O(src) to compare with; the newest for each kernel without it.
    type: str
seealso:
  - module: kernel.livepatch.patch_info
"""

EXAMPLES = r"""
- name: Query the live patches of each host
  kernel.livepatch.patch_info:
  register: answer
  ignore_unreachable: true

- name: Show the live patches of all hosts
  ansible.builtin.debug:
    msg: "{{ (answers | kernel.livepatch.status_summary(hostvars, 'datacenter', 'patches/')).lines }}"
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
      description: Whether there are neither problems nor hosts without a result.
      type: bool
    hosts:
      description: How many hosts there are.
      type: int
    counts:
      description:
        - How many hosts there are of each verdict.
        - The verdict is that of the least settled patch, from V(accepted) by V(enabled) and V(on_trial) to
          V(in_transition). Without any patch in effect it is V(unpatched), and V(unsupported) where this collection
          cannot live patch the kernel.
        - V(unchecked) hosts failed the query, V(unreachable) hosts had no connection, and on V(no_result) hosts no task
          ran.
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
        hosts:
          description: The hosts of the cohort.
          type: list
          elements: str
        counts:
          description: As RV(_value.counts), of this cohort.
          type: dict
        patches:
          description: Each build of each patch in each state that it is in.
          type: list
          elements: dict
          contains:
            name:
              description: The patch's name.
              type: str
              sample: livepatch_cve_2026_1234
            state:
              description: >-
                V(accepted), V(enabled), V(on trial), V(enabling), V(disabling), V(disabled) or V(quarantined).
              type: str
              sample: accepted
            version:
              description: The build's version, or V(none).
              type: str
              sample: "1.10"
            build_id:
              description: The build's build-id, or V(none).
              type: str
              sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
            sha256:
              description: The digest of the loaded file, or V(none).
              type: str
              sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
            hosts:
              description: Where it is in that state.
              type: list
              elements: str
        trials:
          description: The trials that are going on, each with C(host), C(name) and C(seconds_left).
          type: list
          elements: dict
        transitions:
          description: >-
            The transitions that are going on, each with C(host), C(name) and C(held_by), the names of the tasks that
            hold it.
          type: list
          elements: dict
        changing:
          description: The hosts with a running change, each with C(host), C(who) and C(since).
          type: list
          elements: dict
        leased:
          description: >-
            The hosts with a lease of a run, each with C(host), C(run), C(who) and C(until). Other runs are refused
            there with C(host-leased).
          type: list
          elements: dict
        hooks_due:
          description: >-
            The hosts whose C(livepatch_after) is due, each with C(host), C(run) (V(none) outside a run), C(who) and
            C(since).
          type: list
          elements: dict
        unpatched:
          description: The hosts without a live patch in effect.
          type: list
          elements: str
        unsupported:
          description: The hosts whose kernel this collection cannot live patch, each with C(host) and C(interface).
          type: list
          elements: dict
        untold:
          description: The hosts queried without root.
          type: list
          elements: str
        drift:
          description: The drift, each code once, warnings first.
          type: list
          elements: dict
          contains:
            code:
              description: The stable name of what was found.
              type: str
              sample: accepted-not-loaded
            level:
              description: V(warning) or V(note).
              type: str
              sample: warning
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
        cves:
          description: >-
            The CVEs that hosts are free of by their enabled patches, function by function verified. Each list has
            C(cves) and C(hosts).
          type: list
          elements: dict
        not_covered:
          description: The CVEs that no live patch closes, each with C(cve), C(reason) and C(hosts).
          type: list
          elements: dict
        unverified:
          description: >-
            The enabled patches that close nothing, because their verification failed, each with C(name), C(cves),
            C(codes) and C(hosts).
          type: list
          elements: dict
        reboot:
          description: >-
            What only a reboot into a fixed kernel does, each advice once, with C(message) and C(hosts).
          type: list
          elements: dict
        effective_kernels:
          description: >-
            The kernels with the same fixes as hosts have by their enabled patches, each with C(kernel) and C(hosts).
          type: list
          elements: dict
        builds:
          description: >-
            The names of the patches that O(src) has for this kernel, empty for a cohort without a build; V(none)
            without O(src).
          type: list
          elements: str
        missing:
          description: >-
            Each patch of O(src) for this kernel that is not in effect in the right build, with C(name) and C(hosts).
          type: list
          elements: dict
        other_build:
          description: >-
            The part of RV(_value.cohorts[].missing) where a patch of this name is in effect in another build, in the
            same shape.
          type: list
          elements: dict
        unproven:
          description: >-
            Each patch of O(src) for this kernel that is in effect by its name, and the file or the loaded module has no
            build-id to compare, with C(name) and C(hosts).
          type: list
          elements: dict
        no_build:
          description: The hosts of the cohort without a build in O(src), empty without O(src).
          type: list
          elements: str
        undecided:
          description: >-
            The hosts of the cohort whose build depends on the build-id of their kernel, and this is unknown.
          type: list
          elements: str
    drifted:
      description: The hosts where something of level V(warning) was found.
      type: list
      elements: str
    reboot:
      description: The hosts where only a reboot into a fixed kernel closes a CVE or replaces an expired patch.
      type: list
      elements: str
    no_build:
      description: The hosts without a build in O(src), V(none) without O(src).
      type: list
      elements: str
    unchecked:
      description: The hosts that failed the query, by code.
      type: list
      elements: dict
      contains:
        code:
          description: The stable name of what went wrong; V(none) for an error of Ansible itself.
          type: str
          sample: malformed-result
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
      description: >-
        One sentence for each host that is unreachable or failed the query, and with O(fail_on_drift) for each host with
        drift, by the host's name.
      type: dict
    artifact:
      description: >-
        For later jobs: C(ok), C(counts), C(problems) and C(hosts); the last has a few
        facts of each host by its name.
      type: dict
    lines:
      description: The summary as text, a few names of hosts at a time.
      type: list
      elements: str
"""

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.builds import builds_for_filter
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.status import fails_on_drift, summarize_status


def status_summary(
        answers: Mapping[str, t.Any], hostvars: Mapping[str, t.Any] | None = None,
        cohort_by: str | Sequence[str] | None = None, src: str | None = None, name: str | None = None,
        fail_on_drift: bool | str = False, version: str | None = None) -> dict[str, t.Any]:
    builds = builds_for_filter(src, name, version)
    return summarize_status(answers, hostvars, cohort_by, builds, fails_on_drift(fail_on_drift))


class FilterModule:
    """The filter of this file's name."""

    def filters(self):
        return {"status_summary": status_summary}
