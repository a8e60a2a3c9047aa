#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_info
short_description: Tell all that a host knows about live patches
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Returns the running kernel, its live-patching interface, the patches with their objects and functions in stack
    order, the transition that is going on with the tasks that hold it, what is left of patches that are gone, which
    other live-patch tools are on the host, who is changing it, and the last changes out of its journal.
  - Returns what the host keeps beyond a reboot, which is what is accepted, what is quarantined and what the next boot
    loads, the patch that is on trial, and under RV(livepatch.drift) where all that differs from what is there.
  - Reads only, with one exception. During a transition, root asks the kernel through dynamic debug why tasks hold it,
    for 2.5 seconds at most, and puts the setting back.
  - Without root, what only root may read is V(none), and nobody is named as holding a transition.
requirements:
  - On the host, Python 3.6 or later.
extends_documentation_fragment:
  - kernel.livepatch._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
seealso:
  - module: kernel.livepatch.patch
"""

EXAMPLES = r"""
- name: Look at the live patches
  kernel.livepatch.patch_info:
  register: host

- name: Show which functions are patched
  ansible.builtin.debug:
    msg: "{{ host.livepatch.patches | map(attribute='objects') }}"

- name: Fail where the host is not as it should be
  ansible.builtin.assert:
    that: host.livepatch.drift | rejectattr('level', 'equalto', 'note') | length == 0
    fail_msg: "{{ host.livepatch.drift | map(attribute='message') | join(' ') }}"
"""

RETURN = r"""
livepatch:
  description: What the host knows.
  returned: success
  type: dict
  contains:
    kernel:
      description: The running kernel.
      type: dict
      contains:
        release:
          description: As C(uname -r) prints it.
          type: str
          sample: 6.1.0-56-amd64
        arch:
          description: As C(uname -m) prints it.
          type: str
          sample: x86_64
        version:
          description: As C(uname -v) prints it.
          type: str
          sample: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-10-01)"
        build_id:
          description: The build-id of the kernel image, or V(none).
          type: str
          sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
        boot_id:
          description: Changes with every boot.
          type: str
          sample: 2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11
        taints:
          description: What the kernel has to say against itself.
          type: list
          elements: dict
          contains:
            letter:
              description: The taint's letter.
              type: str
              sample: K
            meaning:
              description: The taint in words.
              type: str
              sample: live patched
        lockdown:
          description: V(none), V(integrity) or V(confidentiality) as the kernel calls it; null where it does not tell.
          type: str
          sample: none
        signatures:
          description: The kernel's policy on module signatures.
          type: dict
          contains:
            enforced:
              description: Whether unsigned modules are refused; null where the kernel does not tell.
              type: bool
              sample: false
        modules_disabled:
          description: Whether module loading is switched off until the next reboot.
          type: bool
          sample: false
    interface:
      description: >-
        How the kernel can be live patched. V(livepatch), V(kpatch), V(kgraft) or V(none).
      type: str
      sample: livepatch
    patches:
      description: The patches that the kernel knows, oldest first.
      type: list
      elements: dict
      contains:
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        state:
          description: >-
            V(accepted), V(enabled), V(disabled), V(enabling) or V(disabling). Accepted is what is enabled and what the
            next boot of this kernel loads; without root it is V(enabled).
          type: str
          sample: accepted
        replace:
          description: Whether it replaces all others; null before Linux 6.11, which does not tell.
          type: bool
          sample: true
        stack_order:
          description: >-
            Its place in the kernel's stack, from 1; null before Linux 6.14, where the order of loading is used.
          type: int
          sample: 1
        objects:
          description: What it patches.
          type: list
          elements: dict
          contains:
            name:
              description: V(vmlinux), or the name of a module.
              type: str
              sample: vmlinux
            patched:
              description: Whether the object is patched now.
              type: bool
              sample: true
            functions:
              description: The patched functions.
              type: list
              elements: dict
              contains:
                name:
                  description: The function's name.
                  type: str
                  sample: cmdline_proc_show
                sympos:
                  description: Which of several functions of that name it is, counted from 1.
                  type: int
                  sample: 1
        build_id:
          description: The build-id of the loaded module, or null.
          type: str
          sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
        taint:
          description: The letters of the module's taints.
          type: str
          sample: OEK
        refcnt:
          description: How many references the kernel counts on the module.
          type: int
          sample: 1
    transition:
      description: The transition that is going on, or null.
      type: dict
      contains:
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        state:
          description: V(enabling) or V(disabling).
          type: str
          sample: enabling
        blockers:
          description: The tasks that hold it, as RV(kernel.livepatch.patch#module:blockers) has them.
          type: list
          elements: dict
          sample: []
    leftovers:
      description: Modules of patches that have no effect any more and are still loaded.
      type: list
      elements: dict
      contains:
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        build_id:
          description: The build-id of the loaded module, or null.
          type: str
          sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
        refcnt:
          description: >-
            How many references the kernel counts on the module; more than 0 means that it is pinned until the next
            reboot.
          type: int
          sample: 0
    kept:
      description: The patch files that the host keeps.
      type: list
      elements: dict
      contains:
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        release:
          description: The kernel release that it is built for.
          type: str
          sample: 6.1.0-56-amd64
        arch:
          description: The architecture that it is built for.
          type: str
          sample: x86_64
        sha256:
          description: The digest of the uncompressed file.
          type: str
          sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
        build_id:
          description: The file's build-id, or null.
          type: str
          sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
        size:
          description: Its size in bytes.
          type: int
          sample: 34816
    other_tools:
      description: Other live-patch tools that are on the host.
      type: list
      elements: dict
      contains:
        name:
          description: What the tool is called.
          type: str
          sample: kpatch.service
        active:
          description: Whether it is at work, or will be at the next boot.
          type: bool
          sample: true
        effect:
          description: What it does when it is at work.
          type: str
          sample: at each boot it loads every patch below /var/lib/kpatch for the running kernel
    changing:
      description: Who is changing the host at this moment; null when nobody is, or without root.
      type: dict
      contains:
        transaction:
          description: What the change is called in the journal once it has begun.
          type: str
          sample: 20261121T091653.123456Z-9f3c2a1b
        since:
          description: When it took the host, in UTC.
          type: str
          sample: "2026-11-21T09:16:53Z"
        pid:
          description: The process on the host.
          type: int
          sample: 4711
        who:
          description: Who runs it, for people to read; none of it is proof.
          type: dict
          contains:
            controller_user:
              description: The user on the controller, by the controller's own word; null for a run without one.
              type: str
              sample: alice
            controller_node:
              description: What the controller is called, by its own word; null for a run without one.
              type: str
              sample: control1
            user:
              description: The user who logged in to the host.
              type: str
              sample: deploy
            address:
              description: The address that the login came from, or null where it is not known.
              type: str
              sample: 192.0.2.7
    journal:
      description: >-
        The last 20 changes that this collection has made, newest first; null where this user may not read them.
      type: list
      elements: dict
      contains:
        transaction:
          description: What the change is called, as in the result of the task that made it.
          type: str
          sample: 20261121T091653.123456Z-9f3c2a1b
        action:
          description: >-
            V(patch) or V(accept) by M(kernel.livepatch.patch), V(rollback) by M(kernel.livepatch.patch_rollback), and
            V(trial) or V(boot) by the host itself, at a trial's end and at boot.
          type: str
          sample: patch
        outcome:
          description: >-
            V(done), V(failed), V(running), V(in-transition) for a transition that was left going as asked for, or
            V(interrupted) for a change whose end is not in the journal and whose process is gone.
          type: str
          sample: done
        code:
          description: Why it failed, or null.
          type: str
          sample: transition-stalled
        began:
          description: When it began, in UTC.
          type: str
          sample: "2026-11-21T09:16:53Z"
        ended:
          description: When it ended, in UTC, or null.
          type: str
          sample: "2026-11-21T09:16:55Z"
        seconds:
          description: How long it took, or null.
          type: float
          sample: 1.731
        boot_id:
          description: The boot that it was made in.
          type: str
          sample: 2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11
        kernel:
          description: The release of the kernel that it was made on.
          type: str
          sample: 6.1.0-56-amd64
        who:
          description: Who made it, for people to read; none of it is proof.
          type: dict
          contains:
            controller_user:
              description: The user on the controller, by the controller's own word; null for a run without one.
              type: str
              sample: alice
            controller_node:
              description: What the controller is called, by its own word; null for a run without one.
              type: str
              sample: control1
            user:
              description: The user who logged in to the host.
              type: str
              sample: deploy
            address:
              description: The address that the login came from, or null where it is not known.
              type: str
              sample: 192.0.2.7
        patches:
          description: What was to be done with which patch, and what came of it.
          type: list
          elements: dict
          contains:
            name:
              description: The patch's name.
              type: str
              sample: livepatch_cve_2026_1000
            build_id:
              description: The build-id, or null.
              type: str
              sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
            sha256:
              description: The digest of its uncompressed file, or null where the host does not keep that.
              type: str
              sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
            previous_state:
              description: The state before.
              type: str
              sample: absent
            wanted_state:
              description: The state that was asked for.
              type: str
              sample: enabled
            state:
              description: The state after, or null where the change has no end.
              type: str
              sample: enabled
            transition_seconds:
              description: How long its transition took, or null.
              type: float
              sample: 1.482
        replaces:
          description: The patches that it has replaced.
          type: list
          elements: str
          sample: []
        before:
          description: The patches that were enabled before, oldest first; null where that cannot be read.
          type: list
          elements: dict
          contains:
            name:
              description: The patch's name.
              type: str
              sample: livepatch_cve_2026_1000
            build_id:
              description: The build-id, or null.
              type: str
              sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
            sha256:
              description: The digest of its uncompressed file, or null where the host does not keep that.
              type: str
              sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
            parameters:
              description: The parameters that it was loaded with by this collection, as one line.
              type: str
              sample: count=3
            accepted:
              description: Whether it was accepted.
              type: bool
              sample: true
        after:
          description: The patches that were enabled after it, oldest first; null where the change has no end.
          type: list
          elements: dict
          contains:
            name:
              description: The patch's name.
              type: str
              sample: livepatch_cve_2026_1000
            build_id:
              description: The build-id, or null.
              type: str
              sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
            sha256:
              description: The digest of its uncompressed file, or null where the host does not keep that.
              type: str
              sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
            parameters:
              description: The parameters that it was loaded with by this collection, as one line.
              type: str
              sample: count=3
            accepted:
              description: Whether it was accepted.
              type: bool
              sample: true
    journal_unreadable:
      description: >-
        How many lines of the journal, back to the oldest change that is shown, are damaged; null where this user may
        not read it.
      type: int
      sample: 0
    accepted:
      description: >-
        What is loaded at each boot of its kernel, oldest first; null without root, and where the file that says so is
        damaged, as for the next three.
      type: list
      elements: dict
      contains:
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        sha256:
          description: The digest of its uncompressed file.
          type: str
          sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
        build_id:
          description: The file's build-id, or null.
          type: str
          sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
        release:
          description: The kernel release that it is for, and that it is loaded on.
          type: str
          sample: 6.1.0-56-amd64
        parameters:
          description: The parameters that it is loaded with, as one line.
          type: str
          sample: count=3
        transaction:
          description: The change that loaded it first.
          type: str
          sample: 20261121T091653.123456Z-9f3c2a1b
        since:
          description: When it was accepted, in UTC.
          type: str
          sample: "2026-11-21T09:21:07Z"
        kept:
          description: Whether the host has its file.
          type: bool
          sample: true
    boot:
      description: What loads patches at boot, and which ones; null as for RV(livepatch.accepted).
      type: dict
      contains:
        init:
          description: V(systemd), or V(none) where nothing is loaded at boot.
          type: str
          sample: systemd
        installed:
          description: Whether the unit C(kernel-livepatch.service) is on the host.
          type: bool
          sample: true
        enabled:
          description: Whether it is started at boot.
          type: bool
          sample: true
        switched_off:
          description: Whether the running kernel was booted with C(kernel_livepatch=off).
          type: bool
          sample: false
        patches:
          description: >-
            The patches that the next boot of this kernel loads, in that order, unless its command line has
            C(kernel_livepatch=off).
          type: list
          elements: str
          sample: [livepatch_cve_2026_1234]
    quarantined:
      description: The builds that are not loaded again; null as for RV(livepatch.accepted).
      type: list
      elements: dict
      contains:
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1000
        sha256:
          description: The digest of its uncompressed file.
          type: str
          sample: 9a8d3e5c6f7a8b9c0d4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b
        build_id:
          description: The file's build-id, or null.
          type: str
          sample: d8c7b6a5f4e3d2c15d7c0b0ec5b1c2d6b7e1f0a9
        why:
          description: >-
            V(crashed-on-trial), the host crashed while it was enabled and not accepted, or V(crashed-after-boot), the
            host crashed soon after it had been loaded at boot.
          type: str
          sample: crashed-on-trial
        transaction:
          description: The change that loaded it, or null.
          type: str
          sample: 20261121T084211.654321Z-1b9f3c2a
        since:
          description: >-
            When that was noticed, in UTC; null until the boot after the crash, or the first change in it, has noted it.
          type: str
          sample: "2026-11-21T08:45:30Z"
    trial:
      description: The trial that is going on; null when there is none, and as for RV(livepatch.accepted).
      type: dict
      contains:
        transaction:
          description: The change that began it.
          type: str
          sample: 20261121T091653.123456Z-9f3c2a1b
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        since:
          description: When it began, in UTC.
          type: str
          sample: "2026-11-21T09:16:53Z"
        seconds:
          description: How long it lasts from when the patch was enabled.
          type: int
          sample: 300
        seconds_left:
          description: >-
            After how many seconds the host goes back by itself. Until the patch is enabled, what the transition may
            take is a part of it.
          type: int
          sample: 187
        back_to:
          description: The patches that are enabled then, oldest first.
          type: list
          elements: str
          sample: [livepatch_cve_2026_1000]
    drift:
      description: >-
        What should be there and is not, and what is there and should not; empty when all is well, null without root.
        During a change, nothing is said of what is not enabled. The codes are in the guide to codes.
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
        subject:
          description: What it is about.
          type: str
          sample: livepatch_cve_2026_1234
        message:
          description: What is wrong and what to do.
          type: str
          sample: >-
            livepatch_cve_2026_1234 is accepted for this kernel and not enabled: the kernel was booted with
            kernel_livepatch=off; boot without it, or bring the patch to state accepted again.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import run_job
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory


def main():
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    run_job(module, lambda host: {"changed": False, "livepatch": host_inventory(host)})


if __name__ == "__main__":
    main()
