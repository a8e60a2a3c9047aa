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
  - Writes C(livepatch-KIND-ID.json), which has everything that is known, and C(livepatch-KIND-ID.html), one page for
    people that needs nothing else, and no network. Both can be read by the user who runs Ansible only.
  - Runs once for all hosts, on the controller and without C(become), and contacts no host. The role
    P(kernel.livepatch.report#role) and the playbooks with C(livepatch_report_dir) use it.
extends_documentation_fragment:
  - kernel.livepatch._attributes
  - kernel.livepatch._attributes.action
attributes:
  check_mode:
    support: partial
    details: It writes in check mode too, because a plan is worth a report, and it changes nothing on any host.
  diff_mode:
    support: none
options:
  dir:
    description:
      - A directory on the controller, made with mode 0700 where it is absent. A relative path is below the directory
        that Ansible was started in.
      - The task fails where files cannot be written into it, where other users could change it, and where it leads
        through another user's link.
    type: path
    required: true
  record:
    description:
      - What to report, see R(the guide to reports, ansible_collections.kernel.livepatch.docsite.guide_report).
      - Without it, the directory is made and tried, and nothing is written, for knowing that before anything begins.
    type: dict
seealso:
  - module: kernel.livepatch.rollout_step
  - plugin: kernel.livepatch.status_record
    plugin_type: filter
  - plugin: kernel.livepatch.rollback_record
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See before anything begins that reports can be written
  kernel.livepatch.report:
    dir: reports/

- name: Report what runs where
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
  description: The file for programs.
  returned: with O(record)
  type: str
  sample: /home/alice/reports/livepatch-rollout-20261121T160211Z-1a2b3c.json
html:
  description: The file for people.
  returned: with O(record)
  type: str
  sample: /home/alice/reports/livepatch-rollout-20261121T160211Z-1a2b3c.html
code:
  description: The stable name of what went wrong.
  returned: on failure
  type: str
  sample: report-dir-unusable
"""
