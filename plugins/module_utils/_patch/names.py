# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of patches as tasks give them: the name of a module, or a pattern for names that hold a release."""

import fnmatch
import re

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

NAME = re.compile(r"(?!\.{1,2}\Z)[^/\s]+\Z")
DASH = re.compile(r"\[[^]]*\]|-")  # in brackets, a dash makes a range
MOST_NAMES = 12  # in one message


def module_name(text):
    """A module's name, or a pattern of such names, in the kernel's spelling: with underscores instead of dashes.

    Raises LivepatchError `bad-name` for an impossible name.
    """
    if not NAME.match(text):
        raise LivepatchError(
            "bad-name", f"name is {text!r}, and no module can have this name. Give the name of the patch's module.")
    return _spelled(text)


def is_pattern(name):
    """Whether a name is a pattern: with `*`, `?` or `[`, which no module's name has."""
    return any(letter in name for letter in "*?[")


def name_matches(wanted, name):
    """Whether a module has the wanted name, or one that fits the wanted pattern; None as the wanted name means any."""
    return wanted is None or fnmatch.fnmatchcase(name.replace("-", "_"), _spelled(wanted))


def resolve_name(wanted, names):
    """The one of `names` that fits a name or a pattern; `wanted` itself if none does.

    Raises LivepatchError `name-ambiguous` if a pattern fits several names.
    """
    found = sorted({name for name in names if name_matches(wanted, name)}) if is_pattern(wanted) else []
    if len(found) > 1:
        raise LivepatchError(
            "name-ambiguous",
            f"name is {wanted}, and several patches of this host fit: {join_limited(found, MOST_NAMES)}. Give the name "
            "of one of them.")
    return found[0] if found else wanted


def _spelled(text):
    return DASH.sub(lambda match: "_" if match.group() == "-" else match.group(), text)
