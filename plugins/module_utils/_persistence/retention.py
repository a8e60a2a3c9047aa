# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which patch files a host keeps: those for the next boot, and those for a rollback."""

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import (
    changed_stack,
    journal_changes,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import set_aside_ledgers
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store

MOST_CHANGES = 5  # the newest changes that can be rolled back


def prune_store(host, ledger):
    """Remove files named neither in the ledger nor in the newest changes; the caller holds the host's lock.

    Removes none while a damaged ledger is set aside or one of these changes cannot be read: its files are not known.
    """
    if set_aside_ledgers(host):
        return
    needed = {layer["sha256"] for layer in _of_ledger(ledger)}
    for layers in _of_journal(host):
        if layers is None:
            return
        needed.update(layer["sha256"] for layer in layers)
    store = Store(host)
    for description in store.descriptions():
        if description["sha256"] not in needed:
            store.drop(description["sha256"])


def _of_ledger(ledger):
    layers = ledger["accepted"] + ledger["loaded"] + ledger["booted"]["patches"]
    return layers + ledger["trial"]["back_to"] if ledger["trial"] else layers


def _of_journal(host):
    """The stacks before and after the newest changes, None for an unreadable one.

    Failed and automatic changes do not count to MOST_CHANGES.
    """
    left = MOST_CHANGES
    for begin, end in journal_changes(host):
        if begin is None:
            yield None
            continue
        yield begin["before"]
        yield end["after"] if end else []
        left -= changed_stack(begin, end)
        if not left:
            return
