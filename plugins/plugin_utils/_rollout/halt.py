# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The halt file of a rollout: as long as it exists, no wave starts. Several rollouts can share one."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import read_regular
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    Values,
    bad_option,
    format_value,
)

NAME = "halt_file"
_RIGHT = "give the path of a file on the controller, in a directory that exists. It need not exist itself"
_MOST_BYTES, _LONGEST_REASON = 4096, 200


def parse_halt_file(values: Values, directory: Path) -> str | None:
    """The absolute path of the halt file; a relative one is below `directory`. Raises TaskError `bad-option`.

    In a missing directory, a misspelled path would never stop anything.
    """
    text = values.text(NAME, _RIGHT)
    if text is None:
        return None
    path = directory / Path(text).expanduser()
    if not path.parent.is_dir():
        raise bad_option(NAME, f"is {format_value(text)}, which is in no directory of this controller", _RIGHT)
    return str(path)


def halt_reason(path: str | None) -> str | None:
    """Why no wave can start, None without a halt. A file that cannot be looked at is a halt too."""
    if path is None:
        return None
    try:
        os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"the halt file {path} cannot be looked at ({error.strerror or error})"
    said = _first_line(path)
    return f"the halt file {path} exists{f' ({said})' if said else ''}"


def _first_line(path: str) -> str:
    """What a person has written into it; empty for what cannot be read."""
    try:
        lines = read_regular(path, _MOST_BYTES).decode("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return ""
    return truncate(printable(lines[0].strip()), _LONGEST_REASON) if lines else ""
