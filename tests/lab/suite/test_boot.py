# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host does by itself when it starts, after a clean end of the boot before and after a crash."""

from __future__ import annotations

import pytest
from guest import STORE, UNIT
from wholeness import assert_whole, codes


def accept(play, *files):
    for file in files:
        outcome = play("patch", src=file, state="accepted")
        assert outcome.code == 0, outcome.output


def moment(guest, unit, what):
    """A moment of a unit in microseconds since the kernel started; 0 where it has not come."""
    return int(guest.run(f"systemctl show --value -p {what}TimestampMonotonic {unit}"))


def test_an_accepted_patch_is_loaded_before_sshd_starts(start, patches, seen):
    guest, play = start()
    accept(play, patches["cmdline_v1"], patches["second_of_two"])
    guest.reboot()
    assert guest.version() == "v1"
    assert guest.read("/sys/kernel/mm/transparent_hugepage/khugepaged/full_scans") == "patched\n"
    loaded = moment(guest, UNIT, "ActiveEnter")
    assert 0 < loaded < moment(guest, "ssh.service", "ExecMainStart")
    livepatch = assert_whole(guest, play, "boot done", *["accept done", "patch done"] * 2)
    assert [(patch["name"], patch["state"]) for patch in livepatch["patches"]] == [
        ("cmdline_v1", "accepted"), ("second_of_two", "accepted")]
    assert (livepatch["quarantined"], codes(livepatch["drift"])) == ([], set())
    assert play("patch_verify").result["verified"] is True
    assert "ordering cycle" not in guest.run("journalctl -b --no-pager")
    assert guest.run(f"systemd-analyze verify {UNIT} 2>&1 || true") == ""
    seen("reboot with two accepted patches", "both loaded, in their order, before sshd started")


@pytest.mark.exhaustive
def test_a_reboot_ends_a_trial_and_quarantines_no_patch(start, patches, seen):
    guest, play = start()
    accept(play, patches["cmdline_cumulative_1"])
    assert play("patch", src=patches["cmdline_cumulative_2"], trial=600).code == 0
    guest.reboot()
    assert guest.version() == "c1"
    livepatch = assert_whole(guest, play, "boot done", "patch done", "accept done", "patch done")
    assert (livepatch["quarantined"], livepatch["trial"], guest.guards()) == ([], None, [])
    assert play("patch", src=patches["cmdline_cumulative_2"], state="accepted").code == 0
    seen("v1 accepted, v2 on trial, clean reboot", "v1 runs; v2 is not loaded and not quarantined")


def test_a_patch_that_panics_on_trial_is_quarantined(start, patches, seen):
    guest, play = start()
    accept(play, patches["cmdline_v1"])
    assert play("patch", src=patches["panic_soon"], trial=600).code == 0
    boot_id = guest.boot_id()
    guest.read_soon("/proc/execdomains")
    guest.wait_for_new_boot(boot_id)
    assert (guest.version(), guest.live_patches()) == ("v1", ["cmdline_v1"])
    livepatch = assert_whole(guest, play, "boot done", "patch done", "accept done", "patch done")
    assert [(entry["name"], entry["why"]) for entry in livepatch["quarantined"]] == [("panic_soon", "crashed-on-trial")]
    assert "in-quarantine" in codes(livepatch["drift"])
    refused = play("patch", src=patches["panic_soon"])
    assert (refused.code, refused.result["code"]) == (2, "quarantined"), refused.output
    assert guest.live_patches() == ["cmdline_v1"]
    assert play("patch", src=patches["panic_soon"], ignore_findings=["quarantined"]).code == 0
    accept(play, patches["panic_soon"])
    assert play("patch_info").result["livepatch"]["quarantined"] == []
    seen("a patch on trial with a panic", "host is up again; the patch is quarantined, the accepted one runs")


@pytest.mark.exhaustive
def test_a_patch_that_panics_soon_after_boot_is_not_loaded_again(start, patches, seen):
    guest, play = start()
    accept(play, patches["panic_soon"])
    guest.reboot()
    assert guest.live_patches() == ["panic_soon"]
    boot_id = guest.boot_id()
    guest.read_soon("/proc/execdomains")
    guest.wait_for_new_boot(boot_id)
    assert guest.live_patches() == []
    livepatch = assert_whole(guest, play, "boot done", "accept done", "patch done")
    assert [(entry["name"], entry["why"]) for entry in livepatch["quarantined"]] == [
        ("panic_soon", "crashed-after-boot")]
    assert (livepatch["accepted"], codes(livepatch["drift"])) == ([], {"in-quarantine"})
    guest.reboot()
    assert guest.live_patches() == []
    seen("a crash soon after an accepted patch was loaded at boot", "not loaded again: quarantined")


@pytest.mark.exhaustive
def test_a_confirmed_patch_survives_a_crash(start, patches, seen):
    guest, play = start()
    accept(play, patches["cmdline_v1"])
    guest.reboot()
    service = guest.run("systemctl list-timers --all --plain --no-legend 'kernel-livepatch-*'").split()[-1]
    guest.run(f"systemctl start {service}")  # as its timer does after ten minutes
    guest.wait(f"grep -q '\"confirmed\": true' {STORE}/ledger.json")
    guest.reset()
    livepatch = assert_whole(guest, play, "boot done", "boot done", "accept done", "patch done")
    assert (guest.version(), livepatch["quarantined"]) == ("v1", [])
    seen("a power cut long after an accepted patch was loaded at boot", "loaded again")


@pytest.mark.exhaustive
def test_a_power_cut_with_an_accepted_patch_quarantines_no_patch(start, patches, seen):
    """It was accepted in the boot that the crash ended, so it had run before, and nobody had loaded it at boot."""
    guest, play = start()
    accept(play, patches["cmdline_v1"])
    guest.reset()
    livepatch = assert_whole(guest, play, "boot done", "accept done", "patch done")
    assert (guest.version(), livepatch["quarantined"]) == ("v1", [])
    seen("a power cut after a patch was accepted", "loaded at boot")


@pytest.mark.exhaustive
def test_a_word_on_the_kernels_command_line_switches_it_off(start, patches, seen):
    guest, play = start()
    accept(play, patches["cmdline_v1"])
    guest.run("sync")
    guest.machine.restart("kernel_livepatch=off")
    guest.machine.wait_for_ssh()
    assert guest.live_patches() == []
    livepatch = assert_whole(guest, play, "accept done", "patch done")
    assert (livepatch["boot"]["switched_off"], livepatch["boot"]["patches"]) == (True, ["cmdline_v1"])
    drift, = livepatch["drift"]
    assert (drift["code"], drift["subject"]) == ("accepted-not-loaded", "cmdline_v1")
    assert "kernel_livepatch=off" in drift["message"]
    guest.machine.restart()
    guest.machine.wait_for_ssh()
    assert guest.version() == "v1"
    assert codes(assert_whole(guest, play, "boot done", "accept done", "patch done")["drift"]) == set()
    seen("boot with kernel_livepatch=off", "nothing is loaded, and drift says why; loaded again without the option")


@pytest.mark.exhaustive
def test_another_kernel_gets_nothing(start, lab, patches, request, seen):
    other = lab.image_of("6.1" if request.config.getoption("--kernel") == "6.12" else "6.12")
    guest, play = start()
    accept(play, patches["cmdline_v1"])
    release = guest.release()
    guest.run("sync")
    guest.machine.restart(image=other)
    guest.machine.wait_for_ssh()
    assert guest.release() == other.release
    assert guest.live_patches() == []
    livepatch = assert_whole(guest, play, "accept done", "patch done")
    drift, = livepatch["drift"]
    assert drift["code"] == "kernel-changed"
    assert release in drift["message"] and other.release in drift["message"]
    assert livepatch["boot"]["patches"] == []
    guest.machine.restart()
    guest.machine.wait_for_ssh()
    assert guest.version() == "v1"
    seen(f"reboot into another kernel ({other.release}), and back",
         "nothing is loaded, and drift says why; loaded again on its own kernel")


@pytest.mark.exhaustive
def test_another_build_of_the_kernel_gets_nothing(start, patches, seen):
    """The other build is simulated: the ledger is changed to name one that this kernel is not."""
    guest, play = start()
    accept(play, patches["cmdline_v1"])
    running = play("patch_info").result["livepatch"]["kernel"]["build_id"]
    other = running[::-1]
    guest.run(f"sed -i s/{running}/{other}/ {STORE}/ledger.json")
    guest.reboot()
    assert (guest.version(), guest.live_patches()) == ("", [])
    [found] = play("patch_info").result["livepatch"]["drift"]
    assert (found["code"], other in found["message"]) == ("accepted-for-other-kernel-build", True)
    assert found["message"] in guest.run(f"journalctl -b -u {UNIT} -o cat --no-pager")
    accept(play, patches["cmdline_v1"])
    guest.reboot()
    assert guest.version() == "v1"
    seen("reboot into another build of the kernel (simulated)", "nothing loaded and said so; accepted again, it is")


@pytest.mark.exhaustive
def test_a_host_with_nothing_to_do_starts_nothing(start, patches, seen):
    guest, play = start()
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    assert play("patch", name="cmdline_v1", state="absent").code == 0
    guest.reboot()
    assert guest.run(f"systemctl show --value -p ConditionResult {UNIT}") == "no\n"
    assert moment(guest, UNIT, "ExecMainStart") == 0
    assert_whole(guest, play, "patch done", "patch done")
    seen("reboot with nothing accepted", "no process is started")


# Goes down in the middle of the load at boot, once.
REBOOT_ONCE = """[Unit]
ConditionPathExists=/root/once
[Service]
ExecStart=sh -c 'rm /root/once; until grep -qs 1 /sys/kernel/livepatch/holder_fix/transition; do sleep 0.2; done; \
systemctl reboot'
[Install]
WantedBy=multi-user.target
"""
# Takes all of the disk, what is left to root alone as well.
FILL = """mkdir /root/fill; for size in 256M 16M 1M 64K 4K; do
    while fallocate -l $size /root/fill/$((n = n + 1)) 2>/dev/null; do :; done; done; ! echo >/root/fill/last"""


@pytest.fixture
def held_at_boot(start, patches):
    """A guest and its play; holder_fix is accepted, and a thread is inside its function before it is loaded at boot."""
    guest, play = start()
    guest.hold(patches["lab_holder"])
    guest.run("echo 1 >/sys/module/lab_holder/parameters/release")
    accept(play, patches["holder_fix"])
    release = guest.release()
    guest.run(f"""install -D /root/lab_holder.ko /lib/modules/{release}/extra/lab_holder.ko && depmod
        echo lab_holder >/etc/modules-load.d/lab.conf
        mkdir /etc/systemd/system/{UNIT}.d
        printf '[Unit]\\nAfter=systemd-modules-load.service\\n' >/etc/systemd/system/{UNIT}.d/lab.conf
        sync""")
    return guest, play


@pytest.mark.exhaustive
def test_a_transition_that_is_held_at_boot_does_not_hold_the_boot(held_at_boot, seen):
    """The patch is for a module that the boot loads first, whose thread is inside the function."""
    guest, play = held_at_boot
    guest.reboot()
    assert guest.read("/sys/kernel/livepatch/holder_fix/transition") == "1\n"
    livepatch = play("patch_info").result["livepatch"]
    assert (livepatch["journal"][0]["action"], livepatch["journal"][0]["outcome"]) == ("boot", "in-transition")
    guest.run("echo 1 >/sys/module/lab_holder/parameters/release")
    guest.wait("test $(cat /sys/kernel/livepatch/holder_fix/transition) = 0")
    assert_whole(guest, play, "boot in-transition", "accept done", "patch done")
    seen("a transition held at boot", "continues in the background after 30 s, and so does the boot")


@pytest.mark.exhaustive
def test_a_shutdown_during_the_load_at_boot_is_no_crash(held_at_boot, seen):
    guest, play = held_at_boot
    guest.run(f"cat >/etc/systemd/system/lab-reboot.service <<'END'\n{REBOOT_ONCE}END\n"
              "systemctl -q enable lab-reboot && touch /root/once && sync")
    guest.reboot()  # and once more by itself, before there is a sshd
    assert guest.run("test -e /root/once || echo gone") == "gone\n"
    livepatch = play("patch_info").result["livepatch"]
    assert [f"{one['action']} {one['outcome']}" for one in livepatch["journal"]] == [
        "boot in-transition", "boot interrupted", "accept done", "patch done"]
    assert (livepatch["quarantined"], [one["name"] for one in livepatch["accepted"]]) == ([], ["holder_fix"])
    guest.run("echo 1 >/sys/module/lab_holder/parameters/release")
    guest.wait("test $(cat /sys/kernel/livepatch/holder_fix/transition) = 0")
    seen("a reboot while an accepted patch is being loaded at boot", "loaded at the next boot, and not quarantined")


@pytest.mark.exhaustive
def test_a_shutdown_with_a_full_disk_is_no_crash(start, patches, seen):
    guest, play = start()
    accept(play, patches["cmdline_v1"])
    guest.reboot()
    assert guest.version() == "v1"
    guest.run(FILL)
    guest.reboot()
    guest.run("rm -r /root/fill && sync")
    told = play("patch_info").result["livepatch"]
    assert (told["quarantined"], [one["name"] for one in told["accepted"]]) == ([], ["cmdline_v1"])
    guest.reboot()
    livepatch = play("patch_info").result["livepatch"]
    assert (guest.version(), livepatch["quarantined"], codes(livepatch["drift"])) == ("v1", [], set())
    seen("two reboots, the disk full in the first", "the accepted patch is loaded again, and not quarantined")
