# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam itself: files below a root, a clock, and how vanished files are told from broken ones."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host


@pytest.fixture
def host(tmp_path):
    return Host(str(tmp_path))


def failing(code):
    def read_bytes(_path):
        raise OSError(code, os.strerror(code))
    return read_bytes


def test_the_real_host_is_at_the_root():
    assert Host().path("/sys/kernel/livepatch") == "/sys/kernel/livepatch"
    assert Host("/tmp/host").path("/sys/kernel/livepatch") == "/tmp/host/sys/kernel/livepatch"


def test_text_loses_the_newline_at_its_end_only(host, tmp_path):
    (tmp_path / "comm").write_bytes(b" \xff a\n b \n")
    assert host.read("/comm") == " \ufffd a\n b "
    assert host.read_bytes("/comm") == b" \xff a\n b \n"


@pytest.mark.parametrize("name", ["ENOENT", "ENODEV", "ESRCH", "ENOTDIR", "EACCES", "EPERM", "EINVAL"])
def test_what_has_gone_or_may_not_be_read_has_a_default(host, name):
    host.read_bytes = failing(getattr(errno, name))
    assert host.read_or("/x") is None
    assert host.read_or("/x", "default") == "default"


@pytest.mark.parametrize("name", ["EIO", "EMFILE", "ELOOP"])
def test_what_is_broken_is_not_passed_over(host, name):
    host.read_bytes = failing(getattr(errno, name))
    with pytest.raises(OSError):
        host.read_or("/x", "default")


def test_names_are_sorted_and_none_where_there_is_no_directory(host, tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / name).touch()
    assert host.names("/") == ["a", "b", "c"]
    assert host.names("/absent") == host.names("/a") == []


def test_a_directory_that_cannot_be_read_is_not_called_empty(host, monkeypatch):
    def listdir(_path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "listdir", listdir)
    with pytest.raises(PermissionError):
        host.names("/")


def test_an_existing_file_is_written_in_one_go_and_none_is_made(host, tmp_path, monkeypatch):
    (tmp_path / "enabled").write_text("0\n")
    written = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: written.append(data) or write(descriptor, data))
    host.write("/enabled", "1")
    assert written == [b"1"]
    assert (tmp_path / "enabled").read_text() == "1\n"
    with pytest.raises(FileNotFoundError):
        host.write("/absent", "1")
    assert os.listdir(str(tmp_path)) == ["enabled"]


def test_the_space_of_a_path_is_that_of_its_first_parent_that_is_there(host, tmp_path, monkeypatch):
    (tmp_path / "var").mkdir()
    asked = []

    def statvfs(path):
        asked.append(path)
        return os.statvfs_result((4096, 512, 100, 10, 5, 50, 8, 4, 0, 255))

    monkeypatch.setattr(os, "statvfs", statvfs)
    assert host.free_space("/var/lib/kernel-livepatch/patches") == (10 * 512, 8)
    assert asked == [str(tmp_path / "var")]


def test_a_file_system_that_does_not_count_files_has_no_number_of_them(host, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((4096, 512, 100, 10, 5, 0, 0, 0, 0, 255)))
    assert host.free_space("/") == (10 * 512, None)


@pytest.mark.parametrize("flags, expected", [(os.ST_RDONLY | os.ST_NOSUID, True), (os.ST_NOSUID, False)])
def test_a_file_system_that_is_mounted_read_only_is_told(host, monkeypatch, flags, expected):
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((4096, 512, 100, 10, 5, 0, 0, 0, flags, 255)))
    assert host.is_read_only("/var/lib/kernel-livepatch/patches") is expected


def test_the_clock_moves_forward_by_what_was_slept(host):
    before = host.now()
    host.sleep(0.01)
    assert host.now() - before >= 0.01


def test_the_machine_is_that_of_uname(host):
    assert host.machine() == os.uname().machine
