# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""patch_watch on a real kernel, and what a rollout that is run again asks of a patch on trial."""

from __future__ import annotations

import pytest
from guest import RELEASE
from wholeness import assert_whole, codes

TAINTED = "/proc/sys/kernel/tainted"
ADDRESS = "http://127.0.0.1:8080/"


@pytest.fixture
def web(guest):
    """A server on the guest, as a unit `web`."""
    guest.run("systemd-run --quiet --unit=web python3 -m http.server 8080 --bind 127.0.0.1")
    ask = f"import urllib.request as u; u.urlopen('{ADDRESS}')"
    guest.wait(f'python3 -c "{ask}" 2>/dev/null')
    yield guest
    guest.run("systemctl stop web")


def test_a_host_that_is_well(play, web, patches, seen):
    guest = web
    taints = int(guest.read(TAINTED))
    on = play("patch", src=patches["cmdline_v1"], trial=300)
    assert on.code == 0, on.output
    baseline = on.result["baseline"]
    assert (baseline["boot_id"], baseline["taints"]) == (guest.boot_id(), taints)
    guest.run("echo 'BUG: a lie' >/dev/kmsg")
    outcome = play("patch_watch", name="cmdline_v1", baseline=baseline, health_checks=[
        {"command": "grep -o livepatch=v1 /proc/cmdline"}, {"unit": "web"}, {"url": ADDRESS, "timeout": 60}])
    assert outcome.code == 0, outcome.output
    result = outcome.result
    assert (result["well"], result["state"], result["verified"], result["changed"]) == (True, "enabled", True, False)
    assert [(check["ok"], check["message"]) for check in result["health"]] == [
        (True, "It ended with status 0: livepatch=v1"),
        (True, "The unit is active (running), and its last result was success."),
        (True, "The server answers 200 OK.")]
    assert (result["kernel_log"], result["findings"], outcome.trips) == ([], [], ["ssh"])
    assert 0 < result["trial"]["seconds_left"] <= 300
    assert_whole(guest, play, "patch done")
    seen("patch_watch on a healthy host", "well: command, unit and URL, in one round trip")


@pytest.mark.exhaustive
def test_a_patch_that_was_loaded_by_hand(play, guest, patches, seen):
    guest.load(patches["cmdline_v1"])
    before = play("patch_watch", name="cmdline_v1")
    assert (before.code, codes(before.result["findings"])) == (0, {"file-not-kept"}), before.output
    assert (before.result["well"], before.result["verified"]) == (True, None)
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    after = play("patch_watch", name="cmdline_v1").result
    assert (codes(after["findings"]), after["verified"], after["state"]) == (set(), True, "accepted")
    seen("patch_watch for a patch loaded by hand", "well, and not verified until it is accepted with its file")


@pytest.mark.exhaustive
def test_health_checks_that_fail(play, guest, patches, seen):
    baseline = play("patch", src=patches["cmdline_v1"], trial=300).result["baseline"]
    checks = [{"command": "sh -c 'echo no; exit 3'"}, {"command": "sleep 600", "timeout": 2}, {"unit": "nowhere"},
              {"url": ADDRESS, "timeout": 30}]
    outcome = play("patch_watch", name="cmdline_v1", baseline=baseline, health_checks=checks)
    assert (outcome.code, outcome.result["code"]) == (2, "health-check-failed")
    messages = [check["message"] for check in outcome.result["health"]]
    assert messages[:3] == [
        "It ended with status 3: no", "It did not end within 2 s and was stopped.", "The unit is not-found."]
    assert messages[3] == "Connection refused."
    assert guest.run("pgrep -x sleep -a || true").count("sleep 600") == 0
    told = play("patch_watch", name="cmdline_v1", baseline=baseline, health_checks=checks, report_only=True)
    assert (told.code, told.result["well"], len(told.result["findings"])) == (0, False, 4)
    seen("failing health checks", "each reported with its result; a hanging one is killed")


@pytest.mark.exhaustive
def test_a_transition_that_goes_on(play, held, patches):
    on = play("patch", src=patches["holder_fix"], trial=300, transition_timeout=3, on_stall="wait")
    assert on.result["patch"]["state"] == "enabling", on.output
    watched = play("patch_watch", name="holder_fix", baseline=on.result["baseline"]).result
    assert (watched["well"], watched["state"], watched["verified"]) == (True, "enabling", None)
    assert codes(watched["findings"]) == {"transition-unfinished"}
    assert "lab_holder" in [blocker["comm"] for blocker in watched["blockers"]]
    held.run(RELEASE)
    again = play("patch", src=patches["holder_fix"], trial=500)
    assert (again.result["patch"]["state"], again.result["transaction"]) == ("enabled", on.result["transaction"])
    watched = play("patch_watch", name="holder_fix", baseline=on.result["baseline"]).result
    assert (watched["well"], watched["verified"]) == (True, True)
    assert watched["trial"]["seconds_left"] > 400


@pytest.mark.exhaustive
def test_a_kernel_that_warns_is_tainted_and_starts_anew(start, patches, seen):
    guest, play = start()
    on = play("patch", src=patches["warn_soon"])
    options = {"name": "warn_soon", "baseline": on.result["baseline"]}
    assert play("patch_watch", **options).result["well"]
    guest.read("/proc/execdomains")
    warned = play("patch_watch", **options)
    assert (warned.code, warned.result["code"]) == (2, "new-taint"), warned.output
    assert [(found["code"], found["subject"]) for found in warned.result["findings"]] == [
        ("new-taint", "W"), ("kernel-warning", "WARN")]
    assert any("patched_execdomains_proc_show" in line for line in warned.result["kernel_log"])
    boot_id = guest.boot_id()
    guest.reboot()
    gone = play("patch_watch", **options)
    assert (gone.code, gone.result["code"], gone.result["state"]) == (2, "host-rebooted", "absent")
    assert boot_id in gone.result["msg"]
    assert codes(gone.result["findings"]) == {"host-rebooted", "patch-not-running"}
    seen("a patch causing a kernel warning, and a reboot during its trial", "the host fails, with a code for each")


@pytest.mark.exhaustive
def test_a_patch_on_trial_is_asked_for_again(play, guest, patches, seen):
    assert play("patch", src=patches["cmdline_cumulative_1"], state="accepted").code == 0
    first = play("patch", src=patches["cmdline_cumulative_2"], trial=30).result["transaction"]
    again = play("patch", src=patches["cmdline_cumulative_2"], trial=600)
    assert (again.result["changed"], again.result["transaction"]) == (True, first), again.output
    trial = play("patch_info").result["livepatch"]["trial"]
    assert (trial["transaction"], trial["back_to"]) == (first, ["cmdline_cumulative_1"])
    assert trial["seconds_left"] > 400
    assert len(guest.guards()) == 1
    guest.run(f"systemctl stop {guest.guards()[0]}")
    assert play("patch", src=patches["cmdline_cumulative_2"], trial=600).code == 0
    assert len(guest.guards()) == 1
    kept = play("patch", src=patches["cmdline_cumulative_2"])
    assert (kept.result["changed"], kept.result["transaction"]) == (True, first), kept.output
    livepatch = play("patch_info").result["livepatch"]
    assert (livepatch["trial"], guest.guards(), guest.version()) == (None, [], "c2")
    assert play("patch", name="cmdline_cumulative_2", state="accepted").code == 0
    assert play("patch_rollback", to=first).code == 0
    assert guest.version() == "c1"
    livepatch = play("patch_info").result["livepatch"]
    assert livepatch["boot"]["patches"] == ["cmdline_cumulative_1"]
    seen("a patch on trial, requested again", "a new trial; rollback to before its load, also once accepted")
