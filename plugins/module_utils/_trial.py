# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trial's end, and what the ledger has of a host after a change.

Nothing here needs whoever began the trial: the deadline is in the ledger, and the host itself runs `end_trial`.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._aftermath import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._going_back import WayBack
from ansible_collections.kernel.livepatch.plugins.module_utils._interfaces import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._ledger import read_ledger, same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._stack import running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._taking_back import take_way
from ansible_collections.kernel.livepatch.plugins.module_utils._transaction import transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._waiting import wait_until

SECONDS = 300  # of the trial on the way from `absent` to `accepted` when nothing else is asked for
TRANSITION_SECONDS = 90
LOOK_AGAIN = 10  # seconds; the end can be moved, or the trial accepted, meanwhile


def end_trial(host):
    """Wait for the end of the trial that is going on, and bring the host back to what ran before.

    Returns when there is no trial in this boot any more. Raises LivepatchError when the host could not be brought back;
    the trial is then still on, and whoever runs this has to try again.
    """
    while _is_due(host):
        with transaction(host, "trial", way_back=True, wait=True) as recorded:
            trial = recorded.ledger["trial"]
            if trial is None or trial["ends"] > host.now():
                continue  # accepted, taken back or begun anew, by whoever had the lock
            arrived = _take_back(host, recorded, trial)
        if not arrived:
            _wait_for_transition(host, interface_adapter(host))


def _wait_for_transition(host, interface):
    """Without the lock, so that an operator can turn it round, or force it, meanwhile."""
    wait_until(host, lambda: interface.in_transition() is None, TRANSITION_SECONDS)


def _is_due(host):
    """Wait until a trial's time is over; False where there is none."""
    while True:
        ledger = read_ledger(host)
        if ledger["trial"] is None or ledger["boot_id"] != host.read_or(BOOT_ID):
            return False
        left = ledger["trial"]["ends"] - host.now()
        if left <= 0:
            return True
        host.sleep(min(left, LOOK_AGAIN))


def _take_back(host, recorded, trial):
    """Whether the host is back; where what ran before cannot be loaded again, at least the trial's patch goes."""
    interface = interface_adapter(host)
    try:
        return _go(host, interface, recorded, trial["back_to"])
    except LivepatchError:
        stack = running_stack(host, interface.patches(), recorded.ledger)
        still_there = [layer for layer in stack if any(same_build(layer, one) for one in trial["back_to"])]
        if len(still_there) == len(stack) and interface.in_transition() is None:
            raise
        _go(host, interface, recorded.again(), still_there)
        raise


def _go(host, interface, recorded, target):
    way = WayBack(host, interface, target, TRANSITION_SECONDS, "wait")
    return take_way(host, interface, way, recorded, recorded.ledger["accepted"])["arrived"]
