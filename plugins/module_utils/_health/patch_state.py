# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an enabled patch is still in effect, from a few small files of sysfs.

It reads neither kallsyms nor the tables of ftrace, nor every task: see _livepatch/verification.py for those.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_module, module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import same_build


def patch_findings(host, interface, name, build_id):
    """What is wrong with a patch that was enabled in the build `build_id`; see the codes below."""
    state = interface.state(name)
    if state != "enabled":
        return [finding("patch-not-running", name, name=name, state=state)]
    loaded = module_build_id(host, name)
    if not same_build({"name": name, "build_id": loaded}, {"name": name, "build_id": build_id}):
        return [finding("build-changed", name, name=name, loaded=loaded or "none", wanted=build_id or "none")]
    # A module that is loaded or unloaded just now is seen twice before anything is said about it.
    unpatched = _unpatched_objects(host, interface, name)
    return [finding("object-not-patched", entry, name=name, object=entry)
            for entry in unpatched if entry in _unpatched_objects(host, interface, name)]


def _unpatched_objects(host, interface, name):
    patch = interface.patch(name) or {"objects": []}
    return [entry["name"] for entry in patch["objects"]
            if not entry["patched"] and (loaded_module(host, entry["name"]) or {}).get("state") == "live"]
