# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The variables of the playbook pull."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible import constants

from ansible_collections.kernel.livepatch.plugins.module_utils._health.options import MOST_CALLS
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.playbooks import (
    KEYRING,
    ON_STALL,
    read_transition_timeout,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.release import MOST_RINGS
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import health_checks
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import read_ignored, read_params
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import Values, bad_option

RELEASE = "release.yml"
# Names of a host that many hosts have, so that they would all be in one ring.
NO_NAMES = ("", *constants.LOCALHOST, "localhost.localdomain", "(none)")


@dataclasses.dataclass(frozen=True)
class PullOptions:
    """The variables by their names without `livepatch_`; `ring` is None if it is computed from `ring_name`."""

    release: str
    ring: int | None
    ring_name: str | None
    transition_timeout: int
    on_stall: str
    health_checks: tuple[dict[str, t.Any], ...]
    min_calls: int
    ignore_findings: tuple[str, ...]
    adopt: bool
    take_lease: bool
    params: dict[str, t.Any]
    require_signature: str | None


NAMES = tuple(field.name for field in dataclasses.fields(PullOptions))


def pull_options(variables: Mapping[str, t.Any], directory: Path) -> PullOptions:
    """The options in the templated variables of a play; raises TaskError `bad-option`."""
    values = Values(variables)
    checks = health_checks(values, directory)
    if any("tasks" in check for check in checks):
        raise bad_option(
            "health_checks", "has tasks", "give units, URLs and commands: a host that pulls watches itself, also "
            "between two runs")
    return PullOptions(
        release=values.text("release", "give a file, or an address that begins with https://") or RELEASE,
        ring=values.count("ring", None, 0, MOST_RINGS - 1),
        ring_name=values.text("ring_name", "give a text that no other host has, such as its full name"),
        transition_timeout=read_transition_timeout(values),
        on_stall=values.choice("on_stall", ON_STALL),
        health_checks=checks,
        min_calls=values.number("min_calls", 0, 0, MOST_CALLS),
        ignore_findings=read_ignored(values),
        adopt=values.flag("adopt"),
        take_lease=values.flag("take_lease"),
        params=read_params(values),
        require_signature=values.text("require_signature", KEYRING),
    )


def ring_name(options: PullOptions, inventory_name: str, node: str) -> str:
    """The name that the ring of a host is computed from: its own, if ansible-pull calls every host localhost.

    Raises TaskError `no-ring-name` for a host that has none.
    """
    for name in (options.ring_name or "", inventory_name, node):
        if name not in NO_NAMES:
            return name
    raise TaskError(
        "no-ring-name",
        f"This host has no name of its own ({node or 'none'}), so its ring cannot be computed. Give it a hostname, or "
        "set livepatch_ring_name or livepatch_ring.")
