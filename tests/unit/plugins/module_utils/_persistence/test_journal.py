# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal's file: what is written is whole, private and on the disk, and damage is passed over and counted."""

import errno
import json
import os
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import journal
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.journal import (
    append_record,
    ends_unfinished,
    newest_records,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    JOURNAL,
    OLDER_JOURNAL,
    STATE_DIRECTORY,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

BEGIN = {
    "transaction": "1", "time": "2026-11-21T09:16:53Z", "boot_id": None, "kernel": "6.1.0-56-amd64", "action": "patch",
    "who": {"controller_user": "alice", "controller_node": "control1", "user": "root", "address": None},
    "before": [{"name": "old", "build_id": None, "sha256": None, "parameters": "", "accepted": False}],
    "patches": [{
        "name": "fix", "sha256": None, "build_id": None, "previous_state": "absent", "wanted_state": "enabled"}],
}
END = {
    "transaction": "1", "time": "2026-11-21T09:16:54Z", "outcome": "done", "code": None, "why": None, "seconds": 1,
    "replaces": [], "after": [], "patches": [{"name": "fix", "state": "enabled", "transition_seconds": 0.5}],
}


def numbers(kernel):
    """The transactions of the records, newest first, None for a line that cannot be read."""
    return [record and record["transaction"] for record in newest_records(kernel)]


def append(kernel, number):
    append_record(kernel, "begin", dict(BEGIN, transaction=str(number)))


def failing(monkeypatch, name, code, calls=0):
    """Let a function of os fail after some calls of it."""
    real, left = getattr(os, name), [calls]

    def call(*arguments, **options):
        if left[0] == 0:
            raise OSError(code, os.strerror(code))
        left[0] -= 1
        return real(*arguments, **options)

    monkeypatch.setattr(journal.os, name, call)


def test_what_is_appended_comes_back_newest_first(kernel):
    append_record(kernel, "begin", BEGIN)
    append_record(kernel, "end", END)
    assert list(newest_records(kernel)) == [dict(END, schema=1, event="end"), dict(BEGIN, schema=1, event="begin")]
    assert kernel.read_bytes(JOURNAL).count(b"\n") == 2


def test_there_is_nothing_at_first(kernel):
    assert numbers(kernel) == []
    assert not kernel.exists(STATE_DIRECTORY)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_reads_it(kernel, umask):
    before = os.umask(umask)
    try:
        append(kernel, 1)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(os.stat(kernel.path(path)).st_mode) for path in (STATE_DIRECTORY, JOURNAL)]
    assert modes == [0o700, 0o600]


def test_it_is_on_the_disk_before_anything_else_happens(kernel, monkeypatch):
    synced = []
    monkeypatch.setattr(journal.os, "fsync", lambda descriptor: synced.append(
        os.readlink(f"/proc/self/fd/{descriptor}")))
    append(kernel, 1)
    assert synced == [kernel.path(path) for path in (JOURNAL, STATE_DIRECTORY, os.path.dirname(STATE_DIRECTORY))]
    synced.clear()
    append(kernel, 2)
    assert synced == [kernel.path(JOURNAL)]


@pytest.mark.parametrize("name", ["write", "fsync"])
def test_a_record_that_does_not_fit_leaves_the_journal_as_it_was(kernel, monkeypatch, name):
    append(kernel, 1)
    before = kernel.read_bytes(JOURNAL)
    with monkeypatch.context() as patched:
        failing(patched, name, errno.ENOSPC)
        with pytest.raises(OSError) as caught:
            append(kernel, 2)
    assert caught.value.errno == errno.ENOSPC
    assert kernel.read_bytes(JOURNAL) == before
    append(kernel, 3)
    assert numbers(kernel) == ["3", "1"]


def test_a_disk_that_is_full_in_the_middle_of_a_line_leaves_none_of_it(kernel, monkeypatch):
    append(kernel, 1)
    real = os.write
    with monkeypatch.context() as patched:
        patched.setattr(journal.os, "write", lambda descriptor, content: real(descriptor, content[:10]))
        failing(patched, "write", errno.ENOSPC, calls=3)
        with pytest.raises(OSError):
            append(kernel, 2)
    assert numbers(kernel) == ["1"]
    assert kernel.read_bytes(JOURNAL).count(b"\n") == 1


def test_a_line_that_is_written_in_pieces_is_whole(kernel, monkeypatch):
    real = os.write
    monkeypatch.setattr(journal.os, "write", lambda descriptor, content: real(descriptor, content[:10]))
    append(kernel, 1)
    assert numbers(kernel) == ["1"]


RESTS = [b'{"half', b"\0" * 100, b"\xff", b"[" * 100000, b"7", b"null", b"[]", b"{}"]


@pytest.mark.parametrize("rest", RESTS)
def test_a_damaged_line_is_counted_and_kept(kernel, rest):
    append(kernel, 1)
    kernel.put(JOURNAL, kernel.read_bytes(JOURNAL) + rest + b"\n")
    assert (numbers(kernel), ends_unfinished(kernel)) == ([None, "1"], False)
    append(kernel, 2)
    assert numbers(kernel) == ["2", None, "1"]


@pytest.mark.parametrize("rest", RESTS)
@pytest.mark.parametrize("before", [1, 0])
def test_an_unfinished_last_line_is_told_apart_and_gone_with_the_next_record(kernel, rest, before):
    for _number in range(before):
        append(kernel, 1)
    kernel.put(JOURNAL, kernel.read_bytes_or(JOURNAL, b"") + rest)
    assert (numbers(kernel), ends_unfinished(kernel)) == (["1"] * before, True)
    append(kernel, 2)
    assert (numbers(kernel), ends_unfinished(kernel)) == (["2", *["1"] * before], False)
    assert kernel.read_bytes(JOURNAL).count(b"\n") == before + 1


def test_a_line_without_its_end_only_is_a_record(kernel):
    append(kernel, 1)
    kernel.put(JOURNAL, kernel.read_bytes(JOURNAL).rstrip(b"\n"))
    append(kernel, 2)
    assert numbers(kernel) == ["2", "1"]


@pytest.mark.parametrize("change", [
    {"schema": 2}, {"schema": None}, {"event": "other"}, {"event": []}, {"transaction": 1}, {"who": None}, {"who": {}},
    {"who": dict(BEGIN["who"], user=[])}, {"before": None}, {"before": [1]}, {"before": [{}]}, {"patches": {}},
    {"patches": [dict(BEGIN["patches"][0], name=None)]}, {"kernel": ["x"]}, {"time": 1},
])
def test_what_has_not_the_shape_of_a_record_is_damage(kernel, change):
    append(kernel, 1)
    append(kernel, 2)
    lines = kernel.read_bytes(JOURNAL).splitlines()
    lines[0] = json.dumps(dict(json.loads(lines[0].decode("utf-8")), **change)).encode("utf-8")
    kernel.put(JOURNAL, b"\n".join(lines) + b"\n")
    assert numbers(kernel) == ["2", None]


# `why` came later, and older records without it are read.
@pytest.mark.parametrize("key", sorted(set(END) - {"why"}))
def test_a_record_that_lacks_something_is_damage(kernel, key):
    append_record(kernel, "end", {name: value for name, value in END.items() if name != key})
    assert list(newest_records(kernel)) == [None]


def test_more_in_a_record_than_is_known_is_no_damage(kernel):
    append_record(kernel, "end", dict(END, added="later"))
    assert numbers(kernel) == ["1"]


def test_a_full_file_is_set_aside_once(kernel, monkeypatch):
    append(kernel, 0)
    line = os.path.getsize(kernel.path(JOURNAL))
    monkeypatch.setattr(journal, "LIMIT", 3 * line + 1)
    for number in range(1, 3):
        append(kernel, number)
    assert not kernel.exists(OLDER_JOURNAL)
    for number in range(3, 10):
        append(kernel, number)
        assert max(os.path.getsize(kernel.path(path)) for path in (JOURNAL, OLDER_JOURNAL)) <= 3 * line
    assert numbers(kernel) == ["9", "8", "7", "6"]


def test_a_crash_after_a_file_was_set_aside_loses_nothing(kernel):
    append(kernel, 1)
    os.rename(kernel.path(JOURNAL), kernel.path(OLDER_JOURNAL))
    assert numbers(kernel) == ["1"]
    append(kernel, 2)
    assert numbers(kernel) == ["2", "1"]


def test_a_record_longer_than_a_file_may_be_is_written_all_the_same(kernel, monkeypatch):
    monkeypatch.setattr(journal, "LIMIT", 10)
    append(kernel, 1)
    append(kernel, 2)
    assert numbers(kernel) == ["2", "1"]


def test_no_link_is_followed(kernel, tmp_path):
    append(kernel, 1)
    os.unlink(kernel.path(JOURNAL))
    os.symlink(str(tmp_path / "elsewhere"), kernel.path(JOURNAL))
    with pytest.raises(OSError):
        append(kernel, 2)
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_that_others_can_use_is_refused(kernel):
    append(kernel, 1)
    os.chmod(kernel.path(STATE_DIRECTORY), 0o755)
    with pytest.raises(LivepatchError) as caught:
        append(kernel, 2)
    assert caught.value.code == "directory-not-private"


def test_a_user_who_may_not_read_it_is_told_so(kernel):
    append(kernel, 1)
    kernel.forbidden = (STATE_DIRECTORY,)
    with pytest.raises(PermissionError):
        numbers(kernel)
