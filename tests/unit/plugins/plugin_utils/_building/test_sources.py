# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent to a build host: source patches in their order, or the files of one directory."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building.sources import digest_of, read_here, read_sent
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.build_options import LARGEST_SOURCES
from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.sources import read_sources
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError


@pytest.fixture
def directory(tmp_path):
    place = tmp_path / "module"
    (place / "sub").mkdir(parents=True)
    (place / ".git").mkdir()
    for name in ("Kbuild", "fix.c", "sub/a.h", ".git/config", ".fix.o.cmd", "fix.ko", "fix.o", "Module.symvers"):
        (place / name).write_text(name)
    return place


def names(sources):
    return [entry["name"] for entry in json.loads(sources.content)["files"]]


def test_the_files_of_a_module_are_sent_without_hidden_and_made_ones(directory):
    sources = read_sources([directory])
    assert names(sources) == ["Kbuild", "fix.c", "sub/a.h"]
    assert sources.sha256 == hashlib.sha256(sources.content).hexdigest()


def test_patches_are_sent_in_their_order(tmp_path):
    paths = [tmp_path / name for name in ("b.patch", "a.patch")]
    for path in paths:
        path.write_bytes(b"\xff" + path.name.encode())
    sources = read_sources(paths)
    assert names(sources) == ["b.patch", "a.patch"]
    assert base64.b64decode(json.loads(sources.content)["files"][0]["content"]) == b"\xffb.patch"


def test_both_halves_read_the_same(directory, tmp_path):
    (tmp_path / "sent").write_bytes(read_sources([directory]).content)
    sent, is_module = read_sent(str(tmp_path / "sent"), read_sources([directory]).sha256)
    here, is_module_here = read_here([str(directory)])
    assert (is_module, is_module_here) == (True, True)
    assert sorted(sent) == sorted(here) and digest_of(sent) == digest_of(here)


def test_a_link_that_leads_out_is_not_sent(directory, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (directory / "link.c").symlink_to(tmp_path / "secret")
    with pytest.raises(TaskError) as caught:
        read_sources([directory])
    assert caught.value.code == "source-path-unsafe"


def test_a_link_inside_is_sent_as_a_file(directory):
    (directory / "link.c").symlink_to("fix.c")
    assert "link.c" in names(read_sources([directory]))


def test_too_much_is_not_sent(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    large = tmp_path / "large.patch"
    with open(large, "wb") as stream:
        stream.truncate(LARGEST_SOURCES + 1)
    for path in (empty, large):
        with pytest.raises(TaskError) as caught:
            read_sources([path])
        assert caught.value.code == "sources-too-large"


def test_a_missing_file_is_one_error(tmp_path):
    with pytest.raises(PatchFileError) as caught:
        read_sources([tmp_path / "missing.patch"])
    assert caught.value.code == "unreadable"
