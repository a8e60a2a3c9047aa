# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that name a patch. PRIVATE to this collection: it can change at any time."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  src:
    description:
      - A patch file (C(.ko), C(.ko.gz), C(.ko.xz) or C(.ko.zst)) or a bundle, a directory of patch files for many
        kernels, on the controller. It is looked for like the O(ansible.builtin.copy#module:src) of
        M(ansible.builtin.copy), and at last below the directory that Ansible was started in.
      - From a bundle, the build for the host's own kernel release and architecture is chosen.
    type: path
  remote_src:
    description:
      - Whether O(src) is a patch file on the host, for example one that a vendor's package has put there.
      - The controller reads such a file once for each content, however many hosts have it.
    type: bool
    default: false
  name:
    description:
      - The name of the patch, which is the name of its kernel module.
      - With a bundle that holds several patches for one kernel, it says which one.
    type: str
"""

    VIA_CONTROLLER = r"""
options:
  via_controller:
    description: The controller's half of this module fills this in. Do not set it in a playbook.
    type: dict
    suboptions:
      offer:
        description: The builds that the controller has for this host.
        type: dict
      operator:
        description: The user and the controller, for the host's journal.
        type: dict
      fresh:
        description: Whether this call comes over a new connection, to accept a loaded patch.
        type: bool
        default: false
"""

    TRANSITION = r"""
options:
  transition_timeout:
    description:
      - How many seconds the kernel may take to bring every task to the new code, or back to the old one.
      - The kernel itself wakes up sleeping tasks once every 15 seconds, so less than 20 seconds is rarely wise.
    type: int
    default: 90
  on_stall:
    description:
      - What to do when O(transition_timeout) is over and tasks still hold the transition.
      - V(reverse) turns the transition round, waits as long again, and fails with the tasks that held it. The host is
        as it was.
      - V(wait) leaves the transition going and reports the tasks that hold it. The task does not fail.
      - V(force) calls every task switched, whatever it runs. Tasks can then run old and new code at once and crash
        the kernel, and the kernel keeps modules in memory until the next reboot. It is never done unless it is asked
        for here.
    type: str
    default: reverse
    choices: [reverse, wait, force]
"""
