# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the job of each module of this collection, and ends the module with one result or one clear error.

A module calls `use_compiled_code` before it imports this: what it imports earlier is compiled anew in each task.
"""

import base64
import zlib

from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import (
    ControllerRequest,
    LivepatchError,
    as_livepatch_error,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import without_surrogates

# Options that mean the same in several modules.
SOURCE_OPTIONS = {
    "src": {"type": "path"},
    "remote_src": {"type": "bool", "default": False},
    "name": {"type": "str"},
    "version": {"type": "str"},
    "require_signature": {"type": "path"},  # for the controller, which removes it
}
# Filled in by the action plugins: `offer` for _patch/selection.py, `operator` for _persistence/actor.py. Set by the
# playbooks of this collection: `run`, the identifier of their run, for _persistence/lease.py.
CONTROLLER_OPTION = {"via_controller": {"type": "dict", "apply_defaults": True, "options": {
    "offer": {"type": "dict"},
    "image": {"type": "str", "no_log": True},  # too long for logs
    "operator": {"type": "dict"},
    "fresh": {"type": "bool", "default": False},
    "task": {"type": "str"},
    "run": {"type": "str"},
}}}
LEASE_OPTION = {"take_lease": {"type": "bool", "default": False}}
# _health/options.py checks that each has exactly one kind, because its error has a code of this collection.
HEALTH_CHECKS_OPTION = {"type": "list", "elements": "dict", "default": [], "options": {
    "command": {"type": "raw"}, "url": {"type": "str"}, "unit": {"type": "str"}, "tasks": {"type": "str"},
    "name": {"type": "str"}, "timeout": {"type": "int", "default": 10},
}}
TRANSITION_OPTIONS = {
    "transition_timeout": {"type": "int", "default": 90},
    "on_stall": {"type": "str", "choices": ["reverse", "wait", "force"], "default": "reverse"},
}


def run_job(module, job, publish=None):
    """End the module with the dict that `job(host)` returns, with its request to the controller, or with its error.

    After a change, `publish(host)` writes what others read of this host, and returns findings about failures.
    """
    host = Host()
    try:
        result = _published(module, host, job(host), publish)
    except ControllerRequest as request:
        module.exit_json(changed=False, request=without_surrogates(request.request))
    except (LivepatchError, OSError) as failure:
        error = as_livepatch_error(failure)
        details = without_surrogates(_published(module, host, error.details, publish))
        module.fail_json(msg=without_surrogates(error.message), code=error.code, **details)
    module.exit_json(**without_surrogates(result))


def _published(module, host, result, publish):
    """The result, or the details of an error, with the findings of `publish` if a change has begun."""
    if publish is None or module.check_mode or not (result.get("changed") or result.get("transaction")):
        return result
    return dict(result, findings=[*result.get("findings", ()), *publish(host)])


def controller(module):
    """Who asks for a change: the controller's `user` and `node` (see actor.py), `run` and `take_lease` (see lease.py).
    """
    given = module.params["via_controller"]
    return dict(given["operator"] or {}, run=given["run"], take_lease=module.params["take_lease"])


def transition_seconds(module):
    """The option transition_timeout in seconds; ends the module with an error if it is less than one."""
    seconds = module.params["transition_timeout"]
    if seconds < 1:
        module.fail_json(msg=f"transition_timeout is {seconds}. Give one second or more.", code="bad-option")
    return seconds


def source(module):
    """The options that choose a build: the controller's offer, name and version.

    Ends the module with an error for a version without a src.
    """
    options = module.params
    if options["version"] and not options["src"]:
        module.fail_json(
            msg="version is set without src, and only a file tells its version. Set src too, or choose the patch by "
                "its name.",
            code="bad-option")
    return offer(module), options["name"], options["version"] or None


def offer(module):
    """The controller's offer, see selection.py, with the bytes of an enclosed image.

    For a file on this host the path is the module's src, expanded.
    """
    offered = module.params["via_controller"]["offer"]
    if offered and offered["kind"] == "host":
        return dict(offered, path=module.params["src"])
    if offered and offered["enclosed"]:
        image = module.params["via_controller"]["image"]
        return dict(offered, image=zlib.decompress(base64.b64decode(image)))
    return offered
