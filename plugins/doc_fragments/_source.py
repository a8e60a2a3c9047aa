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
        kernels, on the controller. It is searched like O(ansible.builtin.copy#module:src) of M(ansible.builtin.copy),
        and then below Ansible's start directory.
      - In a bundle, the task chooses the build for the host's own kernel release and architecture, and for its build of
        the kernel if C(bundle.yml) has a C(kernel_build_id). Of several versions of a patch it chooses the newest.
    type: path
  remote_src:
    description:
      - Takes O(src) as a patch file on the host, for example from a vendor's package, or as a directory of patch files
        there, at any depth and of at most 500 modules. From a directory, the host's own build is chosen, of several
        versions of a patch the newest, and by O(name) if there are several patches. A host without one does not fail.
      - The controller reads each such file once, even if many hosts have it.
    type: bool
    default: false
  name:
    description:
      - The name of the patch, equal to the name of its kernel module. Dashes and underscores are equal.
      - A pattern such as V(kpatch_*_fix) fits names that hold the kernel release. C(*) means any characters, C(?) means
        one, and C([0-9]) one of these. Without O(src), a task that changes a patch refuses a pattern that fits
        several patches of the host.
      - Needed to choose a patch if a bundle holds several for one kernel, and they are not versions of one patch.
    type: str
  version:
    description:
      - The version of the patch, from C(bundle.yml) or the file. Put it in quotes, since YAML reads V(1.10) as V(1.1).
      - The default is the newest version in the bundle for the host's kernel.
    type: str
  require_signature:
    description:
      - The path of a keyring on the controller. O(src) is then refused unless a key of it has signed the directory of
        O(src), or one above it, with C(ansible-sign). No host is asked before. Export the keyring with
        C(gpg --export).
      - Each patch file and C(bundle.yml) must be in the signed list, with the digest of the bytes that are read and
        sent.
      - Needs the Python library C(ansible-sign) and the program C(gpg) on the controller. Cannot be used with
        O(remote_src).
    type: path
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
      image:
        description: The patch file that the host has requested, compressed, as text.
        type: str
      operator:
        description: The user and the controller, for the host's journal.
        type: dict
      fresh:
        description: Whether this call comes over a new connection, to accept a loaded patch.
        type: bool
        default: false
      task:
        description: The task of a rollout that has these options. Only the controller reads it.
        type: str
      run:
        description: The identifier of the playbook's run, for the lease of the host.
        type: str
"""

    LEASE = r"""
options:
  take_lease:
    description:
      - Changes the host although another run holds it, and takes the lease over from that run. Its later changes of the
        host are then refused. Use this when that run has died, or is yours.
      - The playbooks of this collection leave a lease on each host with a patch on trial. It ends when the run accepts
        the patch or rolls it back, and at the latest with the trial or a reboot. Until then, changes outside that run
        fail with V(host-leased).
      - A task in a playbook of your own respects leases and leaves none.
    type: bool
    default: false
"""

    TRANSITION = r"""
options:
  transition_timeout:
    description:
      - The longest time in seconds for a transition of every task to the new code, or to the old one.
      - Use at least 20 seconds, because the kernel wakes up sleeping tasks every 15 seconds.
    type: int
    default: 90
  on_stall:
    description:
      - The action if tasks still hold the transition after O(transition_timeout).
      - V(reverse) reverses the transition, waits as long again, and fails with the tasks that held it. The host is
        as before.
      - V(wait) ends the task while the transition continues, and reports the tasks that hold it. It does not fail.
      - V(force) marks every task as switched, without regard to its code. Tasks can then run old and new code at once
        and crash the kernel. The kernel keeps modules in memory until the next reboot. Never used by default.
    type: str
    default: reverse
    choices: [reverse, wait, force]
"""
