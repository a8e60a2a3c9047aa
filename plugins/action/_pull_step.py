# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible.module_utils.urls import open_url

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import run_cache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.signed import require_signature, signed_files
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.host_variables import HostVariables
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.decision import artifact, begin, decide, finish
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.options import pull_options, ring_name
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.release import read_release
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.controller_action import ControllerAction
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import to_plain

FETCH_SECONDS = 30
ANSWERS = ("load", "accept", "rollback", "verify")


class ActionModule(ControllerAction):
    """Takes one step of a host that patches itself: reads the release, decides, and tells what came of it."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {"argument_spec": {
        "step": {"type": "str", "required": True, "choices": ["read", "decide", "end"]},
        "variables": {"type": "dict", "default": {}},
        "record": {"type": "dict", "default": {}},
    }}

    def work(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        record = to_plain(arguments["record"])
        if arguments["step"] == "read":
            return {"changed": False, "record": self._read(arguments["variables"], variables)}
        results = to_plain({
            name: variables.get(f"__livepatch_{name}") or {} for name in ("info", "check", *ANSWERS)})
        if arguments["step"] == "decide":
            check = results["check"] if record["release"] else {}
            return {"changed": False, "record": decide(record, results["info"], check)}
        ended = finish(record, results, self._task.check_mode)
        changed = any(results[name].get("changed") for name in ANSWERS) and ended["action"] != "none"
        return {"changed": False, "record": ended, "artifact": artifact(ended, changed)}

    def _read(self, given: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        HostVariables(variables).check()
        hosts = variables["ansible_play_hosts_all"]
        if len(hosts) > 1:
            raise TaskError(
                "not-one-host",
                f"The playbook pull patches the one host that it runs on, and this run has {len(hosts)}. Run it on "
                "each host, with ansible-pull. To patch a fleet from here, use the playbook rollout.")
        options = pull_options(to_plain(given), Path.cwd())
        require_signature(options.require_signature, run_cache())  # of the patch files too, which later tasks read
        release = read_release(
            options.release, Path.cwd(), _fetch, _check_signed if options.require_signature else None)
        ring = options.ring
        if ring is None:
            ring = release.ring_of(ring_name(options, variables["inventory_hostname"], os.uname().nodename))
        return begin(options, release, ring)


def _check_signed(path: Path, digest: str) -> None:
    """Raises BundleError and TaskError for a file with this digest that no required key has signed."""
    for signed in signed_files(path, run_cache()):
        signed.check(path, digest)


def _fetch(address: str, most: int) -> bytes:
    """The first bytes of an address, in one request; raises OSError."""
    with open_url(address, timeout=FETCH_SECONDS, http_agent="kernel.livepatch", follow_redirects="none") as answer:
        return answer.read(most)
