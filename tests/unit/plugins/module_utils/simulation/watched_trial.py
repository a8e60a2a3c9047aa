# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trial on a simulated host that watches itself: what its health checks answer, and what it has after a failure."""

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    V1,
    V2,
    accept,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_child import Hang

WARNING = "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2"
TAINTED = "/proc/sys/kernel/tainted"
TRIAL = 600
CHANGE = {"transaction": "other", "since": "2026-11-21T09:16:53Z", "who": {}}
CHECKED = {"health_checks": [{"command": "check", "name": "web", "timeout": 5}]}


def prepare(host, apply):
    """Accept v1. The tests run the trial process themselves, so the simulated one does not look."""
    accept(apply, V1)
    host.guard_looks = False
    host.put(TAINTED, "4096\n")
    return host


def run_trial(host, apply, at=None, event=None, watch=None):
    """Put v2 on trial, and let `event` happen some seconds after; returns what the process says at the trial's end."""
    apply(V2, trial=TRIAL, watch=watch)
    host.began = host.now()
    if event:
        host.at(host.began + at, event)
    return end_trial(host)


def seconds(host):
    """How long the trial went on."""
    return host.now() - host.began


def failed(host):
    """What the ledger keeps of the failed watch: the codes and the subjects."""
    known = read_ledger(host)["failed_watch"]
    return known and [(found["code"], found["subject"]) for found in known["findings"]]


def answers(host, *results):
    """The health checks give these statuses, one after another, and then the last for ever."""
    left = list(results)

    def answer(argv):
        if argv[0] not in ("check", "other"):
            return 0, "ready" if argv[-1] == "ready" else ""
        result = left.pop(0) if len(left) > 1 else left[0]
        if result is Hang:
            raise Hang()
        return result, "said"
    host.answer = answer


def assert_reverted(host, interface, *findings, before=30):
    """The host has v1 again, long before the trial's end, and tells why to whoever asks."""
    assert stack(host, interface) == ["v1"]
    assert seconds(host) < before
    assert (failed(host), read_ledger(host)["trial"]) == (list(findings), None)
    end = history(host)["journal"][0]
    assert (end["action"], end["outcome"], end["code"]) == ("trial", "done", "watch-failed")
    assert end["why"].startswith("The watch of v2 failed, so this host reverts. ")
    assert [found["subject"] for found in host_inventory(host)["drift"]].count("v2") == 1
    said = [text for path, text in host.writes if path == "/dev/kmsg"]
    assert len(said) == 1 and end["why"][:60] in said[0]
