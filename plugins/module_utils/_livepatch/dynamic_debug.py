# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's reasons why tasks hold a transition, read through dynamic debug (kernel/livepatch/transition.c)."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kmsg import KernelLog
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until

CONTROLS = ("/proc/dynamic_debug/control", "/sys/kernel/debug/dynamic_debug/control")
SOURCE = "kernel/livepatch/transition.c"
# The kernel tries each task again about once a second, in step with its other timers.
RETRY_SECONDS = 2.5

SITE = re.compile(re.escape(SOURCE) + r":(?P<line>\d+) \[[^\]]*\]\S+ =(?P<flags>\S+)")
REASON = re.compile(
    r"livepatch: (?:klp_try_switch_task|klp_check_stack): (?P<comm>.*):(?P<tid>\d+) "
    r"(?:is (?P<running>running)|has an (?P<unreliable>unreliable) stack|is sleeping on function (?P<function>\S+))"
)


def blocking_reasons(host, tids):
    """{tid: (reason, function)} for as many of `tids` as the kernel explains within one of its retries.

    `reason` is `running`, `unreliable-stack` or `asleep-in-function`; only the last has a `function`. Empty if dynamic
    debug is not available. The debug messages enabled before stay enabled.
    """
    control = next((path for path in CONTROLS if host.exists(path)), None)
    if control is None or not tids:
        return {}
    try:
        return _read_reasons(host, control, tids)
    except OSError:  # locked down or read-only; reasons are optional
        return {}


def _read_reasons(host, control, tids):
    before = host.read(control)
    if SOURCE not in before:
        return {}
    with KernelLog(host) as log:
        host.write(control, f"file {SOURCE} +p")
        try:
            poll_until(host, lambda: set(tids) <= set(parse_reasons(log.read())), RETRY_SECONDS)
        finally:
            _restore(host, control, before)
        return parse_reasons(log.lines)


def parse_reasons(lines):
    """{tid: (reason, function)} from kernel log lines; the last line about a task counts."""
    reasons = {}
    for line in lines:
        match = REASON.search(line)
        if not match:
            continue
        if match.group("running"):
            reason = "running"
        elif match.group("unreliable"):
            reason = "unreliable-stack"
        else:
            reason = "asleep-in-function"
        reasons[int(match.group("tid"))] = (reason, match.group("function"))
    return reasons


def _restore(host, control, before):
    host.write(control, f"file {SOURCE} -p")
    for line in before.splitlines():
        match = SITE.match(line)
        if match and "p" in match.group("flags"):
            host.write(control, f"file {SOURCE} line {match.group('line')} +p")
