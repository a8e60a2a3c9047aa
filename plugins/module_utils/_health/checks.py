# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health checks that an operator has named for a host, done there one after another.

A check is a dict of `name`, `kind` (a key of CHECKS), `what` (a list of words, an address or a unit) and `timeout` in
seconds; see `health_checks` of the module `patch_watch`.
"""

import re
import shlex
from urllib.parse import urlsplit

from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import UP, Systemd
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import bounded

TIMEOUT, LONGEST_TIMEOUT = 10, 300  # seconds
LONGEST_NAME = 80  # characters
LONGEST_MESSAGE = 300
UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\Z")  # systemd.unit(5), and no pattern
PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result")
TOO_LONG = ("TooLong", "timeout", "TimeoutError")  # of http.py, and of sockets, which have renamed theirs
WELL = tuple(state for state in UP if state != "activating")


def health_checks(options):
    """The checks of the option of that name; raises LivepatchError `bad-option` before any of them is done."""
    return [_described(number, entry) for number, entry in enumerate(options or [], 1)]


def _described(number, entry):
    def wrong(problem):
        return LivepatchError("bad-option", f"health_checks ({number}.) {problem}.")
    if entry.get("tasks") is not None:
        raise wrong("has tasks, but tasks run on the controller. Give them to the playbook rollout, or run them beside "
                    "this task")
    kinds = [kind for kind in CHECKS if entry.get(kind) is not None]
    if len(kinds) != 1:
        raise wrong(f"has {' and '.join(kinds) or 'nothing to check'}. Give one of {', '.join(CHECKS)}")
    kind, = kinds
    what, right = CHECKS[kind][0](entry[kind]), CHECKS[kind][1]
    if not what:
        raise wrong(f"has the {kind} {entry[kind]!r}. Give {right}")
    timeout = TIMEOUT if entry.get("timeout") is None else entry["timeout"]
    if not 1 <= timeout <= LONGEST_TIMEOUT:
        raise wrong(f"has the timeout {timeout}. Give 1 to {LONGEST_TIMEOUT} seconds")
    name = entry.get("name") or _name(kind, what)
    return {"name": bounded(name, LONGEST_NAME), "kind": kind, "what": what, "timeout": timeout}


def check_health(host, checks, fetch):
    """A list of `name`, `kind`, `ok`, `message` and `seconds`, one for each check; `fetch` is that of http.py."""
    return [_result(host, check, fetch) for check in checks]


def _result(host, check, fetch):
    began = host.now()
    try:
        ok, message = CHECKS[check["kind"]][2](host, check["what"], check["timeout"], fetch)
    except Exception as failure:  # whatever a library makes of what a server answers: the check has failed
        ok, message = False, _why(failure, check["timeout"])
    return {"name": check["name"], "kind": check["kind"], "ok": ok, "message": bounded(message, LONGEST_MESSAGE),
            "seconds": round(host.now() - began, 3)}


def _why(failure, timeout):
    cause = getattr(failure, "reason", None) or failure  # urllib's URLError has what it came from
    if getattr(failure, "code", None) == "command-timed-out" or type(cause).__name__ in TOO_LONG:
        return f"It did not end within {timeout} s and was stopped."
    return f"{getattr(cause, 'strerror', None) or str(cause) or type(cause).__name__}."


# What to check, as an option has it: None for what makes no sense.

def _words(command):
    if isinstance(command, list):
        words = [str(word) for word in command]
    else:
        try:
            words = shlex.split(str(command))
        except ValueError:
            return None
    return words if words and words[0] and not any("\0" in word for word in words) else None


def address(url):
    """A URL of http or https without the spaces around it; None for anything else."""
    try:
        parts = urlsplit(url.strip())
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        return None
    return url.strip() if fine and not re.search(r"[\s\0]", url.strip()) else None


def unit_name(unit):
    """The name of one unit without the spaces around it; None for anything else."""
    return unit.strip() if UNIT.match(unit.strip()) else None


# Each check returns whether all is well, and a sentence.

def _run(host, words, seconds, _fetch):
    status, output = host.run(words, seconds)
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")
    end = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return status == 0, f"It {end}" + (f": {last}" if last else ".")


def _ask(_host, url, seconds, fetch):
    status, said = fetch(url, seconds)
    return 200 <= status < 300, f"The server answers {status} {said}".strip() + "."


def _look_at_unit(host, unit, seconds, _fetch):
    if not Systemd.runs(host):
        return False, "This host has no systemd, so a unit cannot be checked. Use a command or a url instead."
    shown = Systemd(host).shown(unit, PROPERTIES, seconds)
    states = {key: shown.get(key) or "unknown" for key in PROPERTIES}
    if states["LoadState"] not in ("loaded", "unknown"):
        return False, f"The unit is {states['LoadState']}."
    return states["ActiveState"] in WELL, (
        "The unit is {ActiveState} ({SubState}), and its last result was {Result}.".format(**states))


# Kind: what makes sense of the option, what to give, the check itself.
CHECKS = {
    "command": (_words, "a program and its arguments, as a list or as one text without shell syntax", _run),
    "url": (address, "an address that begins with http:// or https://", _ask),
    "unit": (unit_name, "the name of a systemd unit such as nginx.service", _look_at_unit),
}


def _name(kind, what):
    """What a check is called that has no name; nobody has to read in a report how to log in somewhere."""
    if kind == "command":
        return " ".join(what)
    if kind == "url":
        parts = urlsplit(what)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return f"unit {what}"
