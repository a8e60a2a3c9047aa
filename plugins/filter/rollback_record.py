# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a rollback of all hosts, for a report, for use in templates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_record
short_description: Make a record for a report from the results of patch_rollback and patch_verify
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Takes the results of M(kernel.livepatch.patch_rollback) and M(kernel.livepatch.patch_verify) of many hosts, as
    P(kernel.livepatch.rollback_summary#filter) does, and makes the record that M(kernel.livepatch.report) writes.
  - The role P(kernel.livepatch.rollback#role) uses it. No result of a host makes it fail.
positional: proofs, check_mode, to
options:
  _input:
    description: The result of M(kernel.livepatch.patch_rollback) of each host, by the host's name.
    type: dict
    required: true
  proofs:
    description: As O(kernel.livepatch.rollback_summary#filter:proofs).
    type: dict
  check_mode:
    description: As O(kernel.livepatch.rollback_summary#filter:check_mode).
    type: bool
    default: false
  to:
    description: The target of the rollback, shown in the report.
    type: str
seealso:
  - module: kernel.livepatch.report
  - plugin: kernel.livepatch.rollback_summary
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Report the rollback
  kernel.livepatch.report:
    dir: reports/
    record: "{{ answers | kernel.livepatch.rollback_record(proofs) }}"
"""

RETURN = r"""
_value:
  description: >-
    The record, see R(the guide to reports, ansible_collections.kernel.livepatch.docsite.guide_report).
  type: dict
"""

import time
import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.records import rollback_record


def make_rollback_record(
        answers: Mapping[str, t.Any], proofs: Mapping[str, t.Any] | None = None, check_mode: bool = False,
        to: str | None = None) -> dict[str, t.Any]:
    return rollback_record(answers, proofs, check_mode, {"to": to} if to else {}, time.time())


class FilterModule:
    """The filter of this file's name."""

    def filters(self):
        return {"rollback_record": make_rollback_record}
