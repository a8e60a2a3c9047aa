# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.builds import read_builds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.files import write_report
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.metrics import fleet_metrics
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.records import (
    preflight_record,
    rollback_record,
    status_record,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import cohort_names
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.status import fails_on_drift
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.controller_action import ControllerAction


class ActionModule(ControllerAction):
    """Writes the files of a report on the controller, once for all hosts."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "argument_spec": {
            "dir": {"type": "str", "required": True},
            "record": {"type": "dict"},
            "kind": {"type": "str", "choices": ["status", "rollback", "preflight"]},
            "results": {"type": "dict", "default": {}},
            "proofs": {"type": "dict", "default": {}},
            "options": {"type": "dict", "default": {}},
        },
        "mutually_exclusive": [["record", "kind"]],
        "required_one_of": [["record", "kind"]],
    }

    def work(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        record = arguments["record"]
        if arguments["kind"]:
            record = self._record(arguments, variables.get("hostvars"))
        more = {}
        if arguments["kind"] == "status":
            more["prom"] = fleet_metrics(arguments["results"], time.time())
        return {"changed": True, **write_report(record, arguments["dir"], more)}

    def _record(self, arguments: dict, hostvars: t.Any) -> dict[str, t.Any]:
        """Return the record of a run; raises PatchFileError and TaskError for `src` and `name`."""
        results, options = arguments["results"], arguments["options"]
        if arguments["kind"] == "rollback":
            shown = {key: options[key] for key in ("to", "take_lease", "partial_inventory") if options.get(key)}
            return rollback_record(results, arguments["proofs"], self._task.check_mode, shown, time.time())
        if arguments["kind"] == "preflight":
            shown = {key: options[key] for key in ("src", "partial_inventory") if options.get(key)}
            shown["cohort_by"] = cohort_names(options.get("cohort_by") or None)
            return preflight_record(results, hostvars, shown["cohort_by"], shown, time.time())
        src, name, version, cohort_by = (options.get(key) or None for key in ("src", "name", "version", "cohort_by"))
        builds = read_builds(Path(os.path.expanduser(src)), name, version) if src else None
        shown = {
            "src": src, "name": name, "version": version, "cohort_by": cohort_names(cohort_by),
            "fail_on_drift": fails_on_drift(options.get("fail_on_drift") or False)}
        if options.get("partial_inventory"):
            shown["partial_inventory"] = True
        return status_record(results, hostvars, cohort_by, builds, shown, time.time())
