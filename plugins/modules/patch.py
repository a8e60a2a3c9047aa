#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch
short_description: Load, accept, disable or remove one live patch of the running kernel
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Live patches a running Linux kernel in one task. It chooses the build for the host, checks it, sends it if the host
    does not have it, and loads it. It then waits until every task of the host runs the new code, and compares the
    functions patched by the kernel with those in the file.
  - Works with patches made by kpatch-build, by klp-build, or written as module source, on kernels with the livepatch
    interface.
  - If a bundle has no build for a host, the task warns, changes nothing and does not fail.
  - If a load fails or stalls, the task undoes it. The error names everything that could not be undone.
requirements:
  - On the controller, the Python library C(pyelftools).
  - On the host, root and Python 3.6 or later, and nothing else.
extends_documentation_fragment:
  - kernel.livepatch._source
  - kernel.livepatch._source.transition
  - kernel.livepatch._source.lease
  - kernel.livepatch._source.via_controller
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
      - The wanted state of the patch.
      - V(enabled) loads the patch until it is removed or the host reboots. Every task runs the new code. An accepted
        patch stays accepted.
      - V(accepted) enables the patch and loads it again at each boot of the same build of the same kernel release.
        Before the host accepts, the controller reconnects to it. A patch that breaks the connection is therefore never
        accepted. If the patch is not loaded yet, it is loaded on trial first. The host's files for the next boot are
        repaired if they are damaged.
      - V(disabled) disables the patch. Its module stays loaded, and the kernel does not enable it again. An absent
        patch stays absent.
      - V(absent) disables the patch and unloads its module.
      - V(disabled) and V(absent) also end the acceptance of the patch, for every kernel. O(kernel) ends it for one.
      - O(name) alone is enough for V(disabled), for V(absent), and for V(accepted) if the patch is enabled.
    type: str
    default: enabled
    choices: [accepted, enabled, disabled, absent]
  kernel:
    description:
      - The release of another kernel that is installed on the host, such as the one that the next boot starts. With
        O(state=accepted), the host keeps the build for that kernel, and loads it at each boot of it. The running kernel
        is not changed, and nothing is loaded now.
      - What the files of that kernel show is checked now. RV(findings) has the note V(first-boot-checks) with the rest.
        The first boot of that kernel runs all checks before it loads the patch, and verifies it after the load. A crash
        within the first ten minutes of that boot quarantines the patch.
      - O(src) is needed. O(trial), O(watch) and O(adopt) have no effect on a kernel that does not run.
      - With O(state=absent), the patch is no longer kept for that kernel. The running kernel and other kernels keep it.
      - For the release of the running kernel, the task does the same as without this option. One task can therefore
        run before and after the reboot.
    type: str
  trial:
    description:
      - Loads the patch on trial for this many seconds, at most 2592000 (30 days). If the patch is not accepted in time,
        the host reverts automatically to its earlier patches, even if it is unreachable.
      - The seconds count from the moment when the patch is enabled. The rollback is armed before the load, and is then
        due after O(transition_timeout) and these seconds.
      - V(0) means no trial. With O(state=accepted), a patch that must be loaded first is still on trial for 300
        seconds.
      - An enabled patch is not put on trial. If it is on trial already, a task with O(state=enabled) starts the trial
        again for these seconds, with the same patches to revert to. With V(0), that task ends the trial and the patch
        stays enabled.
    type: int
    default: 0
  watch:
    description:
      - What the host itself looks at as long as the patch is on trial. It looks without a controller, and reverts at
        once when it finds a fault. RV(watch) and M(kernel.livepatch.patch_info) say what failed.
      - Without this option, a host still watches a patch on trial, but without health checks. The patch must stay
        enabled and in effect, and the kernel must have no new warning in its log and no new taint. Both count from the
        begin of the task that loads the patch.
      - A patch on trial is only accepted if its watch has run and has found no fault. O(state=accepted) waits for the
        first look, and for the first result of each health check.
      - A task that starts a trial again also starts its watch again, with this option of the new task.
    type: dict
    suboptions:
      health_checks:
        description:
          - Checks to run on the host at each interval, one beside the other. Each has exactly one of V(command), V(url)
            and V(unit), at most 50 in all.
          - A check that does not end within its timeout is killed with its child processes, and has failed.
        type: list
        elements: dict
        default: []
        suboptions:
          command:
            description: >-
              Runs a program with its arguments, as in O(kernel.livepatch.patch_watch#module:health_checks). Succeeds
              if it ends with status 0.
            type: raw
          url:
            description: >-
              Requests an address (C(http://) or C(https://)) from the host, without a proxy. Succeeds if the response,
              after redirects, has a status from 200 to 299.
            type: str
          unit:
            description: Checks a unit of systemd. Succeeds if the unit is active, and not while it waits for a restart.
            type: str
          tasks:
            description: Refused in this module, because a file of tasks runs on the controller.
            type: str
          name:
            description: The name of the check in the result.
            type: str
          timeout:
            description: The longest time for the check in seconds, at most 300.
            type: int
            default: 10
      interval:
        description: The seconds between two looks, 1 to 300.
        type: int
        default: 10
      failures:
        description: >-
          How often in a row a health check has to fail before the host reverts, 1 to 100. Any other fault counts at
          once.
        type: int
        default: 2
      kernel_warnings:
        description: Whether a new warning in the kernel's log and a new taint are faults.
        type: bool
        default: true
      min_calls:
        description:
          - How often each function of the patch has to be called during the trial before the patch is accepted. V(0)
            counts nothing. Functions of a module that is not loaded are counted, and need no calls.
          - The kernel counts the calls with kprobes on the new functions. Each call of such a function takes a little
            longer. The probes are removed when the trial ends, and the kernel disarms them if their process dies.
          - A patch is not loaded if its calls cannot be counted (V(calls-not-countable)). A patch with too few calls is
            not accepted (V(too-few-calls)), and the host reverts at the end of the trial.
        type: int
        default: 0
  ignore_findings:
    description:
      - Loads the patch although there are blockers with these codes. They stay in RV(findings).
      - V(quarantined), the host crashed while this build was enabled and not accepted, or soon after it was loaded at
        boot.
      - V(unknown-parameter), the module lacks a given parameter and the kernel would ignore it.
      - V(replaces-foreign-patch), fixes of a patch from another tool would be lost.
      - V(signature-key-unknown), the kernel lacks the key of the signature.
      - V(older-version), a later version of the patch is enabled or accepted on the host.
      - V(orc-mismatch), the data for unwinding stacks has another format than the kernel's.
      - V(vermagic-mismatch), the patch was built with another configuration. This and the next two are
        found with files on the host's disk. The kernel checks them again.
      - V(symbol-version-mismatch), the patch was built against other versions of the kernel's symbols.
      - V(symbol-not-exported), nothing exports a needed symbol.
      - V(object-would-be-refused), a module could not be loaded while the patch is enabled.
      - V(ineffective), no module that the patch is for is loaded, so none of its functions would be in effect. Such a
        patch is not accepted either, unless this names the code again.
      - V(earlier-patch-disabled), an earlier patch is disabled and still loaded. A kernel before 5.1 enables no patch
        after such a one.
      - V(object-built-in), a part of the patch is for code that is built into this kernel, and has no effect.
      - V(selinux-denies-load), the policy of SELinux denies this load, or a later one at boot or at a trial's end.
      - V(other-tool-loads-at-boot), with O(state=accepted), another tool loads patches at boot too. See O(adopt).
      - V(other-mechanism-active), Ksplice or KernelCare changes functions of this kernel with its own mechanism.
      - Other blockers cannot be ignored. The kernel would refuse such a patch, or it must never be loaded, like a build
        for another kernel release.
    type: list
    elements: str
    default: []
  adopt:
    description:
      - With O(state=accepted), takes the patch over from C(kpatch.service). This service would load it at each boot as
        well. Its file below C(/var/lib/kpatch) gets a longer name, so that the service no longer sees it. The same is
        done with files of patches that this patch has replaced.
      - If a rollback ends the acceptance and the patch stays enabled, the file gets its name back.
      - Without this option, such a patch is not accepted (V(other-tool-loads-at-boot)).
      - A file that a package of SUSE loads from C(/lib/modules) is not taken over.
    type: bool
    default: false
  params:
    description:
      - Sets parameters of the patch's module when it is loaded. Parameters of an enabled patch are not compared.
      - A boolean becomes V(Y) or V(N), a list is joined with commas.
    type: dict
    default: {}
notes:
  - If a cumulative patch replaces other patches, their modules are unloaded.
  - The host keeps the file and its description in C(/var/lib/kernel-livepatch), readable by root only. It keeps them
    as long as the next boot or a rollback needs them. A rollback is possible for each of the last five changes that
    loaded or removed a patch.
  - The host writes each change into its journal before it begins and after it has ended. If the journal cannot be
    written, no patch is loaded. Patches can still be removed, also with a broken lock, store or ledger. The task then
    warns of each missing record.
  - If the host has systemd, the first load installs and starts the unit C(kernel-livepatch.service). It loads accepted
    patches at boot, and records a clean shutdown. Without systemd, nothing is loaded at boot.
  - If a host crashes, a patch that was enabled and not accepted is quarantined. It is not loaded again, unless
    O(ignore_findings) names V(quarantined). The same is true for an accepted patch if the host crashes within ten
    minutes after it was loaded at boot.
  - M(kernel.livepatch.patch_check) makes the same checks and changes nothing.
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

- name: Load a patch from a vendor's package on the host
  kernel.livepatch.patch:
    src: /usr/lib/kernel-livepatch/livepatch-cve-2026-1234.ko.xz
    remote_src: true

- name: Load the patch that the vendor's packages have for the running kernel
  kernel.livepatch.patch:
    src: /usr/lib/kpatch
    remote_src: true

- name: Load a patch although an unused module could not be loaded meanwhile
  kernel.livepatch.patch:
    src: patches/
    ignore_findings: [object-would-be-refused]

- name: Load a patch on trial and revert automatically after ten minutes
  kernel.livepatch.patch:
    src: patches/
    trial: 600

- name: Load a patch on trial, and revert as soon as the web server fails twice in a row
  kernel.livepatch.patch:
    src: patches/
    trial: 600
    watch:
      health_checks:
        - unit: nginx.service
        - url: http://localhost/health

- name: Load a patch on trial that is only accepted if each of its functions was called
  kernel.livepatch.patch:
    src: patches/
    trial: 600
    watch:
      min_calls: 1

- name: Accept the patch and load it at each boot
  kernel.livepatch.patch:
    src: patches/
    state: accepted

- name: Keep the build for the kernel of the next boot, so that it is loaded there from the start
  kernel.livepatch.patch:
    src: patches/
    state: accepted
    kernel: 6.1.0-57-amd64

- name: Accept a patch that kpatch.service loads at boot, and let only this collection load it
  kernel.livepatch.patch:
    src: /var/lib/kpatch/{{ ansible_facts.kernel }}
    remote_src: true
    state: accepted
    adopt: true

- name: Remove the patch
  kernel.livepatch.patch:
    name: livepatch_cve_2026_1234
    state: absent
"""

RETURN = r"""
patch:
  description: The patch after the task. In check mode, the patch as it would be.
  returned: when the build for the host could be chosen
  type: dict
  contains:
    name:
      description: The patch's name. V(none) without O(name) if a bundle has no build for the host.
      type: str
      sample: livepatch_cve_2026_1234
    state:
      description: >-
        V(accepted), V(enabled), V(disabled) or V(absent); V(enabling) or V(disabling) if a transition continues;
        V(no_build) when the bundle has no build for the host.
      type: str
      sample: enabled
    previous_state:
      description: The state before the task.
      type: str
      sample: absent
    kernel:
      description: The running kernel's release, or O(kernel).
      type: str
      sample: 6.1.0-56-amd64
    sha256:
      description: >-
        The digest of the uncompressed file; V(none) when O(src) is not given and O(state) is not V(accepted).
      type: str
      sample: 4f1b0b1b5e8e6f3a5f0b7c0d3e9a3c5f8b0a6d2e4c1f7b9a8d3e5c6f7a8b9c0d
    build_id:
      description: The build-id of the file, or without O(src) of the loaded module.
      type: str
      sample: 5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1
    objects:
      description: The patched objects. In check mode, the objects that the file would patch.
      type: list
      elements: dict
      contains:
        name:
          description: V(vmlinux), or the name of a module.
          type: str
          sample: vmlinux
        patched:
          description: Whether the object is patched now. A module not yet loaded is patched when it is loaded.
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
    replaces:
      description: The replaced patches.
      type: list
      elements: str
      sample: []
    transition_seconds:
      description: How long the transition took, from the load to the last task; V(none) when there was none.
      type: float
      sample: 1.482
transaction:
  description: >-
    The name of the change in the host's journal; V(none) if nothing was changed. If the task prolonged or ended a
    trial, it is the change that loaded the patch. O(kernel.livepatch.patch_rollback#module:to) then restores the
    patches from before the trial.
  returned: success, or when a change began and failed
  type: str
  sample: 20261121T091653.123456Z-9f3c2a1b
baseline:
  description: >-
    The condition of the host before the task, for O(kernel.livepatch.patch_watch#module:baseline) of a later task.
    Unreadable values are V(none).
  returned: success, or when the task has failed on the host
  type: dict
  contains:
    boot_id:
      description: The identifier of the boot.
      type: str
      sample: 2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11
    taints:
      description: The kernel's taints, as the number in C(/proc/sys/kernel/tainted).
      type: int
      sample: 12288
    uptime:
      description: Seconds on the kernel's clock, without the time in suspend.
      type: float
      sample: 8640.125
    kernel_log:
      description: The number of the last record of the kernel log.
      type: int
      sample: 1204
watch:
  description: >-
    What the host has seen of the patch during its trial. V(none) unless O(state=accepted) has accepted a patch on
    trial, or was refused because of its watch.
  returned: >-
    success, or when RV(code) is V(watch-failed), V(watch-not-run), V(watch-undecided), V(too-few-calls) or
    V(calls-not-counted)
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
      description: The health checks, in the order of O(watch.health_checks).
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
        With O(watch.min_calls), how often each function of the patch was called since it was enabled.
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
holder:
  description: >-
    The other run that is changing the host, as in RV(kernel.livepatch.patch_info#module:livepatch.changing); V(none)
    if it is not known.
  returned: when RV(code) is V(host-busy)
  type: dict
  sample:
    transaction: 20261121T091653.123456Z-9f3c2a1b
    since: "2026-11-21T09:16:53Z"
    pid: 4711
    who: {controller_user: alice, controller_node: control1, user: deploy, address: 192.0.2.7}
lease:
  description: >-
    The run that holds the host, as in RV(kernel.livepatch.patch_info#module:livepatch.lease).
  returned: when RV(code) is V(host-leased)
  type: dict
  sample:
    run: 20261121T091500Z-4f1b0b
    since: "2026-11-21T09:16:53Z"
    until: "2026-11-21T09:31:53Z"
    who: {controller_user: alice, controller_node: control1, user: deploy, address: 192.0.2.7}
findings:
  description: The findings of the checks, in the order of the checks.
  returned: when the checks ran
  type: list
  elements: dict
  contains:
    code:
      description: The stable code of the finding.
      type: str
      sample: wrong-release
    level:
      description: V(blocker), V(warning) or V(note).
      type: str
      sample: blocker
    subject:
      description: The object of the finding.
      type: str
      sample: livepatch_cve_2026_1234
    message:
      description: The problem and the remedy.
      type: str
      sample: >-
        fix.ko is built for kernel 6.1.0-57-amd64 and this host runs 6.1.0-56-amd64. Use a build for 6.1.0-56-amd64: a
        kernel can load the wrong one and crash.
blockers:
  description: The tasks that hold, or held, a transition beyond its timeout.
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
        Why it holds the transition, in the kernel's own words. V(running), V(unreliable-stack), V(asleep-in-function),
        or V(unknown) if the kernel gave no reason.
      type: str
      sample: asleep-in-function
    function:
      description: Its current patched function; V(none) if it is not known.
      type: str
      sample: lab_hold
    stack:
      description: The functions on its stack, innermost first.
      type: list
      elements: str
      sample: [msleep, lab_hold, kthread, ret_from_fork]
package:
  description: The package of the host that owns the file; V(none) if no package manager of the host knows its owner.
  returned: when O(remote_src) is true, and the task has not failed
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
  sample: transition-stalled
errno:
  description: The error code from the kernel.
  returned: when the kernel refused to load or to change the patch
  type: str
  sample: EINVAL
attempts:
  description: >-
    How often the load or the change was tried. It is tried again while the kernel answers V(EBUSY) or V(EAGAIN)
    without another cause in its log, at most six times, and for at most O(transition_timeout) or 30 seconds.
  returned: when the kernel refused to load or to change the patch
  type: int
  sample: 1
kernel_log:
  description: >-
    What the kernel logged during the load, at most 100 lines. First are the lines that name the patch or come from the
    kernel's live patching. Other lines can also be about the load, because a patch can print any text. A last line in
    parentheses says what is left out.
  returned: when the kernel refused to load the patch
  type: list
  elements: str
  sample: ["livepatch: symbol 'no_such_function' not found in symbol table"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import use_compiled_code


def publish(host):
    """Write the metrics, the facts and the command of this host."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._console.commands import refresh

    return refresh(host)


def main():
    use_compiled_code()
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import (
        CONTROLLER_OPTION,
        HEALTH_CHECKS_OPTION,
        LEASE_OPTION,
        SOURCE_OPTIONS,
        TRANSITION_OPTIONS,
        controller,
        run_job,
        source,
        transition_seconds,
    )
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch import apply_request
    from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PatchRequest

    module = AnsibleModule(
        argument_spec=dict(
            SOURCE_OPTIONS,
            state={"type": "str", "choices": ["accepted", "enabled", "disabled", "absent"], "default": "enabled"},
            trial={"type": "int", "default": 0},
            ignore_findings={"type": "list", "elements": "str", "default": []},
            params={"type": "dict", "default": {}},
            adopt={"type": "bool", "default": False},
            kernel={"type": "str"},
            watch={"type": "dict", "options": {
                "health_checks": HEALTH_CHECKS_OPTION,
                "interval": {"type": "int", "default": 10},
                "failures": {"type": "int", "default": 2},
                "kernel_warnings": {"type": "bool", "default": True},
                "min_calls": {"type": "int", "default": 0},
            }},
            **TRANSITION_OPTIONS,
            **LEASE_OPTION,
            **CONTROLLER_OPTION,
        ),
        supports_check_mode=True,
    )
    options = module.params
    _refuse_options(module)
    _refuse_for_other_kernel(module)
    offered, name, version = source(module)
    request = PatchRequest(
        offer=offered, name=name, version=version, state=options["state"], timeout=transition_seconds(module),
        on_stall=options["on_stall"], ignore_findings=options["ignore_findings"], params=options["params"],
        trial=options["trial"], fresh=options["via_controller"]["fresh"],
        adopt=options["adopt"],
        watch=options["watch"],
        kernel=options["kernel"],
    )
    run_job(module, lambda host: apply_request(
        host, request, check_mode=module.check_mode, controller=controller(module)), publish)


def _refuse_options(module):
    """End the module with an error for a source, a trial or a watch that do not fit the other options."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL

    options = module.params
    # Checked here and not by AnsibleModule, which would report this instead of a misspelt option.
    if not options["src"] and (options["state"] == "enabled" or not options["name"]):
        module.fail_json(
            msg="src is missing. Name a patch file or a bundle. A name alone is enough for state disabled or absent, "
                "and to accept an enabled patch.",
            code="bad-option")
    if not 0 <= options["trial"] <= LONGEST_TRIAL or (options["trial"] and options["state"] in ("disabled", "absent")):
        module.fail_json(
            msg=f"trial is {options['trial']}. Give 0 for none, or up to {LONGEST_TRIAL} seconds with state "
                "enabled or accepted.",
            code="bad-option")
    if options["watch"] is not None and not (options["trial"] or options["state"] == "accepted"):
        module.fail_json(
            msg="watch has no effect without a trial. Give trial too, or leave out watch.", code="bad-option")


def _refuse_for_other_kernel(module):
    """End the module with an error for options that have no meaning together with `kernel`."""
    options = module.params
    if options["kernel"] is None:
        return
    release = options["kernel"]
    if options["state"] not in ("accepted", "absent"):
        module.fail_json(
            msg=f"kernel is set and state is {options['state']}. Set state to accepted or absent: a kernel that does "
                "not run can only keep a patch for its boot.",
            code="bad-option")
    if not release or release in (".", "..") or "/" in release or not release.isprintable():
        module.fail_json(
            msg=f"kernel is {release!r}. Set it to the release of an installed kernel, as uname -r prints it there.",
            code="bad-option")


if __name__ == "__main__":
    main()
