# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what runs on all hosts, for a report, for use in templates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: status_record
short_description: Make a record for a report from the results of patch_info
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Takes the results of M(kernel.livepatch.patch_info) of many hosts, as P(kernel.livepatch.status_summary#filter)
    does, and makes the record that M(kernel.livepatch.report) writes.
  - The playbook C(kernel.livepatch.status) uses it. No result of a host makes it fail.
positional: hostvars, cohort_by, src, name, fail_on_drift
options:
  _input:
    description: The result of M(kernel.livepatch.patch_info) of each host, by the host's name.
    type: dict
    required: true
  hostvars:
    description: As O(kernel.livepatch.status_summary#filter:hostvars).
    type: dict
  cohort_by:
    description: As O(kernel.livepatch.status_summary#filter:cohort_by).
    type: list
    elements: str
  src:
    description: >-
      As O(kernel.livepatch.status_summary#filter:src). With it, the report lists the CVEs covered on each host, and
      the hosts without a build.
    type: path
  name:
    description: As O(kernel.livepatch.status_summary#filter:name).
    type: str
  fail_on_drift:
    description: As O(kernel.livepatch.status_summary#filter:fail_on_drift).
    type: bool
    default: false
seealso:
  - module: kernel.livepatch.report
  - plugin: kernel.livepatch.status_summary
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Report what runs where
  kernel.livepatch.report:
    dir: reports/
    record: "{{ answers | kernel.livepatch.status_record(hostvars, 'datacenter', 'patches/') }}"
  vars:
    hosts: "{{ ansible_play_hosts_all }}"
    answers: "{{ dict(hosts | zip(hosts | map('extract', hostvars, 'answer') | map('default', {}))) }}"
"""

RETURN = r"""
_value:
  description: >-
    The record, see R(the guide to reports, ansible_collections.kernel.livepatch.docsite.guide_report).
  type: dict
"""

import time
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.builds import builds_for_filter
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.records import status_record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import cohort_names
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.status import fails_on_drift


def make_status_record(
        answers: Mapping[str, t.Any], hostvars: Mapping[str, t.Any] | None = None,
        cohort_by: str | Sequence[str] | None = None, src: str | None = None, name: str | None = None,
        fail_on_drift: bool | str = False) -> dict[str, t.Any]:
    options = {
        "src": src or None, "name": name or None, "cohort_by": cohort_names(cohort_by),
        "fail_on_drift": fails_on_drift(fail_on_drift)}
    return status_record(answers, hostvars, cohort_by, builds_for_filter(src, name), options, time.time())


class FilterModule:
    """The filter of this file's name."""

    def filters(self):
        return {"status_record": make_status_record}
