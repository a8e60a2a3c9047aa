# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where metrics and facts are written, by whom it can be led astray, and that nothing that goes wrong is raised."""

import fcntl
import json
import os
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._console.commands import refresh
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import CONFIGURATION, STATE_DIRECTORY
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

TEXTFILES = "/var/lib/prometheus/node-exporter"
METRICS = f"{TEXTFILES}/kernel_livepatch.prom"
FACTS_DIRECTORY = "/etc/ansible/facts.d"
FACTS = f"{FACTS_DIRECTORY}/livepatch.fact"


def make(host, path, mode=0o755):
    os.makedirs(host.path(path))
    os.chmod(host.path(path), mode)


@pytest.fixture
def host(kernel, apply):
    """A host with a patch, and both directories."""
    apply(SimulatedPatch())
    make(kernel, TEXTFILES)
    make(kernel, FACTS_DIRECTORY)
    return kernel


def mode_of(host, path):
    return stat.S_IMODE(os.lstat(host.path(path)).st_mode)


def why(host):
    """The message of the only finding."""
    (found,) = refresh(host)
    assert (found["code"], found["level"]) == ("output-not-written", "warning")
    return found["message"]


def test_both_are_written_whole_for_every_reader(host):
    assert refresh(host) == []
    text = host.read_bytes(METRICS).decode()
    assert 'kernel_livepatch_patch_state{name="fix"' in text
    assert text.endswith("# EOF\n")
    facts = json.loads(host.read(FACTS))
    assert (facts["state"], [patch["name"] for patch in facts["patches"]]) == ("enabled", ["fix"])
    assert mode_of(host, METRICS) == mode_of(host, FACTS) == 0o644  # not executable: Ansible would run it
    assert (host.names(TEXTFILES), host.names(FACTS_DIRECTORY)) == (["kernel_livepatch.prom"], ["livepatch.fact"])


def test_without_the_directories_nothing_is_read_and_written(kernel, apply, monkeypatch):
    apply(SimulatedPatch())
    monkeypatch.setattr(kernel, "names", lambda path: pytest.fail(f"{path} is read"))
    assert refresh(kernel) == []


@pytest.mark.parametrize("path", ["/var/lib/node_exporter/textfile_collector", "/var/lib/node_exporter"])
def test_other_known_directories_are_found(kernel, apply, path):
    apply(SimulatedPatch())
    make(kernel, path)
    assert refresh(kernel) == []
    assert kernel.exists(f"{path}/kernel_livepatch.prom")


def test_an_operator_names_directories_or_none(host):
    make(host, "/srv/textfiles")
    host.put(CONFIGURATION, "[metrics]\ndirectory = /srv/textfiles\n[facts]\ndirectory =\n")
    assert refresh(host) == []
    assert host.exists("/srv/textfiles/kernel_livepatch.prom")
    assert not host.exists(METRICS)
    assert not host.exists(FACTS)


@pytest.mark.parametrize("text, words", [
    ("[metrics]\ndirectory = textfiles\n", "the directory of [metrics] is no absolute path"),
    ("[metrics]\ndirectory = /srv/../etc\n", "no absolute path"), ("[metrics]\ndir = /srv\n", "[metrics] dir is no"),
    ("[metric]\ndirectory = /srv\n", "[metric] directory is no option"), ("directory = /srv\n", "section headers"),
    ("[metrics]\ndirectory = /absent\n", "it does not exist")])
def test_a_wrong_configuration_is_told(host, text, words):
    host.put(CONFIGURATION, text)
    message = why(host)
    assert words in message
    assert (CONFIGURATION if "/absent" not in text else "/absent/kernel_livepatch.prom") in message


def test_a_configuration_of_another_user_is_not_read(host):
    host.put(CONFIGURATION, "[metrics]\ndirectory =\n")
    host.owners[CONFIGURATION] = (1000, 0o644)
    assert "other users could write it" in why(host)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_directory_of_the_exporter_is_used_and_one_for_facts_is_not(host):
    for path in ("/var/lib/prometheus", TEXTFILES, FACTS_DIRECTORY):
        os.chown(host.path(path), 1000, 1000)
    assert "others than root can write /etc/ansible/facts.d" in why(host)
    assert os.lstat(host.path(METRICS)).st_uid == 0


@pytest.mark.parametrize("path, words", [
    ("/var/lib/prometheus", "every user can write /var/lib/prometheus"), (FACTS_DIRECTORY, "every user can write")])
def test_a_directory_that_every_user_can_write_is_refused(host, path, words):
    os.chmod(host.path(path), 0o1777)
    assert words in why(host)


@pytest.mark.parametrize("path", ["/var/lib/prometheus", TEXTFILES])
def test_a_link_on_the_way_leads_nowhere(host, path):
    os.rename(host.path(path), host.path("/elsewhere"))
    os.symlink(host.path("/elsewhere"), host.path(path))
    assert f"{path} is a symbolic link or no directory" in why(host)
    assert not [name for _top, _folders, names in os.walk(host.path("/elsewhere")) for name in names]


@pytest.mark.parametrize("name", ["kernel_livepatch.prom", ".kernel_livepatch.prom.new"])
def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(host, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("x")
    os.symlink(str(victim), host.path(f"{TEXTFILES}/{name}"))
    assert refresh(host) == []
    assert victim.read_text() == "x"
    assert stat.S_ISREG(os.lstat(host.path(METRICS)).st_mode)


def test_a_directory_in_the_place_of_the_file_is_told_and_left(host):
    make(host, METRICS)
    assert f"{METRICS} cannot be written" in why(host)
    assert host.names(TEXTFILES) == ["kernel_livepatch.prom"]
    assert host.exists(FACTS)


def test_a_full_disk_leaves_the_earlier_file(host, monkeypatch):
    refresh(host)
    before = host.read_bytes(METRICS), host.read_bytes(FACTS)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert [found["code"] for found in refresh(host)] == ["output-not-written"] * 2
    assert (host.read_bytes(METRICS), host.read_bytes(FACTS)) == before
    assert host.names(TEXTFILES) == ["kernel_livepatch.prom"]


def test_an_inventory_that_cannot_be_read_is_told_and_not_raised(host, monkeypatch):
    def broken(path):
        raise ValueError(f"{path} is broken")

    monkeypatch.setattr(host, "names", broken)
    assert "is broken" in why(host)


def test_a_second_writer_waits_and_reads_the_state_after_the_first(host):
    """The lock is real; the time is not waited for."""
    descriptor = os.open(host.path(STATE_DIRECTORY), os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert "another process is writing them" in why(host)
    host.at(host.now() + 5, lambda: os.close(descriptor))
    assert refresh(host) == []
