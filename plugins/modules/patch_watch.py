#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_watch
short_description: Tell whether a host that was live patched is well
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Looks at a host while it is not decided yet whether a patch stays. The patch has to be enabled and to run as its
    file says, function by function. The kernel must not have been booted anew, nor have got a new taint, nor have
    warned of anything in its log since O(baseline) was taken. The health checks that you name have to succeed.
  - Fails when something speaks against the host. Never changes the host.
  - Everything is done in one go, the health checks first and one after another.
requirements:
  - On the host, Python 3.6 or later, and root.
extends_documentation_fragment:
  - kernel.livepatch._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  name:
    description: The name of the patch that should run.
    type: str
    required: true
  baseline:
    description:
      - What the host was like before it was patched, RV(kernel.livepatch.patch#module:baseline) of that task.
      - Without it, or without one of its parts, that part is not compared.
    type: dict
    suboptions:
      boot_id:
        description: Which boot it was.
        type: str
      taints:
        description: The kernel's taints, as the number in C(/proc/sys/kernel/tainted).
        type: int
      uptime:
        description: >-
          Seconds on the kernel's clock that stands still while a machine is suspended. The log is read from there where
          O(baseline.kernel_log) is not given, and since that clock and the log's drift apart, not exactly.
        type: float
      kernel_log:
        description: The number of the last record of the kernel log by then.
        type: int
  health_checks:
    description: What has to succeed on the host. Each entry has exactly one of V(command), V(url) and V(unit).
    type: list
    elements: dict
    default: []
    suboptions:
      command:
        description:
          - A program and its arguments, as a list, or as one text that is split as a shell would. There is no shell, no
            input, and nothing in the environment but C(PATH) with the system's own directories and C(LC_ALL=C).
          - It is well when it ends with status 0. When its time is over, it is killed with all that it has started.
        type: raw
      url:
        description:
          - An address that begins with C(http://) or C(https://), asked from the host and past any proxy.
          - It is well when the answer, after redirects, has a status from 200 to 299.
        type: str
      unit:
        description: A unit of systemd. It is well when it is active, and not while it waits to be started again.
        type: str
      tasks:
        description: Refused here, because a file of tasks runs on the controller.
        type: str
      name:
        description: What the check is called in the result.
        type: str
      timeout:
        description: Seconds that the check may take, at most 300.
        type: int
        default: 10
  report_only:
    description: Whether to return what speaks against the host without failing.
    type: bool
    default: false
notes:
  - A transition that goes on is no failure by itself. RV(state) tells of it, and RV(blockers) who holds it.
  - Taints that any live patch brings (livepatch, out-of-tree, unsigned), and those that the module of O(name) brings,
    do not count. A taint that another module has brought meanwhile does.
  - Of the kernel log, only what the kernel itself has written counts, and only what begins like an oops, a WARN, a BUG,
    a lockup, a hung task, an RCU stall, a finding of KASAN or UBSAN, a broken reference count or list, and the like.
seealso:
  - module: kernel.livepatch.patch
  - module: kernel.livepatch.patch_verify
"""

EXAMPLES = r"""
- name: Load it on trial
  kernel.livepatch.patch:
    src: patches/
    trial: 600
  register: patched

- name: See to it that the host is well
  kernel.livepatch.patch_watch:
    name: "{{ patched.patch.name }}"
    baseline: "{{ patched.baseline }}"
    health_checks:
      - unit: nginx.service
      - url: http://localhost/health
      - name: database
        command: [/usr/bin/pg_isready, --quiet]
        timeout: 5

- name: Keep it
  kernel.livepatch.patch:
    name: "{{ patched.patch.name }}"
    state: accepted
"""

RETURN = r"""
well:
  description: >-
    Whether nothing speaks against the host, which is to say that RV(findings) has no blocker. While RV(state) is
    V(enabling), it is too early to tell more.
  returned: when the host was looked at
  type: bool
  sample: true
state:
  description: V(accepted), V(enabled), V(enabling), V(disabling), V(disabled) or V(absent).
  returned: when the host was looked at
  type: str
  sample: enabled
verified:
  description: >-
    Whether the patch runs as the file says that the host keeps of it; V(none) while its transition goes on, or where
    the host keeps none, since only what the kernel lists can be looked at then.
  returned: when the host was looked at
  type: bool
  sample: true
functions:
  description: >-
    Every function that the file claims or the kernel lists, with its evidence; none during a transition.
  returned: when the host was looked at
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
blockers:
  description: The tasks that hold the patch's transition, at most 50.
  returned: when the host was looked at
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
      description: Why it could not be moved, as in RV(kernel.livepatch.patch#module:blockers).
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
health:
  description: What came of each health check, in the order that they were named in.
  returned: when the host was looked at
  type: list
  elements: dict
  contains:
    name:
      description: What the check is called.
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
      description: What it said, at most 300 characters; of a command the last line that it printed.
      type: str
      sample: It ended with status 0.
    seconds:
      description: How long it took.
      type: float
      sample: 0.012
boot_id:
  description: Which boot this is.
  returned: when the host was looked at
  type: str
  sample: 2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11
taints:
  description: The kernel's taints now, as O(baseline.taints) has them.
  returned: when the host was looked at
  type: int
  sample: 45056
kernel_log:
  description: >-
    What the kernel logged from the first warning since O(baseline) on, at most 50 lines; none where there was no
    warning.
  returned: when the host was looked at
  type: list
  elements: str
  sample: []
trial:
  description: The trial that the patch is on, or V(none).
  returned: when the host was looked at
  type: dict
  contains:
    seconds_left:
      description: Seconds until the host goes back by itself.
      type: int
      sample: 541
findings:
  description: What speaks against the host, and what is worth knowing.
  returned: when the host was looked at
  type: list
  elements: dict
  contains:
    code:
      description: The stable name of what was found.
      type: str
      sample: health-check-failed
    level:
      description: V(blocker), V(warning) or V(note). A blocker fails the task.
      type: str
      sample: blocker
    subject:
      description: What it is about.
      type: str
      sample: database
    message:
      description: What is wrong and what to do.
      type: str
      sample: "The health check database failed: It ended with status 2."
code:
  description: The stable name of what went wrong.
  returned: on failure
  type: str
  sample: health-check-failed
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._health.http import fetch
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import run_job
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "baseline": {"type": "dict", "options": {
                "boot_id": {"type": "str"}, "taints": {"type": "int"}, "uptime": {"type": "float"},
                "kernel_log": {"type": "int"},
            }},
            # Whether each has exactly one kind is told with a code of this collection, by _health/options.py.
            "health_checks": {"type": "list", "elements": "dict", "default": [], "options": {
                "command": {"type": "raw"}, "url": {"type": "str"}, "unit": {"type": "str"}, "tasks": {"type": "str"},
                "name": {"type": "str"}, "timeout": {"type": "int", "default": 10},
            }},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True)
    options = module.params
    run_job(module, lambda host: watch_host(
        host, options["name"], options["baseline"], options["health_checks"], fetch, options["report_only"]))


if __name__ == "__main__":
    main()
