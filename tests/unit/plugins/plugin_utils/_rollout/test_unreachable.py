# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes about unreachable hosts in hooks: what is noted, for whom, and until when."""

from __future__ import annotations

import hashlib

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import unreachable

LOST = {"unreachable": True, "msg": "Connection refused"}


@pytest.mark.parametrize(("result", "lost"), [
    (LOST, LOST), ({"changed": False}, None), ({"failed": True, "msg": "no way"}, None),
    ({"results": [{}, LOST]}, LOST),  # as ansible-core 2.16 returns it
    ({"unreachable": True, "results": [{}, LOST]}, LOST),
    ({"unreachable": True, "results": []}, {"unreachable": True, "results": []}),
    ({"results": ["no dict", None]}, None), ({"results": "no list"}, None), ({"results": 7}, None),
])
def test_an_unreachable_host_is_found_in_any_form_of_a_result(result, lost):
    assert unreachable.unreachable_in(result) == lost


def test_a_note_is_for_one_host_until_the_next_hook(tmp_path):
    assert not unreachable.is_listening(tmp_path)
    unreachable.start_listening(tmp_path)
    unreachable.start_listening(tmp_path)
    assert unreachable.is_listening(tmp_path)
    unreachable.note(tmp_path, "../we\udcffb/1", "refused")
    assert [unreachable.noted(tmp_path, host) for host in ("../we\udcffb/1", "web2")] == ["refused", None]
    unreachable.forget(tmp_path)
    assert unreachable.noted(tmp_path, "../we\udcffb/1") is None and unreachable.is_listening(tmp_path)


def test_a_note_without_a_host_is_for_each(tmp_path):
    unreachable.start_listening(tmp_path)
    unreachable.note(tmp_path, unreachable.EVERY_HOST, "")
    assert unreachable.noted(tmp_path, "web1") == unreachable.NO_REASON


def test_the_role_finds_a_note_by_the_digest_of_the_name(tmp_path):
    unreachable.start_listening(tmp_path)
    unreachable.note(tmp_path, "web1", "refused")
    digest = hashlib.sha256(b"web1").hexdigest()
    assert (tmp_path / unreachable.notes_path(tmp_path) / digest).read_text() == "refused"
