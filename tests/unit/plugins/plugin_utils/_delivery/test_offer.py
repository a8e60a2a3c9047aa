# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses to a host: everything of a small offer, and only what is needed of a large one."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import metadata_digest
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.offer import Offer
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError


def build(number, release, padding=0):
    return {"file": f"{number}.ko", "name": "fix", "release": release, "arch": "x86_64", "sha256": f"{number:064x}",
            "size": 10, "build_id": "aa", "objects": [], "padding": "x" * padding}


STUB = {"file": "1.ko", "name": "fix", "release": "6.1", "arch": "x86_64", "sha256": f"{1:064x}", "size": 10,
        "build_id": "aa", "stub": True}


def test_a_small_bundle_crosses_whole():
    builds = [build(1, "6.1"), build(2, "6.12")]
    assert Offer("bundle", builds).to_argument(None)["builds"] == builds


def test_of_a_large_bundle_only_stubs_cross():
    offered = Offer("bundle", [build(1, "6.1", 20000), build(2, "6.12", 20000)]).to_argument(None)["builds"]
    assert offered[0] == STUB
    assert [entry["stub"] for entry in offered] == [True, True]


def test_a_stub_has_what_a_host_needs_to_choose_among_builds_of_one_release():
    first = dict(build(1, "6.1", 20000), series={"stem": "kpatch", "rank": 1}, metadata={
        "cves": ["CVE-2026-1234"], "summary": "s", "advisory": None, "kernel_build_id": "0a", "version": "1.1"})
    second = dict(build(2, "6.1", 20000), version="1.0")
    offered = Offer("bundle", [first, second]).to_argument(None)["builds"]
    assert offered[0] == dict(
        STUB, series={"stem": "kpatch", "rank": 1}, metadata={"kernel_build_id": "0a"}, version="1.1",
        metadata_digest=metadata_digest(first))
    assert offered[1]["version"] == "1.0"
    assert not {"metadata", "metadata_digest", "series"} & set(offered[1])


def test_one_file_for_two_kernel_builds_is_offered_twice():
    one, two = (dict(build(1, "6.1"), metadata={"kernel_build_id": kernel}) for kernel in ("0a", "0b"))
    assert Offer("bundle", [one, two]).to_argument(None)["builds"] == [one, two]


@pytest.mark.parametrize("name", ["fi\udcffx.ko", "fix\n.ko", "\x1b[2J.ko", "\ud800.ko"])
def test_a_file_of_a_host_with_a_name_that_json_cannot_hold_is_refused(name):
    with pytest.raises(PatchFileError) as caught:
        Offer.of_host().add_build(dict(build(1, "6.1"), file=name))
    assert caught.value.code == "file-name-unusable"
    assert caught.value.message.isprintable()


def test_facts_spare_the_question_for_the_description():
    first = build(1, "6.1", 20000)
    offered = Offer("bundle", [first, build(2, "6.12", 20000)]).to_argument("6.1")["builds"]
    assert offered[0] == first
    assert offered[1]["stub"] is True


def test_what_was_asked_for_is_sent_whole():
    second = build(2, "6.12", 20000)
    offer = Offer("bundle", [build(1, "6.1", 20000), second])
    offer.send_full_description(second["sha256"])
    offered = offer.to_argument(None)["builds"]
    assert offered == [STUB, second]


def test_a_single_file_always_crosses_whole():
    large = build(1, "6.1", 90000)
    assert Offer("file", [large]).to_argument(None)["builds"] == [large]
