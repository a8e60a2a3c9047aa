# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the program for the person at the console; cli.py has those of the init system.

Imports within functions are of what only some commands need. Changing modules also import this file, to `refresh`, so
Ansible sends it and everything that it imports, and the program has it.
"""

import os
import sys
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._console.installation import NOT_ROOT, install_command
from ansible_collections.kernel.livepatch.plugins.module_utils._console.manual import HELP, manual_page, manual_text
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable

TIMEOUT_SECONDS = 90  # for a transition, as the default of the modules
DONE, FAILED, WRONG_USE = 0, 1, 2
TAKE_LEASE = "--take-lease"

# A call: the words that are no options, and the options, as a set.
Call = namedtuple("Call", "words options")
# run(host, call): returns the lines to print. changes: whether metrics and facts are written afterwards.
Command = namedtuple("Command", "run least most options changes")


def main(argv, host=None):
    """Run the command in `argv`; returns the exit status, as in the manual page."""
    call = Call([word for word in argv[1:] if not word.startswith("-")],
                {word for word in argv[1:] if word.startswith("-")})
    name = argv[0] if argv else ""
    command = COMMANDS.get(name)
    if command is None or not _fits(command, call):
        sys.stderr.write(f"bad-option: {_wrong_use(name, command)} Run: kernel-livepatch help\n")
        return WRONG_USE
    if host is None:
        from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host

        host = Host()
    if name not in HELP and host.user_id() != 0:
        sys.stderr.write("not-permitted: Only root can use kernel-livepatch. Run it with sudo.\n")
        return NOT_ROOT
    try:
        lines, status = command.run(host, call), DONE
    except (LivepatchError, OSError) as failure:
        error = as_livepatch_error(failure)
        lines, status = _finding_lines(error.details.get("findings", [])), FAILED
        sys.stderr.write(f"{error.code}: {error.message}\n")
    if command.changes:
        lines = lines + _finding_lines(refresh(host))
    _show(lines)
    return status


def _show(lines):
    """Print lines; whether someone can read them does not change what the command has done."""
    if sys.stdout is None:  # closed by the caller
        return
    try:
        # As bytes: a console at boot can have no encoding for a name.
        sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
        sys.stdout.flush()
    except OSError as error:
        # Python would write the rest again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(
                f"os-error: The command has ended, and its output could not be written ({error.strerror}). "
                "Run: kernel-livepatch status\n")


def refresh(host):
    """Write what others read of this host: the command, its manual page, the metrics and the facts.

    Returns findings about failures, and raises nothing.
    """
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
    from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.writer import write_outputs

    return install_command(host, manual_page()) + write_outputs(host, lambda: host_inventory(host))


def _fits(command, call):
    # No two options of a command go together.
    return (command.least <= len(call.words) <= command.most and call.options <= command.options
            and len(call.options) <= 1)


def _wrong_use(name, command):
    if command is None:
        return f"{printable(name)} is no command." if name else "The command is missing."
    return f"These are not the arguments of {name}."


def _finding_lines(findings):
    return [printable(f"{found['level']} {found['code']}: {found['message']}") for found in findings]


def _status(host, call):
    from ansible_collections.kernel.livepatch.plugins.module_utils._console.status import (
        json_lines,
        motd_lines,
        status_lines,
    )
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory

    show = {"--json": json_lines, "--motd": motd_lines}.get(next(iter(call.options), None), status_lines)
    return show(host_inventory(host))


def _revert(host, call):
    """As patch_rollback, and the same checks, lock, journal and lease."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back

    to = call.words[0] if call.words else "previous"
    result = roll_back(host, to, TIMEOUT_SECONDS, "reverse", controller=_controller(call))
    target = ", ".join(result["target"]) or "no live patch"
    if not result["changed"]:
        return [f"Nothing was changed. This host runs {target}.", *_finding_lines(result["findings"])]
    removed, restored = ([one["name"] for one in result[key]] for key in ("removed", "restored"))
    return [*(f"Removed {name}." for name in removed), *(f"Loaded {name}." for name in restored),
            f"This host now runs {target} (transaction {result['transaction']}).",
            *_finding_lines(result["findings"])]


def _accept(host, call):
    """As patch with `state: accepted` over a new connection: whoever types this has reached the host."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch import apply_request
    from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PatchRequest

    result = apply_request(host, PatchRequest(
        offer=None, name=call.words[0], version=None, state="accepted", timeout=TIMEOUT_SECONDS, on_stall="reverse",
        ignore_findings=[], params={}, trial=0, fresh=True, adopt=False, watch=None, kernel=None),
        controller=_controller(call))
    name = result["patch"]["name"]
    said = f"{name} is accepted: each boot of this kernel loads it." if result["changed"] else (
        f"Nothing was changed. {name} is accepted.")
    return [said, *_finding_lines(result["findings"])]


def _forget_quarantine(host, call):
    from ansible_collections.kernel.livepatch.plugins.module_utils._console.quarantine import forget_quarantine

    return [f"{entry['name']} (build {entry['build_id']}) is no longer in quarantine. It can be loaded with patch."
            for entry in forget_quarantine(host, call.words[0], _controller(call))]


def _refresh(host, _call):
    findings = refresh(host)
    errors = [found for found in findings if found["level"] == "warning"]
    if errors:
        others = [found for found in findings if found is not errors[0]]
        raise LivepatchError(errors[0]["code"], errors[0]["message"], findings=others)
    return _finding_lines(findings)


def _controller(call):
    return {"take_lease": TAKE_LEASE in call.options}


def _help(_host, _call):
    return manual_text().splitlines()


COMMANDS = {
    "status": Command(_status, 0, 0, {"--json", "--motd"}, False),
    "revert": Command(_revert, 0, 1, {TAKE_LEASE}, True),
    "accept": Command(_accept, 1, 1, {TAKE_LEASE}, True),
    "forget-quarantine": Command(_forget_quarantine, 1, 1, {TAKE_LEASE}, True),
    "refresh": Command(_refresh, 0, 0, set(), False),
    **{word: Command(_help, 0, 0, set(), False) for word in HELP},
}
