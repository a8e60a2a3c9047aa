# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses to a host: everything of a small offer, and only what is needed of a large one."""

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.offer import Offer


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
