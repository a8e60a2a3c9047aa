#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_verify
short_description: Prove that live patches are running, function by function
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Compares every function that a patch file claims with what the kernel says in sysfs and in ftrace, the build-id of
    the loaded module with that of the file, and makes sure that every loaded object is patched, that no task runs the
    old code, and that no later patch has taken a function over.
  - Without O(src), the files that the host keeps are compared with the patch O(name), or with everything that is
    enabled.
  - Fails when something is not as the file says. Never changes the host.
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
- name: Prove that everything that is enabled runs as its file says
  kernel.livepatch.patch_verify:

- name: Prove that the hosts run this very build
  kernel.livepatch.patch_verify:
    src: patches/
"""

RETURN = r"""
verified:
  description: >-
    Whether everything is as the files say. V(false) without a failure for a host that a bundle has no build for.
  returned: always
  type: bool
  sample: true
patches:
  description: The names of the patches that were looked at.
  returned: always
  type: list
  elements: str
  sample: [livepatch_cve_2026_1234]
functions:
  description: Every function that a file claims or the kernel lists, with its evidence.
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
      description: Which of several functions of that name it is, counted from 1.
      type: int
      sample: 1
    claimed:
      description: Whether the file claims it.
      type: bool
      sample: true
    in_sysfs:
      description: Whether the kernel lists it below C(/sys/kernel/livepatch).
      type: bool
      sample: true
    object_loaded:
      description: Whether its object is loaded and patched.
      type: bool
      sample: true
    ftrace:
      description: Whether ftrace redirects it; V(none) when the kernel does not show that.
      type: bool
      sample: true
    overridden_by:
      description: The later patch that has taken it over, or V(none).
      type: str
      sample: livepatch_cve_2026_5678
findings:
  description: What is not as it should be, and what is worth knowing.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description: The stable name of what was found.
      type: str
      sample: function-overridden
    level:
      description: V(blocker), V(warning) or V(note). A blocker fails the task.
      type: str
      sample: blocker
    subject:
      description: What it is about.
      type: str
      sample: vmlinux:cmdline_proc_show,1
    message:
      description: What is wrong and what to do.
      type: str
      sample: vmlinux:cmdline_proc_show of first is overridden by second, which was loaded later.
code:
  description: The stable name of what went wrong.
  returned: on failure
  type: str
  sample: function-overridden
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import (
    CONTROLLER_OPTION,
    SOURCE_OPTIONS,
    offer,
    run_job,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host


def main():
    module = AnsibleModule(argument_spec=dict(SOURCE_OPTIONS, **CONTROLLER_OPTION), supports_check_mode=True)
    run_job(module, lambda host: verify_host(host, offer(module), module.params["name"]))


if __name__ == "__main__":
    main()
