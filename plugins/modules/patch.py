#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch
short_description: Bring one live patch of the running kernel to a state
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Does in one task all that it takes to live patch a running Linux kernel. It chooses the build for the host, checks
    that it fits, sends it when the host does not have it, loads it, waits until every task of the host runs the new
    code, and compares the functions that the kernel says it patches with those in the file.
  - Works with patches made by kpatch-build, by klp-build, or written as module source, on kernels with the livepatch
    interface.
  - A host for which a bundle has no build is warned about and left as it is, and does not fail.
  - A load that fails or stalls ends with the host as it was, or with an error that says exactly what could not be
    undone.
requirements:
  - On the controller, the Python library C(pyelftools).
  - On the host, Python 3.6 or later and nothing else, and root.
extends_documentation_fragment:
  - kernel.livepatch._source
  - kernel.livepatch._source.transition
  - kernel.livepatch._source.operator
  - kernel.livepatch._attributes
  - kernel.livepatch._attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  state:
    description:
      - The state to bring the patch to.
      - V(enabled) is loaded, with every task on the new code, until the patch is taken out or the host reboots. A patch
        that is accepted already stays so.
      - V(accepted) is enabled and loaded again at each boot of the same kernel release. The controller closes its
        connection and comes back over a new one before the host accepts, so that a patch that shuts everybody out is
        never accepted; a patch that is not loaded yet is loaded on trial for that.
      - V(disabled) is not in effect. A patch that was enabled stays loaded as a module, which the kernel does not
        enable again; one that is absent stays absent.
      - V(absent) is not in effect, and its module is not loaded.
      - V(disabled) and V(absent) also end an acceptance, for every kernel.
      - For V(disabled), for V(absent), and for V(accepted) where the patch is enabled, O(name) alone is enough.
    type: str
    default: enabled
    choices: [accepted, enabled, disabled, absent]
  trial:
    description:
      - How many seconds the patch has to be accepted in, counted from when it is enabled, and at most 2592000, which
        are 30 days. When they run out, the host goes back by itself to the patches that it had before, whether or not
        anybody can still reach it.
      - The way back is armed before the patch is loaded. Until the patch is enabled, it is due after
        O(transition_timeout) and these seconds.
      - With V(0) there is no trial, except that with O(state=accepted) a patch that has to be loaded first is on trial
        for 300 seconds.
      - A patch that is enabled already is not put on trial. One that is on trial, and asked for again with
        O(state=enabled), is on trial anew for these seconds, and at their end the host goes back to what it would have
        gone back to. With V(0) the trial is over, and the patch stays enabled.
    type: int
    default: 0
  ignore_findings:
    description:
      - Codes of blockers to load the patch in spite of. They stay in RV(findings).
      - V(quarantined), this very build was loaded and not accepted, or had just been loaded at boot, when the host
        crashed.
      - V(unknown-parameter), a parameter that the module does not have and the kernel would ignore.
      - V(replaces-foreign-patch), fixes of a patch that something else has loaded would go.
      - V(signature-key-unknown), signed with a key that the kernel does not have.
      - V(orc-mismatch), data for unwinding stacks in another format than the kernel's.
      - V(vermagic-mismatch), built with another configuration. Files on the host's disk speak for this and the next
        two, and the kernel judges again by itself.
      - V(symbol-version-mismatch), built against other versions of the kernel's symbols.
      - V(symbol-not-exported), in need of a symbol that nothing exports.
      - V(object-would-be-refused), a module that is not loaded now could not be loaded while the patch is enabled.
      - Other blockers cannot be ignored, because the kernel would refuse the patch all the same, or because it must
        never be loaded, such as a build for another kernel release.
    type: list
    elements: str
    default: []
  _fresh:
    description: Filled in by the controller's half, and by the role P(kernel.livepatch.apply#role); not for playbooks.
    type: bool
    default: false
  params:
    description:
      - Parameters for the patch's module, used when it is loaded. Those of a patch that is enabled already are not
        compared.
      - A boolean becomes V(Y) or V(N), a list is joined with commas.
    type: dict
    default: {}
notes:
  - Replaced patches are taken out of memory when a cumulative patch has replaced them.
  - The host keeps the file and its description in C(/var/lib/kernel-livepatch), readable by root only, for as long as
    the next boot loads it or a way back needs it. The ways back are those to before each of the last five changes that
    brought a patch in or took one out.
  - Each change is written into the host's journal before it begins and after it has ended. Nothing is brought in on a
    host whose journal cannot be written; what is in can be taken out all the same.
  - The first load installs and starts the unit C(kernel-livepatch.service) where the host has systemd. It loads what
    is accepted at boot, and records whether the host went down cleanly. Without systemd nothing is loaded at boot.
  - A patch that was loaded and not accepted when its host crashed is quarantined and not loaded again, unless
    O(ignore_findings) names V(quarantined). So is an accepted one when the host crashed within ten minutes after it was
    loaded at boot.
  - M(kernel.livepatch.patch_check) makes the same checks, and changes nothing.
seealso:
  - module: kernel.livepatch.patch_check
  - module: kernel.livepatch.patch_info
  - module: kernel.livepatch.patch_verify
  - module: kernel.livepatch.patch_rollback
  - module: kernel.livepatch.patch_watch
"""

EXAMPLES = r"""
- name: Live patch the running kernel
  kernel.livepatch.patch:
    src: livepatch-cve-2026-1234.ko

- name: Choose each host's own build from a directory of builds
  kernel.livepatch.patch:
    src: patches/

- name: Enable what a vendor's package has installed
  kernel.livepatch.patch:
    src: /usr/lib/kernel-livepatch/livepatch-cve-2026-1234.ko.xz
    remote_src: true

- name: Load it although a module that no host ever uses could not be loaded meanwhile
  kernel.livepatch.patch:
    src: patches/
    ignore_findings: [object-would-be-refused]

- name: Load it for ten minutes, after which the host goes back by itself
  kernel.livepatch.patch:
    src: patches/
    trial: 600

- name: Keep it, also after a reboot, if the host can still be reached over a new connection
  kernel.livepatch.patch:
    src: patches/
    state: accepted

- name: Take the patch out again
  kernel.livepatch.patch:
    name: livepatch_cve_2026_1234
    state: absent
"""

RETURN = r"""
patch:
  description: The patch and what became of it. In check mode, what would become of it.
  returned: when the build for the host could be chosen
  type: dict
  contains:
    name:
      description: The patch's name. V(none) for a host that a bundle has no build for, when O(name) is not given.
      type: str
      sample: livepatch_cve_2026_1234
    state:
      description: >-
        V(accepted), V(enabled), V(disabled) or V(absent); V(enabling) or V(disabling) while a transition was left
        going; V(uncovered) when the bundle has no build for the host.
      type: str
      sample: enabled
    previous_state:
      description: The state that the task found.
      type: str
      sample: absent
    kernel:
      description: The running kernel's release.
      type: str
      sample: 6.1.0-56-amd64
    sha256:
      description: >-
        The digest of the uncompressed file; V(none) when O(src) is not given and the patch is not to be accepted.
      type: str
      sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
    build_id:
      description: The build-id of the file, or without O(src) of what is loaded.
      type: str
      sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
    objects:
      description: What is patched, by object. In check mode, what the file would patch.
      type: list
      elements: dict
      contains:
        name:
          description: V(vmlinux), or the name of a module.
          type: str
          sample: vmlinux
        patched:
          description: Whether the object is patched now. A module that is not loaded will be when it is.
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
    replaces:
      description: The patches that this one has replaced.
      type: list
      elements: str
      sample: []
    transition_seconds:
      description: How long the transition took, from the load to the last task; V(none) when there was none.
      type: float
      sample: 1.482
transaction:
  description: >-
    What the change is called in the host's journal; V(none) where there was nothing to change. Where a patch that was
    on trial is kept on trial, or kept without one, it is the change that had loaded it, so that
    O(kernel.livepatch.patch_rollback#module:to) brings back what ran before.
  returned: success, or when a change has failed that had begun
  type: str
  sample: 20261121T091653.123456Z-9f3c2a1b
baseline:
  description: >-
    What the host was like before the task, for O(kernel.livepatch.patch_watch#module:baseline) of a later one. What
    cannot be read is V(none).
  returned: success, or when the task has failed on the host
  type: dict
  contains:
    boot_id:
      description: Which boot it was.
      type: str
      sample: 2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11
    taints:
      description: The kernel's taints, as the number in C(/proc/sys/kernel/tainted).
      type: int
      sample: 12288
    uptime:
      description: Seconds on the kernel's clock that stands still while a machine is suspended.
      type: float
      sample: 8640.125
    kernel_log:
      description: The number of the last record of the kernel log.
      type: int
      sample: 1204
holder:
  description: >-
    Who is changing the host, as RV(kernel.livepatch.patch_info#module:livepatch.changing) has it; V(none) where that
    cannot be told.
  returned: when RV(code) is V(host-busy)
  type: dict
  sample:
    transaction: 20261121T091653.123456Z-9f3c2a1b
    since: "2026-11-21T09:16:53Z"
    pid: 4711
    who: {controller_user: alice, controller_node: control1, user: deploy, address: 192.0.2.7}
findings:
  description: What the checks have found, blockers first to last in the order of the checks.
  returned: when the checks ran
  type: list
  elements: dict
  contains:
    code:
      description: The stable name of what was found.
      type: str
      sample: wrong-release
    level:
      description: V(blocker), V(warning) or V(note).
      type: str
      sample: blocker
    subject:
      description: What it is about.
      type: str
      sample: livepatch_cve_2026_1234
    message:
      description: What is wrong and what to do.
      type: str
      sample: fix.ko is built for kernel 6.1.0-57-amd64 and this host runs 6.1.0-56-amd64.
blockers:
  description: The tasks that hold, or held, a transition that was not over in time.
  returned: success, or when a transition has stalled
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
      sample: kworker/0:1
    kthread:
      description: Whether it is a thread of the kernel.
      type: bool
      sample: true
    reason:
      description: >-
        Why it could not be moved, in the kernel's own words. V(running), V(unreliable-stack), V(asleep-in-function), or
        V(unknown) when the kernel did not tell.
      type: str
      sample: asleep-in-function
    function:
      description: The patched function that it is in; V(none) when that is not known.
      type: str
      sample: lab_hold
    stack:
      description: The functions on its stack, innermost first.
      type: list
      elements: str
      sample: [msleep, lab_hold, kthread, ret_from_fork]
code:
  description: The stable name of what went wrong.
  returned: on failure
  type: str
  sample: transition-stalled
errno:
  description: The error that the kernel gave.
  returned: when the kernel refused to load the patch
  type: str
  sample: EINVAL
kernel_log:
  description: What the kernel logged about the load.
  returned: when the kernel refused to load the patch
  type: list
  elements: str
  sample: ["livepatch: symbol 'no_such_function' not found in symbol table"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import (
    OPERATOR_OPTION,
    SOURCE_OPTIONS,
    TRANSITION_OPTIONS,
    offer,
    run_job,
    transition_seconds,
    warn_no_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch import apply_request
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL, PatchRequest


def main():
    module = AnsibleModule(
        argument_spec=dict(
            SOURCE_OPTIONS,
            state={"type": "str", "choices": ["accepted", "enabled", "disabled", "absent"], "default": "enabled"},
            trial={"type": "int", "default": 0},
            ignore_findings={"type": "list", "elements": "str", "default": []},
            params={"type": "dict", "default": {}},
            _fresh={"type": "bool", "default": False},
            **TRANSITION_OPTIONS,
            **OPERATOR_OPTION,
        ),
        supports_check_mode=True,
    )
    options = module.params
    # Checked here and not by AnsibleModule, which would report this instead of a misspelt option.
    if not options["src"] and (options["state"] == "enabled" or not options["name"]):
        module.fail_json(
            msg="src is missing: name a patch file or a bundle; a name alone is enough for state disabled or absent, "
                "and to accept what is enabled.",
            code="bad-option")
    if not 0 <= options["trial"] <= LONGEST_TRIAL or (options["trial"] and options["state"] in ("disabled", "absent")):
        module.fail_json(
            msg=f"trial is {options['trial']}: give 0 for none, or up to {LONGEST_TRIAL} seconds, where state is "
                "enabled or accepted.",
            code="bad-option")
    request = PatchRequest(
        offer=offer(module), name=options["name"], state=options["state"], timeout=transition_seconds(module),
        on_stall=options["on_stall"], ignore_findings=options["ignore_findings"], params=options["params"],
        trial=options["trial"], fresh=options["_fresh"],
    )
    run_job(module, lambda host: warn_no_build(module, apply_request(
        host, request, check_mode=module.check_mode, controller=options["_operator"])))


if __name__ == "__main__":
    main()
