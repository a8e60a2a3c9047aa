# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Inventory sources that Ansible could not read: it only warns of them, and goes on with the hosts of the others."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Iterator, Sequence

from ansible.inventory.manager import IGNORED, InventoryManager
from ansible.utils.path import unfrackpath

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX, Values

OPTION = "partial_inventory"
OPTIONAL = "/etc/ansible/hosts"  # the default of Ansible, which allows that it does not exist
_CONTINUE = f"or continue with the hosts that were read, with -e {PREFIX}{OPTION}=true"
_MOST_SOURCES = 3  # in a message


def unread_sources(hostvars: t.Any) -> list[str] | None:
    """The sources, or files in directories, that no inventory plugin could read; None if Ansible does not say it.

    `hostvars`: the variable of that name of a task. No public interface of Ansible has this.
    """
    return _unread_of(getattr(hostvars, "_inventory", None))


def unread_again(loader: t.Any, sources: Sequence[str]) -> list[str]:
    """The same where a task has no variables yet, for an inventory without any host: it is read once more."""
    return _unread_of(InventoryManager(loader, list(sources))) or []


def _unread_of(manager: t.Any) -> list[str] | None:
    try:
        read, sources = set(manager._inventory.processed_sources), manager._sources
    except AttributeError:
        return None
    files = (file for source in sources if source for file in _files(source))
    return [file for file in files if file not in read and (file != OPTIONAL or os.path.exists(file))]


def check_inventory(unread: Sequence[str] | None, values: Values) -> list[str]:
    """Refuse an inventory that was read in part, unless the user allows it; returns the sources that are left out.

    `unread`: of unread_sources. Raises TaskError `inventory-incomplete`.
    """
    allowed = values.flag(OPTION)
    if unread is None and not allowed:
        raise TaskError(
            "inventory-incomplete", "This version of Ansible does not say which sources of the inventory it could not "
            f"read. Use another version, {_CONTINUE}.")
    if unread and not allowed:
        raise TaskError(
            "inventory-incomplete",
            f"{unread_message(unread)[:-1]}, {_CONTINUE}.")
    return list(unread or ())


def unread_message(unread: Sequence[str]) -> str:
    return (
        f"Ansible could not read {_name(unread)}, so hosts of the inventory can be missing. Correct the source "
        f"(ansible-inventory --list -i {unread[0]} shows the error).")


def partial_note(unread: Sequence[str]) -> str:
    return f"Ansible could not read {_name(unread)}. Hosts that only this source has are not in this run."


def _name(unread: Sequence[str]) -> str:
    return f"the inventory source {join_limited(list(unread), _MOST_SOURCES)}"


def _files(source: str) -> Iterator[str]:
    """The files of a source, with the rules of Ansible on what it ignores in a directory.

    A directory without any file counts as one: nothing is mounted there, or nothing was checked out.
    """
    path = source if "," in source else unfrackpath(source, follow=False)
    yield from [path] if os.path.isdir(path) and _is_empty(path) else _walk(path)


def _is_empty(path: str) -> bool:
    """Whether a directory has no file at any depth, apart from hidden ones. One with only variables has files."""
    return not any(name for _place, _folders, names in os.walk(path) for name in names if name[0] != ".")


def _walk(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for name in sorted(os.listdir(path)):
        if not IGNORED.search(os.fsencode(name)):
            yield from _walk(os.path.join(path, name))
