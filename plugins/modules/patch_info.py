#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_info
short_description: Return the live patches of a host and their state
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Returns the running kernel, its live-patching interface, and the patches in stack order with their objects and
    functions. Also returns a transition in progress with the tasks that hold it, modules of removed patches, other
    live-patch tools, the run that is changing the host, and the last changes from its journal.
  - Returns the CVEs that the enabled patches close, and the kernel with the same fixes, if a C(bundle.yml) named them.
    A patch closes a CVE only if each of its functions is in effect, as M(kernel.livepatch.patch_verify) verifies it.
  - Returns what only a reboot into a fixed kernel does.
  - Returns the state kept beyond a reboot. This is the accepted, quarantined and trial patches, and the patches for
    the next boot. RV(livepatch.drift) has every difference between this state and the kernel.
  - Reads only, with one exception. During a transition, as root, it enables dynamic debug for 2.5 seconds at most to
    learn why tasks hold the transition, and then restores the setting.
  - Without root, values readable by root only are V(none), and RV(livepatch.transition.blockers) is empty.
requirements:
  - On the host, Python 3.6 or later.
extends_documentation_fragment:
  - kernel.livepatch._attributes
  - kernel.livepatch._attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  facts:
    description:
      - Whether to set the fact RV(ansible_facts.livepatch) too. Later plays, and inventories with a cache of facts, can
        use it as C(ansible_facts.livepatch). With C(INJECT_FACTS_AS_VARS), Ansible also sets a variable C(livepatch).
    type: bool
    default: false
seealso:
  - module: kernel.livepatch.patch
"""

EXAMPLES = r"""
- name: Read the live patches
  kernel.livepatch.patch_info:
  register: host

- name: Show the patched functions
  ansible.builtin.debug:
    msg: "{{ host.livepatch.patches | map(attribute='objects') }}"

- name: Fail on hosts with drift
  ansible.builtin.assert:
    that: host.livepatch.drift | rejectattr('level', 'equalto', 'note') | length == 0
    fail_msg: "{{ host.livepatch.drift | map(attribute='message') | join(' ') }}"

- name: Keep the state of each host as a fact
  kernel.livepatch.patch_info:
    facts: true

- name: Group the hosts by their state
  ansible.builtin.group_by:
    key: "livepatch_{{ ansible_facts.livepatch.state }}"
"""

RETURN = r"""
code:
  description: The stable code of the failure.
  returned: on failure
  type: str
  sample: malformed-result
ansible_facts:
  description: >-
    The facts of the host, made by the controller from RV(livepatch). The same are in C(ansible_local.livepatch), if the
    host has the directory C(/etc/ansible/facts.d).
  returned: success and O(facts=true)
  type: dict
  contains:
    livepatch:
      description: The state of the host in a few words.
      type: dict
      contains:
        state:
          description: >-
            V(accepted), V(enabled), V(on_trial), V(in_transition), V(unpatched) or V(unsupported), by the least stable
            patch.
          type: str
          sample: accepted
        kernel:
          description: The release of the running kernel.
          type: str
          sample: 6.1.0-56-amd64
        patches:
          description: The live patches in the kernel, oldest first.
          type: list
          elements: dict
          contains:
            name:
              description: The patch's name.
              type: str
              sample: livepatch_cve_2026_1234
            version:
              description: Its version, or V(none).
              type: str
              sample: "1.1"
            build_id:
              description: The build-id of the loaded module, or V(none).
              type: str
              sample: 8f2b1c0d9e7a6f5b4c3d2e1f0a9b8c7d6e5f4a3b
            state:
              description: V(accepted), V(enabled), V(on_trial), V(enabling), V(disabling) or V(disabled).
              type: str
              sample: accepted
        trial:
          description: The name of the patch on trial, or V(none).
          type: str
          sample: null
        quarantined:
          description: The names of the builds in quarantine; V(none) if they are not known without root.
          type: list
          elements: str
          sample: []
        drift:
          description: The codes of the warnings in RV(livepatch.drift); V(none) if they are not known without root.
          type: list
          elements: str
          sample: []
livepatch:
  description: The live patches of the host and their state.
  returned: success
  type: dict
  contains:
    kernel:
      description: The running kernel.
      type: dict
      contains:
        release:
          description: The output of C(uname -r).
          type: str
          sample: 6.1.0-56-amd64
        arch:
          description: The output of C(uname -m).
          type: str
          sample: x86_64
        version:
          description: The output of C(uname -v).
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
          description: The kernel's taints.
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
          description: V(none), V(integrity) or V(confidentiality); null if the kernel does not show it.
          type: str
          sample: none
        signatures:
          description: The kernel's policy on module signatures.
          type: dict
          contains:
            enforced:
              description: Whether unsigned modules are refused; null if the kernel does not show it.
              type: bool
              sample: false
        modules_disabled:
          description: Whether module loading is disabled until the next reboot.
          type: bool
          sample: false
    interface:
      description: >-
        The host's live-patching interface, V(livepatch), V(kpatch) (C(kpatch.ko)) or V(kgraft). V(none) if it has none
        that this collection supports.
      type: str
      sample: livepatch
    patches:
      description: The kernel's live patches, oldest first.
      type: list
      elements: dict
      contains:
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        state:
          description: >-
            V(accepted), V(enabled), V(disabled), V(enabling) or V(disabling). An accepted patch is enabled, and the
            next boot of this kernel loads it. Without root it is V(enabled).
          type: str
          sample: accepted
        replace:
          description: Whether it replaces all others; null before Linux 6.11 and with C(kpatch.ko).
          type: bool
          sample: true
        replace_set:
          description: >-
            The number of its replace set; null for a kernel without them. A patch replaces the one of its set only.
            Replace sets are proposed for Linux, and no kernel seen so far has them.
          type: int
          sample: 1
        stack_order:
          description: >-
            Its position in the kernel's stack, from 1; null before Linux 6.14. The list is then in order of loading.
          type: int
          sample: 1
        objects:
          description: The objects of the patch.
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
                  description: The position among functions of the same name, counted from 1.
                  type: int
                  sample: 1
        build_id:
          description: The build-id of the loaded module, or null.
          type: str
          sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
        sha256:
          description: >-
            The digest of the loaded file, uncompressed; null if the host does not keep it, or without root.
          type: str
          sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
        verified:
          description: >-
            Whether an enabled patch is what its file claims, function by function, as
            M(kernel.livepatch.patch_verify) verifies it; null if the patch is not enabled, if the host keeps no file
            of this build, or without root.
          type: bool
          sample: true
        taint:
          description: The letters of the module's taints.
          type: str
          sample: OEK
        refcnt:
          description: The kernel's reference count of the module.
          type: int
          sample: 1
        version:
          description: The version of the patch, from C(bundle.yml), its file or its module, or null.
          type: str
          sample: "1.10"
        metadata:
          description: >-
            The entry of the patch in C(bundle.yml) as the host keeps it; null without an entry, or without root.
          type: dict
          contains:
            cves:
              description: The CVEs fixed by the patch.
              type: list
              elements: str
              sample: [CVE-2026-12345]
            summary:
              description: The purpose of the patch, or null.
              type: str
              sample: Out-of-bounds write in the netfilter core
            advisory:
              description: A link to read more, or null.
              type: str
              sample: https://security.example.com/2026/17
            kernel_build_id:
              description: The build-id of the only kernel for the file, or null.
              type: str
              sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
            version:
              description: The version in C(bundle.yml), or null.
              type: str
              sample: "1.10"
            not_covered:
              description: The CVEs that no live patch closes.
              type: list
              elements: dict
              contains:
                cve:
                  description: The number of the CVE.
                  type: str
                  sample: CVE-2026-23457
                reason:
                  description: Why no live patch closes it.
                  type: str
                  sample: the fix changes data that is in use
            expires:
              description: The last day of the patch, or null.
              type: str
              sample: "2027-01-31"
            effective_kernel:
              description: The release of the kernel with the same fixes, or null.
              type: str
              sample: 6.1.0-60-amd64
    coverage:
      description: >-
        What the enabled patches cover, as their entries in C(bundle.yml) say; null without root. The entries are kept
        with the patch files on the host, so the answer does not depend on the bundle of the controller.
      type: dict
      contains:
        cves:
          description: >-
            The CVEs that the running kernel is free of: those of the enabled patches with every function in effect.
          type: list
          elements: str
          sample: [CVE-2026-12345]
        not_covered:
          description: The CVEs that no live patch closes.
          type: list
          elements: dict
          contains:
            cve:
              description: The number of the CVE.
              type: str
              sample: CVE-2026-23457
            reason:
              description: Why no live patch closes it.
              type: str
              sample: the fix changes data that is in use
        unverified:
          description: The enabled patches that close nothing, because their verification failed.
          type: list
          elements: dict
          contains:
            name:
              description: The patch's name.
              type: str
              sample: livepatch_cve_2026_1234
            cves:
              description: The CVEs that it would close, without those that another patch closes.
              type: list
              elements: str
              sample: [CVE-2026-12345]
            codes:
              description: The codes of what M(kernel.livepatch.patch_verify) finds.
              type: list
              elements: str
              sample: [function-not-hooked]
        effective_kernel:
          description: >-
            The effective kernel version: the release of the kernel with the same fixes as the running one, or null.
          type: str
          sample: 6.1.0-60-amd64
        expires:
          description: The first day that one of the patches expires on, or null.
          type: str
          sample: "2027-01-31"
        expired:
          description: The names of the enabled patches after their last day.
          type: list
          elements: str
          sample: [livepatch_cve_2026_1234]
        reboot:
          description: >-
            What no live patch of this host does, and a reboot into a kernel with the fixes does. Whether the next
            kernel has them is not known here.
          type: dict
          contains:
            closes:
              description: The CVEs, those in RV(livepatch.coverage.not_covered).
              type: list
              elements: str
              sample: [CVE-2026-23457]
            replaces:
              description: The patches, those in RV(livepatch.coverage.expired).
              type: list
              elements: str
              sample: [livepatch_cve_2026_1234]
            next_kernel:
              description: The release in RV(livepatch.boot.next.kernel). Null if it is not known.
              type: str
              sample: 6.1.0-60-amd64
            message:
              description: The advice in words; null if there is nothing to do.
              type: str
              sample: >-
                Reboot into a kernel with the fixes of CVE-2026-23457, because no live patch closes it.
    transition:
      description: The transition in progress, or null.
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
          description: The tasks that hold it, as in RV(kernel.livepatch.patch#module:blockers).
          type: list
          elements: dict
          sample: []
    leftovers:
      description: Loaded modules of patches without effect.
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
            The kernel's reference count of the module; above 0, it is pinned until the next reboot.
          type: int
          sample: 0
    kept:
      description: The patch files kept by the host.
      type: list
      elements: dict
      contains:
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        release:
          description: The kernel release of the build.
          type: str
          sample: 6.1.0-56-amd64
        arch:
          description: The architecture of the build.
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
        version:
          description: The version of the patch, from C(bundle.yml) or the file, or null.
          type: str
          sample: "1.10"
    other_tools:
      description: Other live-patch tools on the host.
      type: list
      elements: dict
      contains:
        name:
          description: The name of the tool.
          type: str
          sample: kpatch.service
        active:
          description: Whether it is active, or will be at the next boot.
          type: bool
          sample: true
        effect:
          description: Its effect when it is active.
          type: str
          sample: at each boot it loads every patch below /var/lib/kpatch for the running kernel
    changing:
      description: The run that is changing the host now; null if there is none, or without root.
      type: dict
      contains:
        transaction:
          description: The name of the change in the journal.
          type: str
          sample: 20261121T091653.123456Z-9f3c2a1b
        since:
          description: The time when it locked the host, in UTC.
          type: str
          sample: "2026-11-21T09:16:53Z"
        pid:
          description: The process on the host.
          type: int
          sample: 4711
        who:
          description: The user who runs it, as information without proof.
          type: dict
          contains:
            controller_user:
              description: The user on the controller, as the controller reports it; null for a run without one.
              type: str
              sample: alice
            controller_node:
              description: The name of the controller, as it reports it; null for a run without one.
              type: str
              sample: control1
            user:
              description: The login user on the host.
              type: str
              sample: deploy
            address:
              description: The address of the login, or null if it is not known.
              type: str
              sample: 192.0.2.7
    lease:
      description: >-
        The run of a playbook that holds this host, because it has a patch on trial here. Changes outside that run are
        refused. Null if there is none, or without root.
      type: dict
      contains:
        run:
          description: The identifier of the run. For a rollout, it is in its report and in its artifact.
          type: str
          sample: 20261121T091500Z-4f1b0b
        who:
          description: The user who runs it, as information without proof.
          type: dict
          contains:
            controller_user:
              description: The user on the controller, as the controller reports it.
              type: str
              sample: alice
            controller_node:
              description: The name of the controller, as it reports it.
              type: str
              sample: control1
            user:
              description: The login user on the host.
              type: str
              sample: deploy
            address:
              description: The address of the login, or null if it is not known.
              type: str
              sample: 192.0.2.7
        since:
          description: The time when the run took the lease, in UTC.
          type: str
          sample: "2026-11-21T09:16:53Z"
        until:
          description: The latest time when the lease ends, in UTC. This is the end of the trial.
          type: str
          sample: "2026-11-21T09:31:53Z"
    hook:
      description: >-
        The run that began C(livepatch_before) here, if its C(livepatch_after) is still due. Null if there is none, or
        without root.
      type: dict
      contains:
        run:
          description: The identifier of the run; null for a task outside a run, and for a damaged mark.
          type: str
          sample: 20261121T091500Z-4f1b0b
        who:
          description: The user who runs it, as information without proof.
          type: dict
          contains:
            controller_user:
              description: The user on the controller, as the controller reports it.
              type: str
              sample: alice
            controller_node:
              description: The name of the controller, as it reports it.
              type: str
              sample: control1
            user:
              description: The login user on the host.
              type: str
              sample: deploy
            address:
              description: The address of the login, or null if it is not known.
              type: str
              sample: 192.0.2.7
        since:
          description: The time when C(livepatch_before) began, in UTC.
          type: str
          sample: "2026-11-21T09:16:53Z"
    journal:
      description: >-
        The last 20 changes by this collection, newest first; null if this user may not read them.
      type: list
      elements: dict
      contains:
        transaction:
          description: The name of the change, as in the result of its task.
          type: str
          sample: 20261121T091653.123456Z-9f3c2a1b
        action:
          description: >-
            V(patch) or V(accept) by M(kernel.livepatch.patch), V(rollback) by M(kernel.livepatch.patch_rollback),
            V(trial) by the host at the end of a trial, V(boot) by the host at boot, or V(forget-quarantine) by the
            command C(kernel-livepatch) on the host.
          type: str
          sample: patch
        outcome:
          description: >-
            V(done), V(failed), V(running), V(in-transition) if its transition continued after its end, or
            V(interrupted) if the journal has no end of the change and its process has ended.
          type: str
          sample: done
        code:
          description: The code of its failure, or of the reason why the host itself has made it, or null.
          type: str
          sample: transition-stalled
        why:
          description: Why the host itself has made it before the end of a trial, or null.
          type: str
          sample: >-
            The watch of livepatch_cve_2026_1234 failed, so this host reverts. The health check database failed. Its
            message: It ended with status 2.
        began:
          description: The time of its begin, in UTC.
          type: str
          sample: "2026-11-21T09:16:53Z"
        ended:
          description: The time of its end, in UTC, or null.
          type: str
          sample: "2026-11-21T09:16:55Z"
        seconds:
          description: Its duration, or null.
          type: float
          sample: 1.731
        boot_id:
          description: The boot of the change.
          type: str
          sample: 2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11
        kernel:
          description: The kernel release of the change.
          type: str
          sample: 6.1.0-56-amd64
        who:
          description: The user who made it, as information without proof.
          type: dict
          contains:
            controller_user:
              description: The user on the controller, as the controller reports it; null for a run without one.
              type: str
              sample: alice
            controller_node:
              description: The name of the controller, as it reports it; null for a run without one.
              type: str
              sample: control1
            user:
              description: The login user on the host.
              type: str
              sample: deploy
            address:
              description: The address of the login, or null if it is not known.
              type: str
              sample: 192.0.2.7
        patches:
          description: The changed patches, with their wanted and final states.
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
              description: The digest of its uncompressed file, or null if the host does not keep the file.
              type: str
              sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
            previous_state:
              description: The state before.
              type: str
              sample: absent
            wanted_state:
              description: The wanted state.
              type: str
              sample: enabled
            kernel:
              description: >-
                The kernel release of a build that was accepted for another kernel than the running one; otherwise null.
              type: str
              sample: 6.1.0-57-amd64
            state:
              description: The state after, or null if the change has no end.
              type: str
              sample: enabled
            transition_seconds:
              description: The duration of its transition, or null.
              type: float
              sample: 1.482
        replaces:
          description: The replaced patches.
          type: list
          elements: str
          sample: []
        before:
          description: The patches enabled before, oldest first; null if unreadable.
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
              description: The digest of its uncompressed file, or null if the host does not keep the file.
              type: str
              sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
            parameters:
              description: The parameters of its load by this collection, as one line.
              type: str
              sample: count=3
            accepted:
              description: Whether it was accepted.
              type: bool
              sample: true
        after:
          description: The patches enabled after it, oldest first; null if the change has no end.
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
              description: The digest of its uncompressed file, or null if the host does not keep the file.
              type: str
              sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
            parameters:
              description: The parameters of its load by this collection, as one line.
              type: str
              sample: count=3
            accepted:
              description: Whether it was accepted.
              type: bool
              sample: true
    journal_unreadable:
      description: >-
        The number of damaged lines in the journal, back to the oldest shown change; null if this user may not read it.
      type: int
      sample: 0
    accepted:
      description: >-
        The patches loaded at each boot of their kernel, oldest first. Null without root, or if the ledger is damaged.
        The same is true for the next three.
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
          description: The kernel release of the build.
          type: str
          sample: 6.1.0-56-amd64
        parameters:
          description: The parameters for its load, as one line.
          type: str
          sample: count=3
        transaction:
          description: The change of its first load.
          type: str
          sample: 20261121T091653.123456Z-9f3c2a1b
        since:
          description: The time of acceptance, in UTC.
          type: str
          sample: "2026-11-21T09:21:07Z"
        kept:
          description: Whether the host has its file.
          type: bool
          sample: true
        untried:
          description: >-
            Whether it has not run on that kernel yet, because it was accepted for another kernel than the running one.
            It ends ten minutes after the first boot with it.
          type: bool
          sample: false
    boot:
      description: The boot service and its patches; null as for RV(livepatch.accepted).
      type: dict
      contains:
        init:
          description: V(systemd), or V(none) if nothing is loaded at boot.
          type: str
          sample: systemd
        installed:
          description: Whether the unit C(kernel-livepatch.service) is on the host.
          type: bool
          sample: true
        enabled:
          description: Whether the unit is started at boot.
          type: bool
          sample: true
        obstacle:
          description: >-
            Why no boot of this host loads patches, whatever is accepted; V(none) if a boot can. The reasons are no
            systemd, a masked unit, a unit in C(/run) because C(/etc) cannot be written, and a directory that a reboot
            loses.
          type: str
          sample: this host has no systemd. After each boot, set them to state accepted again
        switched_off:
          description: Whether the running kernel was booted with C(kernel_livepatch=off).
          type: bool
          sample: false
        patches:
          description: >-
            The patches for the next boot of this kernel, in order of loading; none if the boot service or its records
            are damaged, with the reason in RV(livepatch.drift). C(kernel_livepatch=off) on its command line prevents
            this.
          type: list
          elements: str
          sample: [livepatch_cve_2026_1234]
        next:
          description: >-
            The kernel that the boot loader starts next, by its own files, and what its boot loads. A person at the boot
            menu can always start another one.
          type: dict
          contains:
            loader:
              description: V(grub), V(systemd-boot), or null for any other.
              type: str
              sample: grub
            entry:
              description: The title of the entry, or its name; null if it is not known.
              type: str
              sample: Debian GNU/Linux
            kernel:
              description: The release of the kernel; null if it is not known.
              type: str
              sample: 6.1.0-57-amd64
            why:
              description: Why the kernel is not known; V(none) if it is.
              type: str
              sample: neither a configuration of GRUB nor of systemd-boot is found
            patches:
              description: The patches that a boot of it loads, in order of loading; null if the kernel is not known.
              type: list
              elements: str
              sample: [livepatch_cve_2026_1234]
    quarantined:
      description: The quarantined builds; they are not loaded again. Null as for RV(livepatch.accepted).
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
            V(crashed-on-trial) if the host crashed while the build was enabled and not accepted, or
            V(crashed-after-boot) if the host crashed soon after it was loaded at boot.
          type: str
          sample: crashed-on-trial
        transaction:
          description: The change of its load, or null.
          type: str
          sample: 20261121T084211.654321Z-1b9f3c2a
        since:
          description: >-
            The time of detection, in UTC; null until the next boot or its first change has recorded the crash.
          type: str
          sample: "2026-11-21T08:45:30Z"
    trial:
      description: The running trial; null if there is none, and as for RV(livepatch.accepted).
      type: dict
      contains:
        transaction:
          description: The change that started it.
          type: str
          sample: 20261121T091653.123456Z-9f3c2a1b
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        since:
          description: The time of its begin, in UTC.
          type: str
          sample: "2026-11-21T09:16:53Z"
        seconds:
          description: Its duration in seconds, from the moment when the patch is enabled.
          type: int
          sample: 300
        seconds_left:
          description: >-
            Seconds until the host reverts automatically. Until the patch is enabled, the time for its transition is
            included.
          type: int
          sample: 187
        back_to:
          description: The patches to revert to, oldest first.
          type: list
          elements: str
          sample: [livepatch_cve_2026_1000]
        watch:
          description: What the host itself has seen of the patch so far; null before its first look.
          type: dict
          contains:
            looks:
              description: How often the patch, the kernel's log and its taints were looked at.
              type: int
              sample: 30
            first:
              description: The time of the first look, in UTC; V(none) without a look.
              type: str
              sample: "2026-11-21T09:16:54Z"
            last:
              description: The time of the last look, in UTC; V(none) without a look.
              type: str
              sample: "2026-11-21T09:21:44Z"
            health:
              description: The health checks, in the order of O(kernel.livepatch.patch#module:watch.health_checks).
              type: list
              elements: dict
              contains:
                name:
                  description: The name of the check.
                  type: str
                  sample: database
                kind:
                  description: V(command), V(url) or V(unit).
                  type: str
                  sample: command
                ok:
                  description: How often it succeeded.
                  type: int
                  sample: 29
                failed:
                  description: How often it failed.
                  type: int
                  sample: 1
                in_a_row:
                  description: How often it failed since it last succeeded.
                  type: int
                  sample: 0
                message:
                  description: Its last message, at most 300 characters; V(none) before its first result.
                  type: str
                  sample: It ended with status 0.
            calls:
              description: >-
                With O(kernel.livepatch.patch#module:watch.min_calls), how often each function of the patch was called
                since it was enabled.
              type: list
              elements: dict
              contains:
                object:
                  description: V(vmlinux), or the name of a module.
                  type: str
                  sample: vmlinux
                name:
                  description: The name of the replaced function.
                  type: str
                  sample: cmdline_proc_show
                sympos:
                  description: The position among functions of the same name, counted from 1.
                  type: int
                  sample: 1
                calls:
                  description: The calls of the new code; V(none) if the kernel could not count them.
                  type: int
                  sample: 212
            findings:
              description: What failed, and what could not be seen. A blocker ends the trial.
              type: list
              elements: dict
              contains:
                code:
                  description: The stable code of the finding.
                  type: str
                  sample: kernel-log-incomplete
                level:
                  description: V(blocker) or V(warning).
                  type: str
                  sample: warning
                subject:
                  description: The object of the finding.
                  type: str
                  sample: /dev/kmsg
                message:
                  description: The problem and the remedy.
                  type: str
                  sample: The kernel log has lost 2 records since the baseline was taken.
    failed_watch:
      description: >-
        The last patch that the host has reverted before the end of its trial, because its watch failed, until a patch
        is loaded or this one is set to V(absent) or V(disabled); null if there is none, and as for
        RV(livepatch.accepted).
      type: dict
      contains:
        name:
          description: The patch's name.
          type: str
          sample: livepatch_cve_2026_1234
        build_id:
          description: The file's build-id, or null.
          type: str
          sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
        sha256:
          description: The digest of its uncompressed file.
          type: str
          sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
        transaction:
          description: The change that started the trial.
          type: str
          sample: 20261121T091653.123456Z-9f3c2a1b
        time:
          description: The time of the failure, in UTC.
          type: str
          sample: "2026-11-21T09:18:31Z"
        looks:
          description: How often the patch, the kernel's log and its taints were looked at.
          type: int
          sample: 30
        first:
          description: The time of the first look, in UTC; V(none) without a look.
          type: str
          sample: "2026-11-21T09:16:54Z"
        last:
          description: The time of the last look, in UTC; V(none) without a look.
          type: str
          sample: "2026-11-21T09:21:44Z"
        health:
          description: The health checks, in the order of O(kernel.livepatch.patch#module:watch.health_checks).
          type: list
          elements: dict
          contains:
            name:
              description: The name of the check.
              type: str
              sample: database
            kind:
              description: V(command), V(url) or V(unit).
              type: str
              sample: command
            ok:
              description: How often it succeeded.
              type: int
              sample: 29
            failed:
              description: How often it failed.
              type: int
              sample: 1
            in_a_row:
              description: How often it failed since it last succeeded.
              type: int
              sample: 0
            message:
              description: Its last message, at most 300 characters; V(none) before its first result.
              type: str
              sample: It ended with status 0.
        calls:
          description: >-
            With O(kernel.livepatch.patch#module:watch.min_calls), how often each function of the patch was called
            since it was enabled.
          type: list
          elements: dict
          contains:
            object:
              description: V(vmlinux), or the name of a module.
              type: str
              sample: vmlinux
            name:
              description: The name of the replaced function.
              type: str
              sample: cmdline_proc_show
            sympos:
              description: The position among functions of the same name, counted from 1.
              type: int
              sample: 1
            calls:
              description: The calls of the new code; V(none) if the kernel could not count them.
              type: int
              sample: 212
        findings:
          description: What failed, and what could not be seen. A blocker ends the trial.
          type: list
          elements: dict
          contains:
            code:
              description: The stable code of the finding.
              type: str
              sample: kernel-log-incomplete
            level:
              description: V(blocker) or V(warning).
              type: str
              sample: warning
            subject:
              description: The object of the finding.
              type: str
              sample: /dev/kmsg
            message:
              description: The problem and the remedy.
              type: str
              sample: The kernel log has lost 2 records since the baseline was taken.
    drift:
      description: >-
        The differences between the recorded state and the kernel, and the records that cannot be used. Empty without
        a difference, null without root.
        During a change, patches that are not enabled are not checked. See the codes in the guide to codes.
      type: list
      elements: dict
      contains:
        code:
          description: The stable code of the finding.
          type: str
          sample: accepted-not-loaded
        level:
          description: V(warning) or V(note).
          type: str
          sample: warning
        subject:
          description: The object of the finding.
          type: str
          sample: livepatch_cve_2026_1234
        message:
          description: The problem and the remedy.
          type: str
          sample: >-
            livepatch_cve_2026_1234 is accepted for this kernel and not enabled: the kernel was booted with
            kernel_livepatch=off. Boot without it, or set the patch to state accepted again.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import use_compiled_code


def main():
    use_compiled_code()
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import run_job
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory

    module = AnsibleModule(
        argument_spec={"facts": {"type": "bool", "default": False}},  # for the action plugin
        supports_check_mode=True)
    run_job(module, lambda host: {"changed": False, "livepatch": host_inventory(host)})


if __name__ == "__main__":
    main()
