# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a host keeps: whole or not at all, by content, readable by their owner only."""

import errno
import io
import json
import os
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._host import files
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import SCHEMA
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
DIRECTORY = "/var/lib/kernel-livepatch/patches"
IMAGE = f"{DIRECTORY}/{FIX.sha256}.ko"
DESCRIPTION = f"{DIRECTORY}/{FIX.sha256}.json"


@pytest.fixture
def store(kernel):
    return Store(kernel)


@pytest.fixture
def kept(store):
    """A store that keeps the fix."""
    store.put(io.BytesIO(FIX.image), FIX.description)
    return store


def mode(kernel, path):
    return stat.S_IMODE(os.stat(kernel.path(path)).st_mode)


def failure(call, *arguments):
    with pytest.raises(LivepatchError) as caught:
        call(*arguments)
    return caught.value


def test_what_is_kept_comes_back(kept):
    descriptor = kept.open(FIX.sha256)
    os.lseek(descriptor, 0, os.SEEK_SET)
    assert os.read(descriptor, 1 << 20) == FIX.image
    with pytest.raises(OSError):
        os.write(descriptor, b"x")
    os.close(descriptor)
    assert kept.has(FIX.sha256)
    assert kept.description(FIX.sha256) == FIX.description
    assert kept.descriptions() == [FIX.description]


def test_nothing_is_kept_at_first(kernel, store):
    assert not store.has(FIX.sha256)
    assert (store.description(FIX.sha256), store.descriptions()) == (None, [])
    assert not kernel.exists("/var/lib/kernel-livepatch")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_reads_it(kernel, store, umask):
    before = os.umask(umask)
    try:
        store.put(io.BytesIO(FIX.image), FIX.description)
    finally:
        os.umask(before)
    assert [mode(kernel, path) for path in ("/var/lib/kernel-livepatch", DIRECTORY)] == [0o700, 0o700]
    assert [mode(kernel, path) for path in (IMAGE, DESCRIPTION)] == [0o600, 0o600]


@pytest.mark.parametrize("image", [b"", FIX.image[:-1], FIX.image + b"x", b"x" + FIX.image[1:]])
def test_other_bytes_than_were_checked_are_not_kept(kernel, store, image):
    error = failure(store.put, io.BytesIO(image), FIX.description)
    assert error.code == "digest-mismatch"
    assert error.message.startswith("fix.ko arrived with other bytes")
    assert kernel.names(DIRECTORY) == []


def test_of_an_endless_stream_one_byte_too_many_is_read(store):
    endless = io.BytesIO(b"\0" * (4 << 20))
    failure(store.put, endless, FIX.description)
    assert endless.tell() == FIX.description["size"] + 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing(kernel, store, monkeypatch, code):
    def fsync(_descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "fsync", fsync)
    error = failure(store.put, io.BytesIO(FIX.image), FIX.description)
    assert error.code == "no-space"
    assert kernel.names(DIRECTORY) == []


def test_any_other_error_leaves_nothing_either(kernel, store):
    class Broken:
        def read(self, _size):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(OSError):
        store.put(Broken(), FIX.description)
    assert kernel.names(DIRECTORY) == []


def test_an_image_without_its_description_is_not_kept_yet(kernel, kept):
    os.unlink(kernel.path(DESCRIPTION))
    assert not kept.has(FIX.sha256)
    assert kept.descriptions() == []


def test_a_description_without_its_image_is_not_kept_any_more(kernel, kept):
    os.unlink(kernel.path(IMAGE))
    assert not kept.has(FIX.sha256)
    assert kept.descriptions() == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_a_damaged_description_makes_the_file_be_sent_anew(kernel, kept, content):
    kernel.put(DESCRIPTION, content)
    assert not kept.has(FIX.sha256)
    kept.put(io.BytesIO(FIX.image), FIX.description)
    assert kept.description(FIX.sha256) == FIX.description


def test_a_damaged_image_is_not_given_out(kernel, kept):
    kernel.put(IMAGE, FIX.image[:-1] + b"x")
    open_before = os.listdir("/proc/self/fd")
    error = failure(kept.open, FIX.sha256)
    assert error.code == "kept-file-damaged"
    assert "Run again to send it anew" in error.message
    assert os.listdir("/proc/self/fd") == open_before
    assert os.listdir(kernel.path(DIRECTORY)) == []


def test_a_description_of_another_version_of_the_collection_is_not_used(kernel, kept):
    kernel.put(DESCRIPTION, json.dumps(dict(FIX.description, schema=SCHEMA + 1)).encode("utf-8"))
    assert kept.has(FIX.sha256) is False


@pytest.mark.parametrize("content", [b"[1]", b"{}", b'{"schema": 2}', b"null", b"\xff"])
def test_a_damaged_description_is_none(kernel, kept, content):
    kernel.put(DESCRIPTION, content)
    assert kept.descriptions() == []


def test_what_others_could_have_written_is_not_given_out(kernel, kept):
    os.chmod(kernel.path(IMAGE), 0o620)
    assert failure(kept.open, FIX.sha256).code == "kept-file-damaged"


def test_a_directory_that_others_can_enter_is_refused(kernel, kept):
    os.chmod(kernel.path("/var/lib/kernel-livepatch"), 0o755)
    assert failure(kept.open, FIX.sha256).code == "directory-not-private"


def test_what_a_killed_run_left_is_swept(kernel, kept):
    kernel.put(f"{DIRECTORY}/.new-half", b"half")
    kernel.put(f"{DIRECTORY}/{'b' * 64}.ko", b"an image without its description")
    kept.put(io.BytesIO(FIX.image), FIX.description)
    assert sorted(os.listdir(kernel.path(DIRECTORY))) == [f"{FIX.sha256}.json", f"{FIX.sha256}.ko"]


def test_a_symbolic_link_is_not_followed(kernel, kept, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(FIX.image)
    os.unlink(kernel.path(IMAGE))
    os.symlink(str(elsewhere), kernel.path(IMAGE))
    assert failure(kept.open, FIX.sha256).code == "kept-file-damaged"


def test_putting_over_a_symbolic_link_leaves_its_target_alone(kernel, kept, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    os.unlink(kernel.path(IMAGE))
    os.symlink(str(elsewhere), kernel.path(IMAGE))
    kept.put(io.BytesIO(FIX.image), FIX.description)
    assert elsewhere.read_bytes() == b"precious"
    assert not os.path.islink(kernel.path(IMAGE))


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, "../" + "a" * 61, "a" * 64 + "\n"])
def test_what_is_no_digest_is_no_path(store, digest):
    assert failure(store.has, digest).code == "bad-digest"


def test_other_files_in_the_directory_are_passed_over(kernel, kept):
    kernel.put(f"{DIRECTORY}/README.json", "{}")
    kernel.put(f"{DIRECTORY}/.new-abc", "half")
    assert kept.descriptions() == [FIX.description]


def test_a_build_is_found_by_name_and_build_id(kept):
    assert kept.of_build("fix", "aa" * 20) == FIX.description
    assert kept.of_build("fix", "bb" * 20) is None
    assert kept.of_build("other", "aa" * 20) is None


def test_a_build_without_an_id_is_never_taken_for_another(store):
    anonymous = SimulatedPatch(build_id=None)
    store.put(io.BytesIO(anonymous.image), anonymous.description)
    assert store.of_build("fix", None) is None


def test_a_dropped_file_goes_with_its_description_and_no_other(kernel, kept):
    other = SimulatedPatch("other")
    kept.put(io.BytesIO(other.image), other.description)
    kept.drop(FIX.sha256)
    assert [description["name"] for description in kept.descriptions()] == ["other"]
    assert len(kernel.names(DIRECTORY)) == 2


def test_the_description_is_plain_json(kernel, kept):
    assert json.loads(kernel.read(DESCRIPTION)) == FIX.description
