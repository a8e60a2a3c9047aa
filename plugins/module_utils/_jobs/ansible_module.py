# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thin shell around every module of this collection: options in, one job, result or one clear error out."""

from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, Needs, known_error

# Options that mean the same in several modules. `_offer` and `_operator` are filled in by the action plugins, see
# _patch/selection.py and _persistence/actor.py.
SOURCE_OPTIONS = {
    "src": {"type": "path"},
    "remote_src": {"type": "bool", "default": False},
    "name": {"type": "str"},
    "_offer": {"type": "dict"},
}
OPERATOR_OPTION = {"_operator": {"type": "dict"}}
TRANSITION_OPTIONS = {
    "transition_timeout": {"type": "int", "default": 90},
    "on_stall": {"type": "str", "choices": ["reverse", "wait", "force"], "default": "reverse"},
}


def run_job(module, job):
    """End the module with the dict that `job(host)` returns, with what it needs, or with its error."""
    try:
        result = job(Host())
    except Needs as needs:
        module.exit_json(changed=False, needs=needs.what)
    except (LivepatchError, OSError) as failure:
        error = known_error(failure)
        module.fail_json(msg=error.message, code=error.code, **error.details)
    module.exit_json(**result)


def warn_uncovered(module, result):
    """The result of a job; Ansible shows no more than "ok" of it, so a host without a build would pass for patched."""
    for found in result["findings"]:
        if found["code"] == "uncovered":
            module.warn(found["message"])
    return result


def transition_seconds(module):
    """The option transition_timeout; ends the module where it is not a number of seconds to wait."""
    seconds = module.params["transition_timeout"]
    if seconds < 1:
        module.fail_json(msg=f"transition_timeout is {seconds}. Give one second or more.", code="bad-option")
    return seconds


def offer(module):
    """What the controller offers, see selection.py; for a file on this host the path is the module's src, expanded."""
    offered = module.params["_offer"]
    if offered and offered["kind"] == "host":
        return dict(offered, path=module.params["src"])
    return offered
