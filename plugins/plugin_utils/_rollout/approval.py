# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The approval of a wave by a person."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.utils.display import Display

from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.waves import ALL
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import bad_option, format_value
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

YES = ("y", "yes")


def ask(question: str) -> bool | None:
    """The answer of the person at the terminal; None without a terminal, as in AWX."""
    try:
        answer = Display().prompt_until(f"{question} [yes/no]: ", private=False)
    except AnsiblePromptNoninteractive:
        return None
    except AnsiblePromptInterrupt:
        return False
    return answer.decode("utf-8", "replace").strip().lower() in YES


def names_wave(wave: Mapping[str, t.Any], names: Sequence[str]) -> bool:
    """Whether this wave is among names of waves from Options; the name of a wave names each of its parts."""
    part = f"{wave['name']} part {wave['part']}"
    return bool({ALL, str(wave["number"]), wave["name"], part} & set(names))


def mark_approvals(waves: Sequence[dict[str, t.Any]], approve: Sequence[str], approved: Sequence[str]) -> None:
    """Mark the waves that need an approval.

    A wave that is cut needs one approval for all of its parts, before the first of them with hosts to patch. A part
    that is named itself needs its own.
    """
    named = ({ALL, *(wave["name"] for wave in waves)}).intersection(approve)
    single = [name for name in approve if name not in named]
    begun = False
    for wave in waves:
        begun = begun and wave["part"] > 1
        as_whole = not begun and names_wave(wave, tuple(named))
        begun = begun or wave["state"] == "pending"
        wave["approval"] = (as_whole or names_wave(wave, single)) and not names_wave(wave, approved)


def check_wave_names(names: Sequence[str], waves: Sequence[Mapping[str, t.Any]]) -> None:
    """Refuse to approve a wave that the plan does not have. Raises TaskError `bad-option`."""
    absent = next((name for name in names if not any(names_wave(wave, [name]) for wave in waves)), None)
    if absent is not None:
        there = join_hosts([f"{wave['number']} ({wave['title']})" for wave in waves])
        raise bad_option(
            "approve", f"has {format_value(absent)} in it, which is no wave of this plan",
            f"give numbers or names of its waves ({there}), or {ALL}")
