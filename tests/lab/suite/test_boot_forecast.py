# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next boot needs, damaged: it is told before that boot, repaired by accepting again, and the boot comes."""

from __future__ import annotations

import pytest
from guest import STORE, UNIT
from wholeness import assert_whole, codes

UNIT_FILE = f"/etc/systemd/system/{UNIT}"
DAMAGE = {
    "boot-program-damaged": f"truncate -s 20000 {STORE}/program.pyz",
    "boot-unit-changed": f"sed -i '/^ExecStart=/d' {UNIT_FILE}",
    "accepted-file-damaged": f"printf x | dd conv=notrunc status=none of=$(ls {STORE}/patches/*.ko)",
    "boot-service-missing": f"systemctl --quiet disable {UNIT}",
    "boot-directory-refused": f"chmod 0755 {STORE}",
}


@pytest.mark.exhaustive
def test_what_a_boot_needs_is_told_and_repaired(start, patches, seen):
    guest, play = start()
    accept = {"src": patches["cmdline_v1"], "state": "accepted"}
    assert play("patch", **accept).code == 0
    for code, damage in DAMAGE.items():
        guest.run(damage)
        livepatch = play("patch_info").result["livepatch"]
        assert (livepatch["boot"]["patches"], codes(livepatch["drift"])) == ([], {code})
        repaired = play("patch", **accept)
        assert (repaired.code, repaired.result["changed"]) == (0, True), repaired.output
        livepatch = play("patch_info").result["livepatch"]
        assert (livepatch["boot"]["patches"], codes(livepatch["drift"])) == (["cmdline_v1"], set())
        assert play("patch", **accept).result["changed"] is False
    assert guest.run(f"systemctl show --value -p NeedDaemonReload {UNIT}") == "no\n"
    assert guest.run(f"systemctl is-enabled {UNIT}") == "enabled\n"
    guest.reboot()
    assert guest.version() == "v1"
    assert_whole(guest, play, "boot done", *["accept done"] * (1 + len(DAMAGE)), "patch done")
    seen("program cut, unit edited and disabled, kept file with other bytes, directory readable",
         "each is told before the boot and repaired by state accepted; the patch is loaded at boot")


@pytest.mark.exhaustive
def test_a_unit_that_systemd_did_not_read_again_is_read_by_the_next_run(start, patches, seen):
    guest, play = start()
    accept = {"src": patches["cmdline_v1"], "state": "accepted"}
    assert play("patch", **accept).code == 0
    guest.run(f"cp -p {UNIT_FILE} /root/unit && echo '# x' >>{UNIT_FILE} && systemctl daemon-reload && "
              f"sleep 1 && cat /root/unit >{UNIT_FILE}")
    assert guest.run(f"systemctl show --value -p NeedDaemonReload {UNIT}") == "yes\n"
    assert play("patch", src=patches["second_of_two"]).code == 0
    assert guest.run(f"systemctl show --value -p NeedDaemonReload {UNIT}") == "no\n"
    seen("a unit that systemd has not read again", "the next load lets systemd read it")


@pytest.mark.exhaustive
def test_a_damaged_mark_of_a_clean_shutdown_blames_no_patch(start, patches, seen):
    guest, play = start()
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    mark = f"{STORE}/clean-shutdown"
    for damage in (f"printf '\\377' >{mark}", f"rm -f {mark} && mkdir {mark}"):
        guest.run(f"{damage} && sync")
        guest.reboot()
        livepatch = play("patch_info").result["livepatch"]
        assert (guest.version(), livepatch["quarantined"], codes(livepatch["drift"])) == ("v1", [], set())
    seen("clean-shutdown with a byte that is not ASCII, and as a directory", "each reboot loads the accepted patch")
