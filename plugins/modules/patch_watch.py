#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_watch
short_description: Check the health of a host after a live patch
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Checks a host before you accept a patch on it. The patch must be enabled and match its file, function by function.
    Since O(baseline) was taken, the host must not have rebooted, and the kernel must have no new taint and no new
    warning in its log. Your health checks must succeed.
  - Fails if a check fails. Never changes the host.
  - Runs everything once, beginning with the health checks, one after another.
requirements:
  - On the host, Python 3.6 or later, and root.
extends_documentation_fragment:
  - kernel.livepatch._attributes
  - kernel.livepatch._attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  name:
    description: The name of the patch to check, or a pattern that fits one patch of the host.
    type: str
    required: true
  baseline:
    description:
      - The condition of the host before it was patched, from RV(kernel.livepatch.patch#module:baseline) of that task.
      - Missing parts are not compared.
    type: dict
    suboptions:
      boot_id:
        description: The identifier of the boot.
        type: str
      taints:
        description: The kernel's taints, as the number in C(/proc/sys/kernel/tainted).
        type: int
      uptime:
        description: >-
          Seconds on the kernel's clock, without the time in suspend. Without O(baseline.kernel_log), the log is read
          from this time on. This is not exact, because the clock and the log's own clock drift apart.
        type: float
      kernel_log:
        description: The number of the last record of the kernel log at that time.
        type: int
  health_checks:
    description: Checks that must succeed on the host. Each has exactly one of V(command), V(url) and V(unit).
    type: list
    elements: dict
    default: []
    suboptions:
      command:
        description:
          - Runs a program with its arguments. Give a list, or one text to be split like in a shell. There is no shell
            and no input. The environment has only C(PATH) with the system's own directories and C(LC_ALL=C).
          - Succeeds if it ends with status 0. A process that it leaves behind does not count. After its timeout, it is
            killed with all its child processes.
        type: raw
      url:
        description:
          - Requests an address (C(http://) or C(https://)) from the host, without a proxy.
          - Succeeds if the response, after redirects, has a status from 200 to 299.
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
  report_only:
    description: Returns failed checks without failing.
    type: bool
    default: false
notes:
  - A transition in progress is not a failure. See RV(state), and RV(blockers) for the tasks that hold it.
  - Taints of every live patch (livepatch, out-of-tree, unsigned) and of the module of O(name) are not failures. A
    new taint of another module is.
  - During a trial the host watches itself, see O(kernel.livepatch.patch#module:watch). RV(watch) has what it has seen.
  - Only lines written by the kernel itself count as warnings. They begin like an oops, a WARN, a BUG, a lockup, a hung
    task, an RCU stall, a finding of KASAN or UBSAN, a broken reference count or list, and the like.
seealso:
  - module: kernel.livepatch.patch
  - module: kernel.livepatch.patch_verify
"""

EXAMPLES = r"""
- name: Load the patch on trial
  kernel.livepatch.patch:
    src: patches/
    trial: 600
  register: patched

- name: Check the patched host
  kernel.livepatch.patch_watch:
    name: "{{ patched.patch.name }}"
    baseline: "{{ patched.baseline }}"
    health_checks:
      - unit: nginx.service
      - url: http://localhost/health
      - name: database
        command: [/usr/bin/pg_isready, --quiet]
        timeout: 5

- name: Accept the patch
  kernel.livepatch.patch:
    name: "{{ patched.patch.name }}"
    state: accepted
"""

RETURN = r"""
well:
  description: >-
    Whether RV(findings) has no blocker. While RV(state) is V(enabling), the patch is not verified yet.
  returned: when the host was checked
  type: bool
  sample: true
state:
  description: V(accepted), V(enabled), V(enabling), V(disabling), V(disabled) or V(absent).
  returned: when the host was checked
  type: str
  sample: enabled
verified:
  description: >-
    Whether the patch matches the file kept by the host. V(none) during its transition, and if the host keeps no file.
    Without a file, only the kernel's list of functions is checked.
  returned: when the host was checked
  type: bool
  sample: true
functions:
  description: >-
    Every function of the file or of the kernel's list, with its evidence; empty during a transition.
  returned: when the host was checked
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
blockers:
  description: The tasks that hold the patch's transition, at most 50.
  returned: when the host was checked
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
      description: Why it holds the transition, as in RV(kernel.livepatch.patch#module:blockers).
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
health:
  description: The result of each health check, in the order of O(health_checks).
  returned: when the host was checked
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
      description: Whether it succeeded.
      type: bool
      sample: true
    message:
      description: Its message, at most 300 characters; for a command with its last line of output.
      type: str
      sample: It ended with status 0.
    seconds:
      description: How long it took.
      type: float
      sample: 0.012
boot_id:
  description: The identifier of the present boot.
  returned: when the host was checked
  type: str
  sample: 2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11
taints:
  description: The kernel's present taints, as in O(baseline.taints).
  returned: when the host was checked
  type: int
  sample: 45056
kernel_log:
  description: >-
    The kernel's log lines from the first warning since O(baseline) on, at most 50; empty without a warning.
  returned: when the host was checked
  type: list
  elements: str
  sample: []
trial:
  description: The trial of the patch, or V(none).
  returned: when the host was checked
  type: dict
  contains:
    seconds_left:
      description: Seconds until the host reverts automatically.
      type: int
      sample: 541
watch:
  description: >-
    What the host itself has seen of the patch during its trial, or during its last one if this failed; V(none) without
    a look. Its blockers are in RV(findings) too.
  returned: when the host was checked
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
findings:
  description: The failed checks, and notes.
  returned: when the host was checked
  type: list
  elements: dict
  contains:
    code:
      description: The stable code of the finding.
      type: str
      sample: health-check-failed
    level:
      description: V(blocker), V(warning) or V(note). A blocker fails the task.
      type: str
      sample: blocker
    subject:
      description: The object of the finding.
      type: str
      sample: database
    message:
      description: The problem and the remedy.
      type: str
      sample: "The health check database failed. Its message: It ended with status 2."
code:
  description: The stable code of the failure.
  returned: on failure
  type: str
  sample: health-check-failed
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import use_compiled_code


def main():
    use_compiled_code()
    from ansible_collections.kernel.livepatch.plugins.module_utils._health.url import fetch
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import (
        HEALTH_CHECKS_OPTION,
        run_job,
    )
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host

    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "baseline": {"type": "dict", "options": {
                "boot_id": {"type": "str"}, "taints": {"type": "int"}, "uptime": {"type": "float"},
                "kernel_log": {"type": "int"},
            }},
            "health_checks": HEALTH_CHECKS_OPTION,
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True)
    options = module.params
    run_job(module, lambda host: watch_host(
        host, options["name"], options["baseline"], options["health_checks"], fetch, options["report_only"]))


if __name__ == "__main__":
    main()
