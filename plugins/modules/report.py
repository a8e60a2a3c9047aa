#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/report.py.

DOCUMENTATION = r"""
module: report
short_description: Write the report of a rollout, a status or a rollback on the controller
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Writes C(livepatch-KIND-ID.json) with the full record, and C(livepatch-KIND-ID.html), one self-contained page for
    people. Only the user who runs Ansible can read them.
  - Runs once for all hosts, on the controller and without C(become). Contacts no host. The role
    P(kernel.livepatch.report#role) and the playbooks with C(livepatch_report_dir) use it.
extends_documentation_fragment:
  - kernel.livepatch._attributes
  - kernel.livepatch._attributes.action
attributes:
  check_mode:
    support: partial
    details: Writes the report in check mode too, and changes nothing on any host.
  diff_mode:
    support: none
options:
  dir:
    description:
      - A directory on the controller, created with mode 0700 if it is missing. A relative path is below Ansible's start
        directory.
      - The task fails if files cannot be written into it, if other users could change it, or if it leads through
        another user's link.
    type: path
    required: true
  record:
    description:
      - The record to report, see R(the guide to reports, ansible_collections.kernel.livepatch.docsite.guide_report).
      - Without it, the task creates and tests the directory and writes nothing. Use this before a rollout begins.
    type: dict
seealso:
  - module: kernel.livepatch.rollout_step
  - plugin: kernel.livepatch.status_record
    plugin_type: filter
  - plugin: kernel.livepatch.rollback_record
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Test the report directory before a rollout
  kernel.livepatch.report:
    dir: reports/

- name: Write a status report
  kernel.livepatch.report:
    dir: reports/
    record: "{{ answers | kernel.livepatch.status_record }}"
"""

RETURN = r"""
dir:
  description: The directory.
  returned: without O(record)
  type: str
  sample: /home/alice/reports
json:
  description: The path of the JSON file.
  returned: with O(record)
  type: str
  sample: /home/alice/reports/livepatch-rollout-20261121T160211Z-1a2b3c.json
html:
  description: The path of the HTML page.
  returned: with O(record)
  type: str
  sample: /home/alice/reports/livepatch-rollout-20261121T160211Z-1a2b3c.html
code:
  description: The stable code of the failure.
  returned: on failure
  type: str
  sample: report-dir-unusable
"""
