# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When systemd is told to read all units again for the boot service; systemd is simulated."""

import os
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import install_boot_service
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils._init.test_init_system import PROGRAM, TRIAL
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    LOST_UNIT_FILE,
    UNIT_FILE,
    SimulatedSystemd,
)

OTHER_PROGRAM = ["/usr/libexec/platform-python", *PROGRAM[1:]]


@pytest.fixture
def systemd(kernel):
    write_ledger(kernel, dict(empty_ledger(), boot_id="x", trial=TRIAL))
    return SimulatedSystemd(kernel)


@pytest.fixture
def set_back(systemd, monkeypatch):
    """set_back(): the clock is set back, so that a changed unit is not newer for systemd."""
    show = systemd._show
    return lambda: monkeypatch.setattr(systemd, "_show", lambda argv: (
        0, show(argv)[1].replace("NeedDaemonReload=yes", "NeedDaemonReload=no")))


def test_a_systemd_that_does_not_find_a_new_unit_is_told_to_read_all(kernel, systemd):
    systemd.finds_nothing_new = True
    assert install_boot_service(kernel, PROGRAM)
    assert systemd.asked() == ["show", "daemon-reload", "start", "show"]


def test_a_new_unit_is_read_where_systemd_knows_another_file_of_its_name(kernel, systemd, set_back):
    """Of an image, or ours in /run from before /etc could be written."""
    systemd.loaded, systemd.fragment = b"[Unit]\n", LOST_UNIT_FILE
    set_back()
    assert install_boot_service(kernel, PROGRAM)
    assert systemd.asked() == ["show", "daemon-reload", "start", "show"]


def test_a_changed_unit_is_read_although_a_clock_set_back_hides_the_change(kernel, systemd, set_back):
    install_boot_service(kernel, PROGRAM)
    set_back()
    kernel.commands.clear()
    assert install_boot_service(kernel, OTHER_PROGRAM)
    assert systemd.asked() == ["show", "daemon-reload", "start", "show"]
    assert systemd.loaded == kernel.read_bytes(UNIT_FILE)


def test_a_reload_that_fails_is_a_failure_also_where_a_clock_set_back_hides_the_change(kernel, systemd, set_back):
    install_boot_service(kernel, PROGRAM)
    set_back()
    systemd.broken["daemon-reload"] = "Failed to reload daemon: Access denied"
    with pytest.raises(LivepatchError, match="Access denied"):
        install_boot_service(kernel, OTHER_PROGRAM)


def test_a_unit_that_systemd_has_read_and_that_does_not_run_is_only_started(kernel, systemd):
    install_boot_service(kernel, PROGRAM)
    systemd.units.clear()
    kernel.commands.clear()
    assert install_boot_service(kernel, PROGRAM)
    assert systemd.asked() == ["show", "start", "show"]


def test_a_unit_with_another_mode_is_written_again(kernel, systemd):
    install_boot_service(kernel, PROGRAM)
    os.chmod(kernel.path(UNIT_FILE), 0o600)
    assert install_boot_service(kernel, PROGRAM)
    assert stat.S_IMODE(os.stat(kernel.path(UNIT_FILE)).st_mode) == 0o644


def test_a_new_unit_of_a_name_that_runs_already_is_read(kernel, systemd, set_back):
    """Its file was removed, and the clock was set back since."""
    install_boot_service(kernel, PROGRAM)
    os.unlink(kernel.path(UNIT_FILE))
    set_back()
    kernel.commands.clear()
    assert install_boot_service(kernel, OTHER_PROGRAM)
    assert "daemon-reload" in systemd.asked()
    assert systemd.loaded == kernel.read_bytes(UNIT_FILE)


@pytest.mark.parametrize("trouble", ["broken", "slow"])
def test_a_reload_that_failed_is_made_up_for_by_the_next_run(kernel, systemd, trouble):
    install_boot_service(kernel, PROGRAM)
    if trouble == "broken":
        systemd.broken["daemon-reload"] = "Failed to reload daemon: Connection timed out"
    else:
        systemd.slow.add("daemon-reload")
    with pytest.raises(LivepatchError) as raised:
        install_boot_service(kernel, OTHER_PROGRAM)
    assert raised.value.code == "boot-service-failed"
    systemd.broken.clear()
    systemd.slow.clear()
    kernel.commands.clear()
    assert install_boot_service(kernel, OTHER_PROGRAM)
    assert systemd.asked().count("daemon-reload") == 1
    assert systemd.loaded == kernel.read_bytes(UNIT_FILE)


def test_a_unit_that_somebody_edited_and_put_back_is_read_again(kernel, systemd):
    install_boot_service(kernel, PROGRAM)
    systemd.loaded = b"[Unit]\n"
    assert install_boot_service(kernel, PROGRAM)
    assert systemd.loaded == kernel.read_bytes(UNIT_FILE)


def test_a_reload_that_ends_after_its_time_is_enough(kernel, systemd, monkeypatch):
    def late(_words):
        systemd.loaded = kernel.read_bytes(UNIT_FILE)
        raise LivepatchError("command-timed-out", "systemctl daemon-reload took longer.")

    monkeypatch.setattr(systemd, "_daemon_reload", late)
    systemd.finds_nothing_new = True
    assert install_boot_service(kernel, PROGRAM)
