# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the calls of functions of one module (kernel/trace/trace_kprobe.c, kernel/trace/trace_event_perf.c).

    kprobe_events       a kprobe event for each function, all in the group GROUP
    perf_event_open(2)  arms such an event for as long as a process holds its descriptor, and so until it dies
    kprobe_profile      the calls of each event, counted by the kernel itself

The perf event is disabled from its begin, so nothing is recorded in any buffer, and no instance of tracefs is needed.
A probe is at the new function, in the patch's module: the entry of the old one belongs to the live patch.
"""

import os
import re
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.ftrace import TRACEFS
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

GROUP = "kernel_livepatch"
MOST_PROBES = 500  # each takes a descriptor, and a process can usually have 1024
LOCKDOWN = "/sys/kernel/security/lockdown"
KPROBES_ENABLED = "/sys/kernel/debug/kprobes/enabled"
PERF = "/proc/sys/kernel/perf_event_paranoid"  # perf_event_open(2): present if the kernel has the system call
DEFINED = re.compile(rf"^p\d*:{GROUP}/(?P<event>klp_[0-9a-z_]+)[ \t]", re.MULTILINE)
COUNT = re.compile(r"^ *(?P<event>klp_[0-9a-z_]+) +(?P<hits>\d+) +(?P<missed>\d+)$", re.MULTILINE)


def why_not_countable(host):
    """Why this kernel cannot count calls, as a clause, or None. It says what the kernel shows; a probe can still fail.
    """
    if "[confidentiality]" in host.read_or(LOCKDOWN, ""):
        return "this kernel is locked down (confidentiality), and then has no kprobes"
    base = _tracefs(host)
    if base is None:
        return "this kernel has no kprobe events (kprobe_events in tracefs)"
    if not host.exists(f"{base}/kprobe_profile"):
        return "this kernel does not show its counts of kprobe events (kprobe_profile in tracefs)"
    if host.read_or(KPROBES_ENABLED, "1") == "0":
        return f"kprobes are switched off on this host ({KPROBES_ENABLED} is 0)"
    if not host.exists(PERF):
        return "this kernel has no perf events, which hold the probes"
    return None


def remove_probes(host):
    """Remove the events of this collection that no living process holds; ignores an event that is in use."""
    base = _tracefs(host)
    if base is None:
        return
    for event in DEFINED.findall(host.read_or(f"{base}/kprobe_events", "")):
        with suppress(OSError):
            host.write(f"{base}/kprobe_events", f"-:{GROUP}/{event}\n")


def count_calls(host, transaction, number):
    """The calls of the first `number` functions of the CallProbes of a transaction, as a list; None for no count.

    A call that the kernel could not report because it was in another kprobe is counted too.
    """
    base = _tracefs(host)
    text = "" if base is None else host.read_or(f"{base}/kprobe_profile", "")
    counts = {match.group("event"): int(match.group("hits")) + int(match.group("missed"))
              for match in COUNT.finditer(text)}
    return [counts.get(_event(transaction, place)) for place in range(number)]


class CallProbes:
    """The probes of one process on functions of one module, from `place` to `remove`.

    `failures` are pairs of a symbol and why it has no probe, as a clause. An event that an earlier process of the same
    transaction has left keeps its count.
    """

    def __init__(self, host, transaction, module, symbols):
        self.failures = []
        self._host = host
        self._transaction = transaction
        self._module = module
        self._symbols = symbols
        self._held = []

    def place(self):
        """Place and arm a probe on each symbol."""
        base = _tracefs(self._host)
        for place, symbol in enumerate(self._symbols):
            try:
                if base is None:
                    raise OSError(0, "tracefs is not mounted")
                self._held.append(self._arm(base, _event(self._transaction, place), symbol))
            except (LivepatchError, OSError, ValueError) as error:
                why = getattr(error, "message", None) or getattr(error, "strerror", None) or str(error)
                self.failures.append((symbol, why))

    def _arm(self, base, event, symbol):
        number = f"{base}/events/{GROUP}/{event}/id"
        if not self._host.exists(number):
            self._host.write(f"{base}/kprobe_events", f"p:{GROUP}/{event} {self._module}:{symbol}\n")
        return self._host.hold_trace_event(int(self._host.read(number)))

    def remove(self):
        """Remove the probes."""
        self.release()
        remove_probes(self._host)

    def release(self):
        """Let the kernel disarm the probes, as the end of this process does."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held = []


def _tracefs(host):
    return next((base for base in TRACEFS if host.exists(f"{base}/kprobe_events")), None)


def _event(transaction, place):
    """The name of an event; kprobe_profile shows names without their groups."""
    return f"klp_{re.sub('[^0-9a-z]', '_', transaction.lower())}_{place}"
