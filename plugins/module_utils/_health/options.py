# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks in an operator's options: kinds, names and limits, as data.

A check is a dict of `name`, `kind` (a key of KINDS), `what` (a list: the words of a command, or one address, or one
unit) and `timeout` in seconds; see `health_checks` of the module `patch_watch`.
"""

import re
import shlex
from urllib.parse import urlsplit

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

TIMEOUT, LONGEST_TIMEOUT = 10, 300  # seconds
LONGEST_NAME = 80  # characters
MOST_CHECKS = 50  # of a watch
MOST_CALLS = 1000000000  # of min_calls
UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\Z")  # systemd.unit(5), and no pattern
TEMPLATE = re.compile(r"@(?:\.[a-z]+)?\Z")


def health_checks(options):
    """The checks of the option `health_checks`; raises LivepatchError `bad-option` before any of them runs."""
    return [_parse_check(number, entry) for number, entry in enumerate(options or [], 1)]


def _parse_check(number, entry):
    def wrong(problem):
        return LivepatchError("bad-option", f"health_checks ({number}.) {problem}.")
    if entry.get("tasks") is not None:
        raise wrong("has tasks, but tasks run on the controller. Give them to the playbook rollout, or run them beside "
                    "this task")
    kinds = [kind for kind in KINDS if entry.get(kind) is not None]
    if len(kinds) != 1:
        raise wrong(f"has {' and '.join(kinds) or 'nothing to check'}. Give one of {', '.join(KINDS)}")
    kind, = kinds
    read, right = KINDS[kind]
    what = read(entry[kind])
    if not what:
        raise wrong(f"has the {kind} {entry[kind]!r}. Give {right}")
    timeout = TIMEOUT if entry.get("timeout") is None else entry["timeout"]
    if not 1 <= timeout <= LONGEST_TIMEOUT:
        raise wrong(f"has the timeout {timeout}. Give 1 to {LONGEST_TIMEOUT} seconds")
    name = entry.get("name") or _name(kind, what)
    return {"name": truncate(name, LONGEST_NAME), "kind": kind, "what": what if kind == "command" else [what],
            "timeout": timeout}


# Parse the object of a check from its option; None for an invalid value.

def _argv(command):
    if isinstance(command, list):
        words = [str(word) for word in command]
    else:
        try:
            words = shlex.split(str(command))
        except ValueError:
            return None
    return words if words and words[0] and not any("\0" in word for word in words) else None


def parse_url(url):
    """A URL of http or https without the spaces around it; None for anything else."""
    try:
        parts = urlsplit(url.strip())
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        return None
    return url.strip() if fine and not re.search(r"[\s\0]", url.strip()) else None


def parse_unit(unit):
    """The name of one unit without the spaces around it; None for anything else.

    None for a template too, as `getty@` and `getty@.service`: systemd runs instances of it only.
    """
    name = unit.strip()
    return name if UNIT.match(name) and not TEMPLATE.search(name) else None


# Kind: the parser of the option, the description of a valid value.
KINDS = {
    "command": (_argv, "a program and its arguments, as a list or as one text without shell syntax"),
    "url": (parse_url, "an address that begins with http:// or https://"),
    "unit": (parse_unit, "the name of a systemd unit such as nginx.service or getty@tty1.service"),
}


def _name(kind, what):
    """The default name of a check; without a URL's login, query and fragment, because reports show the name."""
    if kind == "command":
        return " ".join(what)
    if kind == "url":
        parts = urlsplit(what)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return f"unit {what}"
