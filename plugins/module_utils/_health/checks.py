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
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

TIMEOUT, LONGEST_TIMEOUT = 10, 300  # seconds
LONGEST_NAME = 80  # characters
LONGEST_MESSAGE = 300
UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\Z")  # systemd.unit(5), and no pattern
PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result")
TIMEOUT_TYPES = ("DeadlineExceeded", "timeout", "TimeoutError")  # of http.py, and of sockets, which have renamed theirs
HEALTHY_STATES = tuple(state for state in UP if state != "activating")


def health_checks(options):
    """The checks of the option of that name; raises LivepatchError `bad-option` before any of them is done."""
    return [_parse_check(number, entry) for number, entry in enumerate(options or [], 1)]


def _parse_check(number, entry):
    def wrong(problem):
        return LivepatchError("bad-option", f"health_checks ({number}.) {problem}.")
    if entry.get("tasks") is not None:
        raise wrong("has tasks, which run on the controller: name them to the playbook rollout, or run them beside "
                    "this task")
    kinds = [kind for kind in CHECKS if entry.get(kind) is not None]
    if len(kinds) != 1:
        raise wrong(f"has {' and '.join(kinds) or 'nothing to check'}: give one of {', '.join(CHECKS)}")
    kind, = kinds
    what, right = CHECKS[kind][0](entry[kind]), CHECKS[kind][1]
    if not what:
        raise wrong(f"has the {kind} {entry[kind]!r}: give {right}")
    timeout = TIMEOUT if entry.get("timeout") is None else entry["timeout"]
    if not 1 <= timeout <= LONGEST_TIMEOUT:
        raise wrong(f"has the timeout {timeout}: give 1 to {LONGEST_TIMEOUT} seconds")
    name = entry.get("name") or _name(kind, what)
    return {"name": truncate(name, LONGEST_NAME), "kind": kind, "what": what, "timeout": timeout}


def check_health(host, checks, fetch):
    """A list of `name`, `kind`, `ok`, `message` and `seconds`, one for each check; `fetch` is that of http.py."""
    return [_run_check(host, check, fetch) for check in checks]


def _run_check(host, check, fetch):
    began = host.now()
    try:
        ok, message = CHECKS[check["kind"]][2](host, check["what"], check["timeout"], fetch)
    except Exception as failure:  # whatever a library makes of what a server answers: the check has failed
        ok, message = False, _failure_message(failure, check["timeout"])
    return {"name": check["name"], "kind": check["kind"], "ok": ok, "message": truncate(message, LONGEST_MESSAGE),
            "seconds": round(host.now() - began, 3)}


def _failure_message(failure, timeout):
    cause = getattr(failure, "reason", None) or failure  # urllib's URLError has what it came from
    if getattr(failure, "code", None) == "command-timed-out" or type(cause).__name__ in TIMEOUT_TYPES:
        return f"It was not over after {timeout} s and was stopped."
    return f"{getattr(cause, 'strerror', None) or str(cause) or type(cause).__name__}."


# What to check, as an option has it: None for what makes no sense.

def _argv(command):
    if isinstance(command, list):
        argv = [str(word) for word in command]
    else:
        try:
            argv = shlex.split(str(command))
        except ValueError:
            return None
    return argv if argv and argv[0] and not any("\0" in word for word in argv) else None


def parse_url(url):
    """A URL of http or https without the spaces around it; None for anything else."""
    try:
        parts = urlsplit(url.strip())
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        return None
    return url.strip() if fine and not re.search(r"[\s\0]", url.strip()) else None


def parse_unit(unit):
    """The name of one unit without the spaces around it; None for anything else."""
    return unit.strip() if UNIT.match(unit.strip()) else None


# Each check returns whether all is well, and a sentence.

def _run_command(host, argv, seconds, _fetch):
    status, output = host.run(argv, seconds)
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")
    end = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return status == 0, f"It {end}" + (f": {last}" if last else ".")


def _check_url(_host, url, seconds, fetch):
    status, reason = fetch(url, seconds)
    return 200 <= status < 300, f"The server answers {status} {reason}".strip() + "."


def _check_unit(host, unit, seconds, _fetch):
    if not Systemd.runs(host):
        return False, "This host has no systemd that could tell of a unit: check with a command or a url instead."
    properties = Systemd(host).properties(unit, PROPERTIES, seconds)
    states = {key: properties.get(key) or "unknown" for key in PROPERTIES}
    if states["LoadState"] not in ("loaded", "unknown"):
        return False, f"The unit is {states['LoadState']}."
    return states["ActiveState"] in HEALTHY_STATES, (
        "The unit is {ActiveState} ({SubState}), and its last result was {Result}.".format(**states))


# Kind: what makes sense of the option, what to give, the check itself.
CHECKS = {
    "command": (_argv, "a program and its arguments, as a list or as one text; there is no shell", _run_command),
    "url": (parse_url, "an address that begins with http:// or https://", _check_url),
    "unit": (parse_unit, "the name of a systemd unit such as nginx.service", _check_unit),
}


def _name(kind, what):
    """What a check is called that has no name; nobody has to read in a report how to log in somewhere."""
    if kind == "command":
        return " ".join(what)
    if kind == "url":
        parts = urlsplit(what)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return f"unit {what}"
