# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host's init system is asked: for a trial's end, and for what runs at boot; systemd is simulated."""

import os
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import (
    arm,
    armed,
    boot_service_status,
    disarm,
    install_boot_service,
    schedule_boot_confirmation,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import PID
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    LOST_UNIT_FILE,
    UNIT,
    UNIT_FILE,
    WANTED,
    SimulatedSystemd,
)

ID = "20261121T091653.250000Z-9f3c2a1b"
SERVICE = f"kernel-livepatch-trial-{ID}.service"
PROGRAM = ["/usr/bin/python3", "-I", "-B", "/var/lib/kernel-livepatch/program.pyz"]
END = [*PROGRAM, "end-trial"]


TRIAL = {"transaction": ID, "name": "fix", "since": "2026-11-21T09:16:53Z", "seconds": 300, "ends": 390, "back_to": []}


@pytest.fixture
def host(kernel):
    """A simulated host whose ledger has a trial."""
    write_ledger(kernel, dict(empty_ledger(), boot_id="x", trial=TRIAL))
    return kernel


@pytest.fixture
def systemd(host):
    return SimulatedSystemd(host)


def test_a_trial_runs_from_its_beginning_and_again_when_it_is_killed(kernel, systemd):
    arm(kernel, ID, END)
    assert systemd.units == {SERVICE: END}
    argv = kernel.commands[0]
    assert argv[0] == "/usr/bin/systemd-run"
    assert {"--property=Restart=on-failure", "--property=RestartForceExitStatus=SIGTERM SIGINT SIGHUP"} < set(argv)
    assert armed(kernel, ID)
    assert not armed(kernel, ID.replace("9f3c", "0000"))


def test_a_trial_whose_process_waits_to_be_started_again_is_armed(kernel, systemd):
    systemd.units[SERVICE] = END
    answer = kernel.answer
    kernel.answer = lambda argv: (0, answer(argv)[1].replace("=active", "=activating"))
    assert armed(kernel, ID)


@pytest.mark.parametrize("said", ["Failed to connect to bus", ""])
def test_a_trial_that_systemd_does_not_start_is_not_armed(kernel, systemd, said):
    systemd.broken["systemd-run"] = f"a warning\n{said}" if said else ""
    with pytest.raises(LivepatchError) as raised:
        arm(kernel, ID, END)
    assert raised.value.code == "trial-not-armed"
    assert f"({said or 'no output'})" in raised.value.message


def test_a_trial_is_armed_when_what_ends_it_says_that_it_waits(kernel, systemd):
    """Not when systemd says so: what has not been read into memory by then may never be."""
    write_ledger(kernel, dict(empty_ledger(), accepted=[], trial=dict(TRIAL, transaction="another")))
    with pytest.raises(LivepatchError, match="nothing is loaded") as raised:
        arm(kernel, ID, END)
    assert raised.value.code == "trial-not-armed"
    assert kernel.now() >= 180


def test_a_trial_is_not_armed_without_systemds_programs(kernel, systemd):
    def missing(argv, seconds):
        raise FileNotFoundError(2, "No such file or directory", argv[0])

    kernel.run = missing
    with pytest.raises(LivepatchError) as raised:
        arm(kernel, ID, END)
    assert raised.value.code == "trial-not-armed"


def test_a_trials_end_is_called_off(kernel, systemd):
    arm(kernel, ID, END)
    disarm(kernel, ID)
    assert systemd.units == {}
    disarm(kernel, ID)  # as harmless as the first time


def test_a_trials_end_does_not_stop_itself(kernel, systemd):
    arm(kernel, ID, END)
    answer = kernel.answer
    kernel.answer = lambda argv: (0, f"MainPID={PID}") if "--property=MainPID" in argv else answer(argv)
    disarm(kernel, ID)
    assert SERVICE in systemd.units


def test_a_systemd_that_does_not_answer_is_no_reason_to_fail_when_a_trial_is_over(kernel, systemd):
    def stuck(argv, seconds):
        raise LivepatchError("command-timed-out", "x")

    kernel.run = stuck
    disarm(kernel, ID)


def test_what_an_id_has_that_no_unit_may_be_called_is_replaced(kernel, systemd):
    write_ledger(kernel, dict(empty_ledger(), trial=dict(TRIAL, transaction="a/b c%d")))
    arm(kernel, "a/b c%d", END)
    assert list(systemd.units) == ["kernel-livepatch-trial-a_b_c_d.service"]


def test_the_proof_is_a_timer_that_nobody_waits_for(kernel, systemd):
    schedule_boot_confirmation(kernel, [*PROGRAM, "confirm-boot"], 600)
    assert systemd.timers == {"kernel-livepatch-confirm-boot.service": [*PROGRAM, "confirm-boot"]}
    assert {"--on-active=600s", "--no-block"} < set(kernel.commands[-1])


def test_the_boot_part_is_installed_enabled_and_started_once(kernel, systemd):
    assert boot_service_status(kernel) == {
        "init": "systemd", "installed": False, "enabled": False, "obstacle": None, "switched_off": False}
    assert install_boot_service(kernel, PROGRAM)
    assert systemd.asked() == ["show", "start", "show"]
    assert os.readlink(kernel.path(WANTED)) == UNIT_FILE
    assert stat.S_IMODE(os.stat(kernel.path(UNIT_FILE)).st_mode) == 0o644
    assert UNIT in systemd.units
    assert boot_service_status(kernel) == {
        "init": "systemd", "installed": True, "enabled": True, "obstacle": None, "switched_off": False}
    kernel.commands.clear()
    assert install_boot_service(kernel, PROGRAM)
    assert systemd.asked() == ["show"]


def test_the_unit_runs_the_program_before_anybody_can_log_in(kernel, systemd):
    install_boot_service(kernel, PROGRAM)
    lines = kernel.read(UNIT_FILE).split("\n")
    program = " ".join(PROGRAM)
    assert f"ExecStart=-{program} boot" in lines
    assert f"ExecStopPost={program} shutdown" in lines
    assert "Before=ssh.service sshd.service multi-user.target" in lines
    assert "ConditionPathExists=/var/lib/kernel-livepatch/ledger.json" in lines


def test_a_unit_with_another_program_is_replaced_and_not_enabled_again(kernel, systemd):
    install_boot_service(kernel, PROGRAM)
    os.unlink(kernel.path(WANTED))  # systemctl disable
    kernel.commands.clear()
    assert install_boot_service(kernel, ["/usr/libexec/platform-python", *PROGRAM[1:]])
    assert "daemon-reload" in systemd.asked()
    assert "ExecStart=-/usr/libexec/platform-python" in kernel.read(UNIT_FILE)
    assert boot_service_status(kernel)["installed"]
    assert not boot_service_status(kernel)["enabled"]


def test_a_unit_that_is_enabled_and_was_not_written_any_more_is_written(kernel, systemd):
    install_boot_service(kernel, PROGRAM)
    os.unlink(kernel.path(UNIT_FILE))
    assert not boot_service_status(kernel)["enabled"]
    assert install_boot_service(kernel, PROGRAM)
    assert boot_service_status(kernel)["enabled"]


def test_a_masked_unit_is_left_alone(kernel, systemd):
    os.makedirs(os.path.dirname(kernel.path(UNIT_FILE)))
    os.symlink("/dev/null", kernel.path(UNIT_FILE))
    assert not install_boot_service(kernel, PROGRAM)
    assert os.readlink(kernel.path(UNIT_FILE)) == "/dev/null"
    assert kernel.commands == []
    assert not boot_service_status(kernel)["installed"]


def nix(kernel):
    """/etc/systemd/system is a link into the store, as on NixOS, where systemd's programs are elsewhere too."""
    os.makedirs(kernel.path("/nix/store/0c4-units"))
    os.makedirs(kernel.path("/etc/systemd"))
    os.symlink("../../nix/store/0c4-units", kernel.path("/etc/systemd/system"))
    for program in ("systemctl", "systemd-run"):
        os.unlink(kernel.path(f"/usr/bin/{program}"))
        kernel.put(f"/run/current-system/sw/bin/{program}", "")


def image(kernel):
    """/etc is a part of a read-only image."""
    kernel.is_read_only = lambda path: path.startswith("/etc/")


@pytest.mark.parametrize("kind", [nix, image])
def test_where_etc_cannot_be_written_the_unit_is_in_run(kernel, systemd, kind):
    kind(kernel)
    assert install_boot_service(kernel, PROGRAM)
    assert kernel.read(LOST_UNIT_FILE).count(" ".join(PROGRAM)) == 2
    assert UNIT in systemd.units
    assert not kernel.exists(UNIT_FILE) and not os.path.lexists(kernel.path(WANTED))
    status = boot_service_status(kernel)
    assert (status["installed"], status["enabled"]) == (True, False)
    assert status["obstacle"] == (
        f"the unit is {LOST_UNIT_FILE}, and /etc/systemd/system cannot be written on this host, so a reboot loses the "
        "unit. After each boot, set them to state accepted again")
    kernel.commands.clear()
    assert install_boot_service(kernel, PROGRAM, enable=True)
    assert set(systemd.asked()) == {"show"}
    arm(kernel, ID, END)
    assert armed(kernel, ID)


def test_a_unit_that_is_in_etc_already_stays_the_unit(kernel, systemd):
    """As where an operator mounts /etc writable for a change."""
    install_boot_service(kernel, PROGRAM)
    image(kernel)
    assert install_boot_service(kernel, PROGRAM)
    status = boot_service_status(kernel)
    assert (status["enabled"], status["obstacle"]) == (True, None)


@pytest.mark.parametrize("path, why", [
    ("/etc", "the unit is /etc/systemd/system/kernel-livepatch.service, and this file system is in memory (tmpfs)"),
    ("/var", "this host keeps them in /var/lib/kernel-livepatch, and this file system is in memory (tmpfs)"),
    ("/srv", None)])
def test_what_a_reboot_loses_is_an_obstacle(kernel, systemd, path, why):
    kernel.put("/proc/self/mountinfo", f"1 1 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / {path} rw - tmpfs tmpfs rw\n")
    assert install_boot_service(kernel, PROGRAM)
    obstacle = boot_service_status(kernel)["obstacle"]
    assert obstacle is None if why is None else obstacle.startswith(why)


def test_a_unit_that_is_masked_for_this_boot_is_left_alone(kernel, systemd):
    os.symlink("/dev/null", kernel.path(LOST_UNIT_FILE))
    assert not install_boot_service(kernel, PROGRAM)
    assert boot_service_status(kernel)["obstacle"].startswith("the unit kernel-livepatch.service is masked")
    assert kernel.commands == []


def test_a_mask_in_run_has_no_effect_on_a_unit_in_etc(kernel, systemd):
    install_boot_service(kernel, PROGRAM)
    os.symlink("/dev/null", kernel.path(LOST_UNIT_FILE))
    assert install_boot_service(kernel, PROGRAM)
    status = boot_service_status(kernel)
    assert (status["enabled"], status["obstacle"]) == (True, None)


def test_a_unit_whose_condition_does_not_hold_watches_nothing(kernel, systemd):
    os.unlink(kernel.path("/var/lib/kernel-livepatch/ledger.json"))
    assert not install_boot_service(kernel, PROGRAM)


@pytest.mark.parametrize("verb", ["daemon-reload", "start"])
def test_a_boot_part_that_cannot_be_started_is_told(kernel, systemd, verb):
    systemd.finds_nothing_new = True
    systemd.broken[verb] = "Failed to connect to bus"
    with pytest.raises(LivepatchError, match="Failed to connect to bus") as raised:
        install_boot_service(kernel, PROGRAM)
    assert raised.value.code == "boot-service-failed"


def test_a_systemd_that_does_not_answer_is_one_failure_of_the_boot_service(kernel, systemd):
    systemd.slow.add("show")
    with pytest.raises(LivepatchError) as raised:
        install_boot_service(kernel, PROGRAM)
    assert raised.value.code == "boot-service-failed"


def test_a_trial_that_systemd_starts_after_its_time_is_armed(kernel, systemd, monkeypatch):
    def late(argv):
        systemd.units[SERVICE] = END
        kernel._guard(PID)
        raise LivepatchError("command-timed-out", "systemd-run took longer.")

    monkeypatch.setattr(systemd, "_systemd_run", late)
    arm(kernel, ID, END)
    assert armed(kernel, ID)


def test_a_trial_that_a_busy_systemd_does_not_start_is_not_armed(kernel, systemd):
    systemd.slow.add("systemd-run")
    with pytest.raises(LivepatchError, match="took longer") as raised:
        arm(kernel, ID, END)
    assert raised.value.code == "trial-not-armed"


def test_a_confirmation_that_is_scheduled_is_not_scheduled_again(kernel, systemd):
    confirm = [*PROGRAM, "confirm-boot"]
    schedule_boot_confirmation(kernel, confirm, 600)
    schedule_boot_confirmation(kernel, confirm, 600)
    assert systemd.asked().count("systemd-run") == 1


def test_a_confirmation_that_cannot_be_scheduled_is_told(kernel, systemd):
    systemd.broken["systemd-run"] = "Unit kernel-livepatch-confirm-boot.service was already loaded."
    with pytest.raises(LivepatchError, match="already loaded"):
        schedule_boot_confirmation(kernel, [*PROGRAM, "confirm-boot"], 600)


def test_services_that_failed_can_be_started_again(kernel, systemd):
    arm(kernel, ID, END)
    schedule_boot_confirmation(kernel, [*PROGRAM, "confirm-boot"], 600)
    assert ["--collect" in argv for argv in kernel.commands if "systemd-run" in argv[0]] == [True, True]


def test_a_boot_part_that_cannot_be_written_is_told(kernel, systemd):
    kernel.put("/etc/systemd", "a file where a directory has to be")
    with pytest.raises(LivepatchError) as raised:
        install_boot_service(kernel, PROGRAM)
    assert raised.value.code == "boot-service-failed"


@pytest.mark.parametrize("line, expected", [
    ("quiet kernel_livepatch=off", True), ("quiet kernel_livepatch=on", False), ("xkernel_livepatch=off", False)])
def test_the_switch_is_a_word_of_the_kernels_command_line(kernel, line, expected):
    kernel.put("/proc/cmdline", f"{line}\n")
    assert boot_service_status(kernel) == {
        "init": "none", "installed": False, "enabled": False, "switched_off": expected,
        "obstacle": "this host has no systemd. After each boot, set them to state accepted again"}


def test_without_systemd_a_trial_has_a_process_of_its_own(host):
    arm(host, ID, END)
    assert host.spawned == [[*END, "detached"]]
    assert host.commands == []
    assert armed(host, ID)
    assert not armed(host, ID.replace("9f3c", "0000"))


def test_a_process_that_is_gone_or_another_one_is_not_armed(host):
    arm(host, ID, END)
    line = host.read("/proc/5001/stat")
    host.put("/proc/5001/stat", line.replace(" 12345 ", " 99999 "))
    assert not armed(host, ID)
    host.put("/proc/5001/stat", line)
    assert armed(host, ID)
    os.unlink(host.path("/proc/5001/stat"))
    assert not armed(host, ID)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"pid": {}}'])
def test_what_is_not_a_note_of_a_process_guards_nothing(host, text):
    host.put("/run/kernel-livepatch/trial-process", text)
    assert not armed(host, ID)


def test_a_process_that_does_not_start_or_stay_is_no_way_back(host, monkeypatch):
    monkeypatch.setattr(host, "spawn", lambda argv: 4999)
    with pytest.raises(LivepatchError, match="ended at once") as raised:
        arm(host, ID, END)
    assert raised.value.code == "trial-not-armed"
    assert host.now() == 0

    def missing(argv):
        raise FileNotFoundError(2, "No such file or directory", argv[0])

    monkeypatch.setattr(host, "spawn", missing)
    with pytest.raises(LivepatchError, match="No such file") as raised:
        arm(host, ID, END)
    assert raised.value.code == "trial-not-armed"


def test_without_systemd_nobody_watches_beyond_a_trial(kernel):
    assert not install_boot_service(kernel, PROGRAM)
    schedule_boot_confirmation(kernel, [*PROGRAM, "confirm-boot"], 600)
    disarm(kernel, ID)
    assert kernel.spawned == kernel.commands == []
    assert not os.path.exists(kernel.path("/etc/systemd"))


# systemd 219, as in Amazon Linux 2; 234, as in SUSE Linux Enterprise 15 SP2; one that takes the option only
TOO_OLD = pytest.mark.parametrize("said", [
    "systemd-run: unrecognized option '--collect'", "Unknown assignment: RestartForceExitStatus=SIGTERM SIGINT SIGHUP",
    "Failed to start transient service unit: Cannot set property RestartForceExitStatus, or unknown property."])


@TOO_OLD
def test_an_older_systemd_has_the_trial_in_a_file(kernel, systemd, said):
    systemd.too_old = said
    arm(kernel, ID, END)
    assert systemd.units == {SERVICE: END}
    assert armed(kernel, ID)
    lines = kernel.read(f"/run/systemd/system/{SERVICE}").splitlines()
    assert {"Restart=on-failure", "RestartForceExitStatus=SIGTERM SIGINT SIGHUP", "OOMScoreAdjust=-1000"} < set(lines)
    assert stat.S_IMODE(os.stat(kernel.path(f"/run/systemd/system/{SERVICE}")).st_mode) == 0o644
    disarm(kernel, ID)
    assert (systemd.units, kernel.names("/run/systemd/system")) == ({}, [])


@TOO_OLD
def test_an_older_systemd_has_the_confirmation_in_files(kernel, systemd, said):
    systemd.too_old = said
    confirm = [*PROGRAM, "confirm-boot"]
    schedule_boot_confirmation(kernel, confirm, 600)
    assert systemd.timers == {"kernel-livepatch-confirm-boot.service": confirm}
    assert "OnActiveSec=600s" in kernel.read("/run/systemd/system/kernel-livepatch-confirm-boot.timer").splitlines()


def test_a_systemd_that_is_too_old_and_broken_arms_nothing(kernel, systemd):
    systemd.too_old = "systemd-run: unrecognized option '--collect'"
    systemd.broken["daemon-reload"] = "Failed to reload daemon: Connection timed out"
    with pytest.raises(LivepatchError, match="Connection timed out") as raised:
        arm(kernel, ID, END)
    assert raised.value.code == "trial-not-armed"
