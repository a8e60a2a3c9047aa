# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a kernel's warning, in the words of real kernels, and what a kernel says on any day."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._health.baseline import baseline
from ansible_collections.kernel.livepatch.plugins.module_utils._health.kernel_log import (
    KINDS,
    MOST_LINES,
    Since,
    kernel_warnings,
    kind_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kmsg import Record

WARNINGS = {
    "Kernel panic - not syncing: Fatal exception": "panic",
    "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2 [m]": "memory error",
    "BUG: KFENCE: use-after-free read in f+0x1/0x2": "memory error",
    "UBSAN: array-index-out-of-bounds in fs/x.c:1:2": "undefined behaviour",
    "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [stress:123]": "lockup",
    "NMI watchdog: BUG: soft lockup - CPU#0 stuck for 22s!": "lockup",
    "watchdog: Watchdog detected hard LOCKUP on cpu 1": "lockup",
    "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1": "lockup",
    "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 43s!": "lockup",
    "INFO: task kworker/0:1:123 blocked for more than 120 seconds.": "hung task",
    "INFO: task a b:123 blocked in I/O wait for more than 120 seconds.": "hung task",
    "rcu: INFO: rcu_preempt self-detected stall on CPU": "RCU stall",
    "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:": "RCU stall",
    "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... }": "RCU stall",
    "rcu: rcu_preempt kthread starved for 2500 jiffies! g1 f0x0 RCU_GP_WAIT_FQS(5)": "RCU stall",
    "BUG: kernel NULL pointer dereference, address: 0000000000000000": "oops",
    "BUG: unable to handle page fault for address: ffffffffc0000000": "oops",
    "Unable to handle kernel paging request at virtual address 0000000000000001": "oops",
    "Oops: 0000 [#1] PREEMPT SMP PTI": "oops",
    "Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1] SMP": "oops",
    "general protection fault, probably for non-canonical address 0x1: 0000 [#2] SMP": "oops",
    "invalid opcode: 0000 [#1] PREEMPT SMP": "oops",
    "divide error: 0000 [#1] SMP": "oops",
    "traps: PANIC: double fault, error_code: 0x0": "oops",
    "Internal error: Oops: 0000000096000004 [#1] SMP": "oops",
    "kernel BUG at mm/slub.c:305!": "BUG",
    "BUG: Bad page state in process x  pfn:1": "BUG",
    "BUG: scheduling while atomic: x/1/0x00000002": "BUG",
    "BUG: sleeping function called from invalid context at kernel/x.c:1": "BUG",
    "BUG kmalloc-64 (Tainted: G           OE K   ): Redzone overwritten": "BUG",
    "refcount_t: underflow; use-after-free.": "reference count error",
    "list_add corruption. prev->next should be next (x), but was y.": "list corruption",
    "list_add double add: new=x, prev=y, next=z.": "list corruption",
    "list_del corruption, x->next is LIST_POISON1 (y)": "list corruption",
    "usercopy: Kernel memory exposure attempt detected from SLUB object 'x'": "buffer overflow",
    "CFI failure at f+0x1/0x2 (target: g; expected type: 0x1)": "control flow error",
    "WARNING: CPU: 0 PID: 812 at lib/refcount.c:28 refcount_warn_saturate+0xbe/0x110": "WARN",
    "WARNING: kernel/sched/core.c:8511 at sched_init+0x20/0x410, CPU#0: swapper/0": "WARN",
    "WARNING: [idx < 0 && ptr] kernel/x.c:1 at f+0x20/0x410 [m], CPU#0: insmod/12": "WARN",
    "WARNING: possible circular locking dependency detected": "locking error",
    "WARNING: suspicious RCU usage": "locking error",
    "WARNING: a.out/12 still has locks held!": "locking error",
}
# (level, text). The last ones have a process in them that somebody has called "BUG: ", "Oops" and so on.
ANY_DAY = [
    (4, "livepatch: tainting kernel with TAINT_LIVEPATCH"),
    (4, "fix: loading out-of-tree module taints kernel."),
    (4, "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on"),
    (4, "ACPI: [Firmware Bug]: BIOS _OSI(Linux) query ignored"),
    (4, "Warning: Unmaintained driver is detected: e1000"),
    (4, "WARNING: can't access registers at f+0x1/0x2"),
    (4, "WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing 1MB of RAM."),
    (4, "WARNING: Flushing system-wide workqueues will be prohibited in near future."),
    (4, "IPv6: BUG: Address fe80::1 on device eth0 is missing its host route."),
    (4, "BUG ingress code -1 qlen 1"),
    (4, "WARNING: You are running an unsupported configuration"),
    (3, "EXT4-fs error (device vda1): ext4_lookup:1: inode #2: comm ls: deleted inode referenced: 3"),
    (4, "perf: interrupt took too long (2501 > 2500), lowering kernel.perf_event_max_sample_rate to 79750"),
    (4, "clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable:"),
    (6, "traps: BUG: x[12] general protection fault ip:1 sp:2 error:0 in x[1+2]"),
    (6, "BUG: x[12]: segfault at 0 ip 1 sp 2 error 4"),
    (0, "BUG: x[12]: segfault at 0 ip 1 sp 2 error 4"),
    (4, "BUG: x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"),
    (4, "Oops: page allocation failure: order:5, mode:0x40cc0(GFP_KERNEL)"),
    (4, "BUG: x (12): Using mlock ulimits for SHM_HUGETLB is obsolete"),
    (6, "INFO: task x:12 blocked for more than 120 seconds."),
]


def said(text, level=3):
    return Record(0, level, 1, 0.0, text)


@pytest.mark.parametrize("text", WARNINGS)
def test_what_a_kernel_says_when_something_is_wrong(text):
    assert kind_of(said(text)) == WARNINGS[text]


def test_every_kind_has_an_example():
    assert sorted(set(WARNINGS.values())) == sorted(kind for kind, _begins in KINDS)


@pytest.mark.parametrize("level, text", ANY_DAY)
def test_what_a_kernel_says_on_any_day(level, text):
    assert kind_of(said(text, level)) is None


@pytest.fixture
def warn(kernel):
    """A kernel that has warned before; warn(since) is what it has warned of since."""
    kernel.say("Linux version 6.1.0-56-amd64", "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2")
    return lambda since: kernel_warnings(kernel, since)


def since_now(kernel):
    known = baseline(kernel)
    return Since(known["kernel_log"], known["uptime"])


def test_what_was_there_before_does_not_count(kernel, warn):
    since = since_now(kernel)
    kernel.say("all is well")
    assert warn(since) == ([], [])


def test_each_kind_once_and_the_log_from_the_first_on(kernel, warn):
    since = since_now(kernel)
    kernel.say("all is well", "BUG: kernel NULL pointer dereference, address: 0", "Oops: 0000 [#1] SMP", priority=1)
    kernel.say("Call Trace:", priority=4)
    kernel.say("refcount_t: underflow; use-after-free.", priority=4)
    findings, lines = warn(since)
    assert [(found["code"], found["level"], found["subject"]) for found in findings] == [
        ("kernel-warning", "blocker", "oops"), ("kernel-warning", "blocker", "reference count error")]
    assert findings[0]["message"] == (
        "The kernel has logged warnings since the baseline was taken (oops, 2 in all). Find their cause. The first "
        "line: BUG: kernel NULL pointer dereference, address: 0")
    assert lines == ["BUG: kernel NULL pointer dereference, address: 0", "Oops: 0000 [#1] SMP", "Call Trace:",
                     "refcount_t: underflow; use-after-free."]


def test_what_a_process_writes_into_the_log_does_not_count(kernel, warn):
    since = since_now(kernel)
    kernel.say("BUG: a lie", priority=8 + 3)
    assert warn(since) == ([], [])


def test_a_result_is_bounded_and_cannot_control_a_terminal(kernel, warn):
    since = since_now(kernel)
    kernel.say(*["BUG: \033[2J" + "x" * 5000] * 500, priority=3)
    findings, lines = warn(since)
    assert (len(findings), len(lines), len(lines[0])) == (1, MOST_LINES, 300)
    assert len(findings[0]["message"]) < 300
    assert "\033" not in findings[0]["message"] + lines[0]


def test_where_the_number_is_not_known_the_clock_counts(kernel, warn):
    kernel.sleep(10)
    kernel.say("BUG: one", priority=3)
    assert warn(Since(None, 10.5)) == ([], [])
    assert [found["subject"] for found in warn(Since(None, 9.5))[0]] == ["BUG"]


def test_overwritten_records_are_told(kernel, warn):
    since = since_now(kernel)
    kernel.put("/dev/kmsg", "")
    for _record in range(3):
        kernel.say("something")
    text = kernel.read("/dev/kmsg").splitlines()
    kernel.put("/dev/kmsg", f"{text[2]}\n")
    findings, lines = warn(since)
    assert [(found["code"], found["level"]) for found in findings] == [("kernel-log-incomplete", "warning")]
    assert lines == []
    assert findings[0]["message"].startswith("The kernel log has lost 2 records since")


def test_a_log_that_cannot_be_read_is_told(kernel, warn):
    os.unlink(kernel.path("/dev/kmsg"))
    assert [found["code"] for found in warn(Since(0, 0))[0]] == ["kernel-log-unreadable"]
    assert baseline(kernel)["kernel_log"] is None


def test_a_baseline(kernel):
    kernel.put("/proc/sys/kernel/random/boot_id", "boot-1\n")
    kernel.put("/proc/sys/kernel/tainted", "4096\n")
    kernel.say("one", "two")
    kernel.sleep(1.25)
    assert baseline(kernel) == {"boot_id": "boot-1", "taints": 4096, "uptime": 1.25, "kernel_log": 1}


def test_the_real_log_is_read_to_its_end_or_not_at_all():
    from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host

    known = baseline(Host())
    assert known["uptime"] > 0 and known["taints"] >= 0
