# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_info`: all that a host can tell, also without root as far as the kernel lets it."""

from ansible_collections.kernel.livepatch.plugins.module_utils._blockers import describe_blockers
from ansible_collections.kernel.livepatch.plugins.module_utils._history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._interfaces import interface_adapter, interface_name
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel import may_load_modules, running_kernel
from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import leftovers, loaded_module
from ansible_collections.kernel.livepatch.plugins.module_utils._other_tools import other_tools
from ansible_collections.kernel.livepatch.plugins.module_utils._store import Store


def host_inventory(host):
    """Everything there is to know about live patches on this host; nothing is changed.

    Shape: `kernel`, `interface`, `patches` (oldest first), `transition` (None, or `name`, `state` and `blockers`),
    `leftovers`, `kept`, `other_tools`, `changing`, `journal` and `journal_unreadable` (see history).
    """
    interface = interface_name(host)
    inventory = {
        "kernel": running_kernel(host), "interface": interface,
        "patches": [], "transition": None, "leftovers": [], "kept": _kept(host),
        "other_tools": other_tools(host),
        **history(host),
    }
    if interface != "livepatch":
        return inventory
    adapter = interface_adapter(host)
    patches = adapter.patches()
    inventory["patches"] = [_with_identity(host, patch) for patch in patches]
    inventory["leftovers"] = leftovers(host, {patch["name"] for patch in patches})
    for patch in patches:
        if patch["state"] in ("enabling", "disabling"):
            inventory["transition"] = {
                "name": patch["name"], "state": patch["state"],
                # Only root may see who holds it, or ask the kernel why.
                "blockers": describe_blockers(host, patch) if may_load_modules(host) else [],
            }
    return inventory


def _with_identity(host, patch):
    module = loaded_module(host, patch["name"]) or {"build_id": None, "taint": "", "refcnt": None}
    return dict(patch, build_id=module["build_id"], taint=module["taint"], refcnt=module["refcnt"])


def _kept(host):
    return [{key: description[key] for key in ("name", "release", "arch", "sha256", "build_id", "size")}
            for description in Store(host).descriptions()]
