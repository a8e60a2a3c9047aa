# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that others could have prepared are refused, and a full disk is told."""

import errno
import os
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._host import files
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import private_directory, write_private
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError


def refusal(path):
    with pytest.raises(LivepatchError) as caught:
        private_directory(str(path))
    assert str(path) in caught.value.message
    return caught.value.code


def test_a_directory_is_made_once(tmp_path):
    path = str(tmp_path / "made")
    assert private_directory(path) == private_directory(path) == path
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o750, 0o755, 0o777, 0o1777])
def test_one_that_others_can_use_is_refused(tmp_path, mode):
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(mode)
    assert refusal(path) == "directory-not-private"


def test_a_link_to_a_private_directory_is_refused(tmp_path):
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(target)
    assert refusal(link) == "directory-not-private"


def test_a_link_to_nowhere_and_a_file_are_refused(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    file = tmp_path / "file"
    file.touch()
    assert [refusal(link), refusal(file)] == ["directory-not-private", "directory-not-private"]
    assert not (tmp_path / "nowhere").exists()


def test_another_user_s_directory_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "theirs"
    path.mkdir(mode=0o700)
    monkeypatch.setattr(files.os, "geteuid", lambda: os.getuid() + 1)
    assert refusal(path) == "directory-not-private"


def test_a_user_who_may_not_make_it_is_told_to_become_root(tmp_path, monkeypatch):
    def makedirs(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "makedirs", makedirs)
    assert refusal(tmp_path / "denied") == "not-permitted"


def test_a_file_takes_the_place_of_the_old_one_only_when_it_is_complete(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(stream):
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"

    write_private(str(path), write)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(str(tmp_path)) == ["file"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("name", ["ledger.json", "livepatch-status-1.json", "fix.ko"])
def test_a_full_disk_is_told_for_every_kind_of_file(tmp_path, code, name):
    def write(_stream):
        raise OSError(code, os.strerror(code))

    with pytest.raises(LivepatchError) as caught:
        write_private(str(tmp_path / name), write)
    assert (caught.value.code, caught.value.message) == (
        "no-space", f"There is no space left below {tmp_path}. Free some space and run again.")
    assert os.listdir(tmp_path) == []
