# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person at the console of a simulated host types, and what happens then."""

import json
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._console.commands import COMMANDS, main
from ansible_collections.kernel.livepatch.plugins.module_utils._console.manual import COMMANDS as DOCUMENTED
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import ensure_program
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.controller_half import assert_fits
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    V1,
    V2,
    accept,
    accepted,
    quarantined,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.leased_host import ALICE
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)


@pytest.fixture
def host(kernel):
    """A simulated kernel with systemd."""
    kernel.put("/proc/sys/kernel/random/boot_id", "boot-1\n")
    SimulatedSystemd(kernel)
    return kernel


@pytest.fixture
def console(host, capsysbinary):
    """console(words): the exit status, the lines of standard output, and standard error."""
    def call(*words):
        status = main(list(words), host)
        captured = capsysbinary.readouterr()
        return status, captured.out.decode().splitlines(), captured.err.decode()
    return call


def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def full_device():
    return os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")


@pytest.mark.parametrize(("opened", "said"), [
    (closed_pipe, ""), (lambda: None, ""),
    (full_device, "os-error: The command has ended, and its output could not be written (No space")])
def test_output_that_nobody_can_read_ends_no_command(host, apply, monkeypatch, capfd, opened, said):
    accept(apply, V1)
    apply(ONE, trial=600)
    output = opened()
    monkeypatch.setattr("sys.stdout", output)
    assert main(["revert", "--take-lease"], host) == 0
    assert main(["status"], host) == 0
    error = capfd.readouterr().err
    assert error.startswith(said) and bool(error) is bool(said)
    if output is not None:
        output.close()  # writes nothing more
    assert [patch["name"] for patch in host_inventory(host)["patches"]] == ["v1"]


def test_status_shows_what_patch_info_does(host, apply, console):
    assert console("status") == (0, [
        "Kernel 6.1.0-56-amd64 (x86_64), interface livepatch", "No live patch is loaded.",
        "The next boot of this kernel loads: no live patch"], "")
    accept(apply, V1)
    apply(ONE, trial=600)
    status, lines, error = console("status")
    assert (status, error) == (0, "")
    assert lines[1:5] == [
        "v1 (build 111111111111): accepted, 1 function in effect",
        "one (build 333333333333): on trial, 1 function in effect",
        "Trial of one: in 600 s this host reverts to v1, unless it is accepted.",
        "The next boot of this kernel loads: v1"]
    inventory = json.loads("\n".join(console("status", "--json")[1]))
    assert_fits("patch_info", {"changed": False, "livepatch": inventory})
    assert inventory == json.loads(json.dumps(host_inventory(host)))


def test_the_message_of_the_day_is_one_line_where_there_is_something_to_say(host, apply, console):
    assert console("status", "--motd") == (0, [], "")
    apply(V1, trial=600)
    assert console("status", "--motd")[1] == ["Live patches: v1 on trial. This host reverts v1 in 600 s."]
    host.put("/var/lib/kernel-livepatch/ledger.json", "{")
    (line,) = console("status", "--motd")[1]
    assert line.endswith("1 warning about live patches. See: kernel-livepatch status")


def test_a_name_from_the_kernel_cannot_write_to_the_terminal(host, console):
    host.put("/proc/sys/kernel/osrelease", "6.1\x1b[2J\n")
    assert console("status")[1][0].startswith("Kernel 6.1?[2J ")


def test_revert_is_a_rollback_in_the_journal(host, apply, interface, console):
    accept(apply, V1)
    apply(V2, trial=600)
    status, lines, error = console("revert")
    assert (status, error, stack(host, interface)) == (0, "", ["v1"])
    entry = history(host)["journal"][0]
    assert (entry["action"], entry["outcome"]) == ("rollback", "done")
    assert f"This host now runs v1 (transaction {entry['transaction']})." in lines
    assert console("revert")[1][0] == "Nothing was changed. This host runs v1."
    assert console("revert", "original")[0] == 0
    assert (stack(host, interface), accepted(host)) == ([], [])


def test_revert_without_an_earlier_change_fails_with_the_code_of_the_module(console):
    status, lines, error = console("revert")
    assert (status, lines) == (1, [])
    assert error.startswith("no-previous: ")


def test_accept_keeps_the_enabled_patch(host, apply, console):
    apply(V1, trial=600)
    assert console("accept", "v1")[:2] == (0, ["v1 is accepted: each boot of this kernel loads it."])
    assert accepted(host) == ["v1"]
    assert console("accept", "v1")[1] == ["Nothing was changed. v1 is accepted."]


@pytest.mark.parametrize("name, code", [("v2", "file-unknown"), ("v1", "watch-not-run")])
def test_accept_is_refused_as_by_the_module(host, apply, console, name, code):
    host.guard_looks = False
    apply(V1, trial=600)
    status, _lines, error = console("accept", name)
    assert status == 1
    assert error.startswith(f"{code}: ")
    assert accepted(host) == []


@pytest.mark.parametrize("words", [("revert",), ("accept", "v2"), ("forget-quarantine", "v2")])
def test_a_host_of_a_run_is_changed_only_when_told_so(host, apply, console, words):
    accept(apply, V1)
    apply(V2, trial=600, controller=ALICE)
    status, _lines, error = console(*words)
    assert (status, error.split(":")[0]) == (1, "host-leased")
    assert console(*words, "--take-lease")[2].split(":")[0] in ("", "not-quarantined")


def test_a_quarantined_build_is_forgotten_and_can_be_loaded_again(host, apply, console):
    apply(V1, trial=600)
    reboot(host, clean=False)
    assert console("forget-quarantine", "v2")[2].startswith(
        "not-quarantined: v2 is not in quarantine on this host. Give one of these names: v1.")
    assert [entry["name"] for entry in host_inventory(host)["quarantined"]] == ["v1"]
    status, lines, error = console("forget-quarantine", "v1")
    assert (status, error) == (0, "")
    assert lines == [f"v1 (build {'11' * 20}) is no longer in quarantine. It can be loaded with patch."]
    assert quarantined(host) == []
    entry = history(host)["journal"][0]
    assert (entry["action"], entry["outcome"], entry["patches"][0]["previous_state"]) == (
        "forget-quarantine", "done", "quarantined")
    assert apply(V1)["changed"]


def test_refresh_says_every_finding_once(host, console):
    ensure_program(host)
    os.chmod(host.path("/usr/local/sbin"), 0o775)
    host.put("/etc/kernel-livepatch.conf", "[metrics]\ndirectory = /none/a\n[facts]\ndirectory = /none/b\n")
    status, lines, error = console("refresh")
    assert (status, error.split(":")[0], error.count("\n")) == (1, "output-not-written", 1)
    assert [line.split(":")[0] for line in lines] == ["note command-not-installed", "warning output-not-written"]
    assert "/none/a" in error and "/none/b" in lines[1]


@pytest.mark.parametrize("words", [
    (), ("reboot",), ("status", "now"), ("status", "--json", "--motd"), ("accept",), ("accept", "a", "b"),
    ("revert", "--force"), ("refresh", "--json")])
def test_wrong_use_does_nothing(host, console, words):
    status, lines, error = console(*words)
    assert (status, lines) == (2, [])
    assert error.startswith("bad-option: ")
    assert error.endswith("Run: kernel-livepatch help\n")


def test_only_root_can_use_it_and_everyone_can_read_the_help(host, console, monkeypatch):
    monkeypatch.setattr(host, "user_id", lambda: 1000)
    assert console("status") == (3, [], "not-permitted: Only root can use kernel-livepatch. Run it with sudo.\n")
    assert console("help")[0] == console("--help")[0] == 0


def test_what_the_system_refuses_is_one_line(host, console):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)
    host.forbidden = ("/sys/kernel/livepatch",)
    host.names = refuse
    status, lines, error = console("status")
    assert (status, lines, error.count("\n")) == (1, [], 1)
    assert error.startswith("os-error: ")


def test_every_command_is_documented():
    assert {arguments.split()[0] for arguments, _text in DOCUMENTED} == {
        name for name in COMMANDS if not name.startswith("-")}
