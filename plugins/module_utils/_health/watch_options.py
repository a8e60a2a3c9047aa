# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `watch` of the module `patch`, as the ledger keeps it (see WATCH in _persistence/ledger.py)."""

from ansible_collections.kernel.livepatch.plugins.module_utils._health.options import (
    MOST_CALLS,
    MOST_CHECKS,
    health_checks,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import WATCH
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import matches

INTERVAL, SHORTEST_INTERVAL, LONGEST_INTERVAL = 10, 1, 300  # seconds
FAILURES, MOST_FAILURES = 2, 100


def watch_options(option):
    """What a trial's process looks at; without the option, everything but health checks and calls.

    `functions` are added once the patch is known.

    Raises LivepatchError `bad-option`.
    """
    given = {key: value for key, value in (option or {}).items() if value is not None}
    watch = {
        "interval": given.get("interval", INTERVAL), "failures": given.get("failures", FAILURES),
        "kernel_warnings": given.get("kernel_warnings", True), "min_calls": given.get("min_calls", 0), "functions": [],
        "health_checks": health_checks(given.get("health_checks"))}
    for key, least, most in (("interval", SHORTEST_INTERVAL, LONGEST_INTERVAL), ("failures", 1, MOST_FAILURES),
                             ("min_calls", 0, MOST_CALLS)):
        if not least <= watch[key] <= most:
            raise _bad_option(f"{key} is {watch[key]}. Give {least} to {most}")
    if len(watch["health_checks"]) > MOST_CHECKS:
        raise _bad_option(f"health_checks are {len(watch['health_checks'])}. Give at most {MOST_CHECKS}")
    if not matches(watch, WATCH):
        raise _bad_option("health_checks have a text that is not UTF-8. Give other texts")
    return watch


def _bad_option(problem):
    return LivepatchError("bad-option", f"watch: {problem}.")
