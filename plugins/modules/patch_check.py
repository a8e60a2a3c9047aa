#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_check
short_description: Check whether a live patch would work on a host
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Compares a patch with the running kernel and its host, and returns every blocker at once.
    M(kernel.livepatch.patch) makes the same checks before it loads a patch.
  - Also forecasts the replaced patches, whether a rollback is possible, and the tasks asleep in patched functions.
  - Fails if there is a blocker. Never changes the host, writes nothing there and sends no patch file.
requirements:
  - On the controller, the Python library C(pyelftools).
  - On the host, Python 3.6 or later, and root.
extends_documentation_fragment:
  - kernel.livepatch._source
  - kernel.livepatch._source.via_controller
  - kernel.livepatch._attributes
  - kernel.livepatch._attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  report_only:
    description: Returns blockers without failing.
    type: bool
    default: false
notes:
  - An enabled patch is compared with its file instead.
  - O(src) is required.
seealso:
  - module: kernel.livepatch.patch
  - module: kernel.livepatch.patch_verify
"""

EXAMPLES = r"""
- name: Fail on hosts with a blocker for the patch
  kernel.livepatch.patch_check:
    src: patches/

- name: Check every host without failing
  kernel.livepatch.patch_check:
    src: patches/
    report_only: true
  register: checked

- name: Show the blockers
  ansible.builtin.debug:
    msg: "{{ checked.findings | selectattr('level', 'eq', 'blocker') | map(attribute='message') }}"
  when: not checked.compatible
"""

RETURN = r"""
compatible:
  description: >-
    Whether there is no blocker. V(false) without a failure if a bundle has no build for the host.
  returned: when the build for the host could be chosen
  type: bool
  sample: true
patch:
  description: The patch as it is on the host now.
  returned: when the build for the host could be chosen
  type: dict
  contains:
    name:
      description: The patch's name. V(none) without O(name) if a bundle has no build for the host.
      type: str
      sample: livepatch_cve_2026_1234
    state:
      description: >-
        V(absent), V(disabled), V(enabled), V(accepted), V(enabling) or V(disabling); V(no_build) when the bundle has
        no build for the host.
      type: str
      sample: absent
    previous_state:
      description: The same as RV(patch.state), since nothing is changed.
      type: str
      sample: absent
    kernel:
      description: The running kernel's release.
      type: str
      sample: 6.1.0-56-amd64
    sha256:
      description: The digest of the uncompressed file; V(none) if a bundle has no build for the host.
      type: str
      sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
    build_id:
      description: The build-id of the file.
      type: str
      sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
    objects:
      description: The objects that the file would patch, or the patched objects of an enabled patch.
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
          sample: false
        functions:
          description: The functions. Empty if the file builds its tables when it is loaded.
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
    replaces:
      description: Always empty; see RV(forecast.replaces).
      type: list
      elements: str
      sample: []
    transition_seconds:
      description: Always V(none).
      type: float
      sample: null
has_file:
  description: >-
    Whether the host has the file of its build. If not, M(kernel.livepatch.patch) sends it. V(false) if a bundle has no
    build for the host.
  returned: when the build for the host could be chosen
  type: bool
  sample: false
arch:
  description: The running kernel's architecture.
  returned: when the build for the host could be chosen
  type: str
  sample: x86_64
kernel_build_id:
  description: The build-id of the running kernel, or V(none) if it does not show one.
  returned: when the build for the host could be chosen
  type: str
  sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
findings:
  description: The findings of the checks, in the order of the checks.
  returned: when the build for the host could be chosen
  type: list
  elements: dict
  contains:
    code:
      description: The stable code of the finding.
      type: str
      sample: symbol-missing
    level:
      description: V(blocker), V(warning) or V(note). A blocker fails the task.
      type: str
      sample: blocker
    subject:
      description: The object of the finding.
      type: str
      sample: vmlinux:no_such_function
    message:
      description: The problem and the remedy.
      type: str
      sample: >-
        fix.ko patches no_such_function, and vmlinux of this kernel does not have it. Build the patch against the
        running kernel.
forecast:
  description: The effects of enabling the patch.
  returned: when the build for the host could be chosen
  type: dict
  contains:
    replaces:
      description: The enabled patches that would be replaced, oldest first.
      type: list
      elements: str
      sample: [livepatch_cve_2025_9876]
    rollback:
      description: The rollback from the patch to the present state of the host.
      type: dict
      contains:
        possible:
          description: Whether it is possible; V(none) if a bundle has no build for the host.
          type: bool
          sample: true
        to:
          description: The patches enabled after it, oldest first; empty for the unpatched kernel.
          type: list
          elements: str
          sample: [livepatch_cve_2025_9876]
        reasons:
          description: The problems of a rollback. A blocker makes it impossible.
          type: list
          elements: dict
          contains:
            code:
              description: The stable code of the finding.
              type: str
              sample: rollback-file-missing
            level:
              description: V(blocker), V(warning) or V(note).
              type: str
              sample: blocker
            subject:
              description: The object of the finding.
              type: str
              sample: livepatch_cve_2025_9876
            message:
              description: The problem and the remedy.
              type: str
              sample: >-
                fix.ko would replace livepatch_cve_2025_9876, and this host keeps no file of livepatch_cve_2025_9876, so
                a rollback could not load it again. Load livepatch_cve_2025_9876 with patch and its file first.
    sleepers:
      description: >-
        Tasks asleep in a function to be patched, or in a function of a patch to be replaced. Such a task holds the
        transition until it leaves the function.
      type: list
      elements: dict
      contains:
        pid:
          description: The process.
          type: int
          sample: 812
        tid:
          description: The thread.
          type: int
          sample: 812
        comm:
          description: The task's name.
          type: str
          sample: lab_holder
        kthread:
          description: Whether it is a thread of the kernel.
          type: bool
          sample: true
        function:
          description: >-
            Its current function, by its name in the patch. The kernel can print another name of the same address, for
            example C(__do_sys_pause) for C(__x64_sys_pause). The name ends in C(.cold) for the unlikely part of a
            function. A task in it does not hold the transition.
          type: str
          sample: lab_hold
        stack:
          description: The functions on its stack, innermost first, as the kernel prints them.
          type: list
          elements: str
          sample: [msleep, lab_hold, kthread, ret_from_fork]
        seen:
          description: The number of samples with the task there, of three within a tenth of a second.
          type: int
          sample: 3
trial:
  description: The running trial, of this or of another patch, or V(none).
  returned: when the build for the host could be chosen
  type: dict
  contains:
    name:
      description: The patch on trial.
      type: str
      sample: livepatch_cve_2025_9876
    seconds_left:
      description: Seconds until the host reverts automatically.
      type: int
      sample: 541
hook:
  description: >-
    The run that began C(livepatch_before) here, if its C(livepatch_after) is still due, or V(none).
  returned: when the build for the host could be chosen
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
package:
  description: The package of the host that owns the file; V(none) if no package manager of the host knows its owner.
  returned: when O(remote_src) is true
  type: dict
  contains:
    name:
      description: The name of the package.
      type: str
      sample: kpatch-patch-5_14_0-570_12_1
    version:
      description: The version, as the package manager prints it.
      type: str
      sample: 1-2.el9_6
    manager:
      description: V(dpkg), V(rpm) or V(pacman).
      type: str
      sample: rpm
code:
  description: The stable code of the first blocker, or of the failure.
  returned: on failure
  type: str
  sample: symbol-missing
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import use_compiled_code


def main():
    use_compiled_code()
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import (
        CONTROLLER_OPTION,
        SOURCE_OPTIONS,
        run_job,
        source,
    )
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host

    module = AnsibleModule(
        argument_spec=dict(SOURCE_OPTIONS, report_only={"type": "bool", "default": False}, **CONTROLLER_OPTION),
        supports_check_mode=True,
    )
    options = module.params
    # Checked here and not by AnsibleModule, which would report this instead of a misspelt option.
    if not options["src"]:
        module.fail_json(msg="src is missing. Name a patch file or a bundle.", code="bad-option")

    run_job(module, lambda host: check_host(host, *source(module), report_only=options["report_only"]))


if __name__ == "__main__":
    main()
