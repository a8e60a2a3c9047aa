# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an operator's health checks on a host, one after another; see options.py."""

from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import UP, Systemd
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

LONGEST_MESSAGE = 300  # characters
PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result")
TIMEOUT_TYPES = ("DeadlineExceeded", "timeout", "TimeoutError")  # of url.py, and of sockets (theirs was renamed)
TIMED_OUT = "It did not end within {timeout} s and was stopped."
HEALTHY_STATES = tuple(state for state in UP if state != "activating")


def check_health(host, checks, fetch):
    """A list of `name`, `kind`, `ok`, `message` and `seconds`, one for each check; `fetch` is that of url.py."""
    return [run_check(host, check, fetch) for check in checks]


def run_check(host, check, fetch):
    """The result of one check, see check_health; never raises."""
    began = host.now()
    try:
        ok, message = RUNNERS[check["kind"]](host, check["what"], check["timeout"], fetch)
    except Exception as failure:  # any error of a library about an answer: the check has failed
        ok, message = False, _failure_message(failure, check["timeout"])
    return result_of(check, ok, message, host.now() - began)


def result_of(check, ok, message, seconds):
    """One entry of check_health."""
    return {"name": check["name"], "kind": check["kind"], "ok": ok, "message": truncate(message, LONGEST_MESSAGE),
            "seconds": round(seconds, 3)}


def _failure_message(failure, timeout):
    cause = getattr(failure, "reason", None) or failure  # urllib's URLError has the original error
    if getattr(failure, "code", None) == "command-timed-out" or type(cause).__name__ in TIMEOUT_TYPES:
        return TIMED_OUT.format(timeout=timeout)
    return f"{getattr(cause, 'strerror', None) or str(cause) or type(cause).__name__}."


# Each check returns whether it passed, and a sentence.

def _run_command(host, argv, seconds, _fetch):
    status, output = host.run(argv, seconds)
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")
    end = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return status == 0, f"It {end}" + (f": {last}" if last else ".")


def _check_url(_host, what, seconds, fetch):
    status, reason = fetch(what[0], seconds)
    return 200 <= status < 300, f"The server answers {status} {reason}".strip() + "."


def _check_unit(host, what, seconds, _fetch):
    if not Systemd.runs(host):
        return False, "This host has no systemd, so a unit cannot be checked. Use a command or a url instead."
    properties = Systemd(host).properties(what[0], PROPERTIES, seconds)
    if not properties.get("ActiveState"):
        # A line without a value is a message of systemctl.
        why = next((line for line, value in properties.items() if line and not value), "no output")
        return False, f"systemctl does not show the state of the unit: {why}"
    states = {key: properties.get(key) or "unknown" for key in PROPERTIES}
    if states["LoadState"] not in ("loaded", "unknown"):
        return False, f"The unit is {states['LoadState']}."
    return states["ActiveState"] in HEALTHY_STATES, (
        "The unit is {ActiveState} ({SubState}), and its last result was {Result}.".format(**states))


RUNNERS = {"command": _run_command, "url": _check_url, "unit": _check_unit}
