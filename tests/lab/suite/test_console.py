# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at the console, and what the host writes for others: at each change, at a boot, at a trial's end."""

from __future__ import annotations

import json

import pytest
from wholeness import assert_whole

METRICS = "/var/lib/prometheus/node-exporter/kernel_livepatch.prom"
FACTS = "/etc/ansible/facts.d/livepatch.fact"


@pytest.fixture
def published(guest):
    """The guest, with the directories for metrics and facts; returns the local facts as they are now."""
    guest.run("mkdir -p /var/lib/prometheus/node-exporter /etc/ansible/facts.d")
    yield lambda: json.loads(guest.read(FACTS))
    guest.run("rm -rf /var/lib/prometheus /etc/ansible")


def test_a_person_accepts_and_reverts_at_the_console(guest, play, patches, published, seen):
    assert play("patch", src=patches["cmdline_v1"], trial=600).code == 0
    assert published()["state"] == "on_trial"
    assert "cmdline_v1 (" in guest.run("kernel-livepatch status")
    assert guest.run("kernel-livepatch status --motd").startswith("Live patches: cmdline_v1 on trial.")
    livepatch = play("patch_info").result["livepatch"]
    shown = json.loads(guest.run("kernel-livepatch status --json"))
    assert [shown[key] for key in ("patches", "accepted", "quarantined")] == [
        livepatch[key] for key in ("patches", "accepted", "quarantined")]
    # The trial is watched some seconds after the load; until then, the command waits.
    assert guest.run("kernel-livepatch accept cmdline_v1").startswith("cmdline_v1 is accepted")
    build_id = livepatch["patches"][0]["build_id"]
    assert f'kernel_livepatch_patch_state{{name="cmdline_v1",version="",build_id="{build_id}",state="accepted"}} 1' in (
        guest.read(METRICS).splitlines())
    refused = guest.machine.ssh("setpriv --reuid=65534 --clear-groups kernel-livepatch status", check=False)
    assert (refused.returncode, refused.stderr.split(":")[0]) == (3, "not-permitted")
    guest.run("kernel-livepatch revert")
    assert (guest.version(), published()["state"]) == ("", "unpatched")
    assert_whole(guest, play, "rollback done", "accept done", "patch done")
    seen("status, accept and revert at the console", "accepted and reverted, with journal, metrics and facts")


def test_a_boot_and_the_end_of_a_trial_are_published(guest, play, patches, published, stretched, seen):
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    guest.run(f"rm {METRICS} {FACTS}")
    guest.reboot()
    guest.wait(f"test -e {FACTS}")
    assert (guest.version(), published()["state"]) == ("v1", "accepted")
    assert play("patch", src=patches["second_of_two"], trial=stretched(20)).code == 0
    assert published()["trial"] == "second_of_two"
    guest.wait(f"! grep -q on_trial {FACTS}", 300)
    assert published()["state"] == "accepted"
    assert "kernel_livepatch_trial_end_timestamp_seconds" not in guest.read(METRICS)
    assert_whole(guest, play, "trial done", "patch done", "boot done", "accept done", "patch done")
    seen("a boot and a trial not accepted, with node_exporter's directory", "metrics and facts are those after it")
