#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_verify
short_description: Verify live patches against their files, function by function
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Compares every function of a patch file with the kernel's sysfs and ftrace, and the build-id of the file with the
    loaded module. Also checks that every loaded object is patched, no task runs the old code, and no later patch
    overrides a function.
  - Without O(src), compares the patch O(name), or every enabled patch, with the files kept by the host.
  - Fails if there is a difference. Never changes the host.
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
seealso:
  - module: kernel.livepatch.patch
"""

EXAMPLES = r"""
- name: Verify every enabled patch with the files on the host
  kernel.livepatch.patch_verify:

- name: Verify that the hosts run exactly this build
  kernel.livepatch.patch_verify:
    src: patches/
"""

RETURN = r"""
verified:
  description: >-
    Whether the kernel matches the files. V(false) without a failure if a bundle has no build for the host.
  returned: always
  type: bool
  sample: true
patches:
  description: The names of the verified patches.
  returned: always
  type: list
  elements: str
  sample: [livepatch_cve_2026_1234]
builds:
  description: The loaded build of each of RV(patches).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The patch's name.
      type: str
      sample: livepatch_cve_2026_1234
    build_id:
      description: The build-id of its module; V(none) if it has none.
      type: str
      sample: 3f1c9a1b7c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f
functions:
  description: Every function of a file or of the kernel's list, with its evidence.
  returned: always
  type: list
  elements: dict
  contains:
    patch:
      description: The patch.
      type: str
      sample: livepatch_cve_2026_1234
    object:
      description: V(vmlinux), or the name of a module.
      type: str
      sample: vmlinux
    name:
      description: The function's name.
      type: str
      sample: cmdline_proc_show
    sympos:
      description: The position among functions of the same name, counted from 1.
      type: int
      sample: 1
    claimed:
      description: Whether the file claims it.
      type: bool
      sample: true
    in_sysfs:
      description: Whether the kernel lists it in sysfs, for example below C(/sys/kernel/livepatch).
      type: bool
      sample: true
    object_loaded:
      description: Whether its object is loaded and patched.
      type: bool
      sample: true
    ftrace:
      description: Whether ftrace redirects it; V(none) if the kernel does not show this.
      type: bool
      sample: true
    overridden_by:
      description: The later patch that overrides it, or V(none).
      type: str
      sample: livepatch_cve_2026_5678
findings:
  description: The differences, and notes.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description: The stable code of the finding.
      type: str
      sample: function-overridden
    level:
      description: V(blocker), V(warning) or V(note). A blocker fails the task.
      type: str
      sample: blocker
    subject:
      description: The object of the finding.
      type: str
      sample: vmlinux:cmdline_proc_show,1
    message:
      description: The problem and the remedy.
      type: str
      sample: >-
        vmlinux:cmdline_proc_show of first is overridden by second, a patch loaded later. Remove second if this is not
        intended.
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
  description: The stable code of the failure.
  returned: on failure
  type: str
  sample: function-overridden
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
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host

    module = AnsibleModule(argument_spec=dict(SOURCE_OPTIONS, **CONTROLLER_OPTION), supports_check_mode=True)
    run_job(module, lambda host: verify_host(host, *source(module)))


if __name__ == "__main__":
    main()
