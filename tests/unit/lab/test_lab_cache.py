# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache: its keys tell recipes apart, and an entry is complete, absent, or being built by one run."""

from __future__ import annotations

import threading

import pytest

from tests.lab.cache import Cache, recipe_digest
from tests.lab.progress import Progress


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", Progress())


def write_result(directory):
    directory.joinpath("result").write_text("made")


def test_same_recipe_has_same_digest(tmp_path):
    tmp_path.joinpath("file").write_text("text")
    assert recipe_digest("a", tmp_path) == recipe_digest("a", tmp_path)


def test_digest_keeps_parts_apart():
    assert recipe_digest("ab", "c") != recipe_digest("a", "bc")


def test_digest_follows_content_of_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("one")
    before = recipe_digest(file)
    file.write_text("two")
    assert recipe_digest(file) != before


@pytest.mark.parametrize("change", [
    lambda directory: directory.joinpath("sub", "file").write_text("other"),
    lambda directory: directory.joinpath("sub", "file").rename(directory / "sub" / "renamed"),
    lambda directory: directory.joinpath("new").write_text(""),
])
def test_digest_follows_a_directory(tmp_path, change):
    tmp_path.joinpath("sub").mkdir()
    tmp_path.joinpath("sub", "file").write_text("text")
    before = recipe_digest(tmp_path)
    change(tmp_path)
    assert recipe_digest(tmp_path) != before


def test_digest_ignores_bytecode(tmp_path):
    tmp_path.joinpath("module.py").write_text("")
    before = recipe_digest(tmp_path)
    tmp_path.joinpath("module.pyc").write_bytes(b"\0")
    assert recipe_digest(tmp_path) == before


def test_cache_is_private(cache):
    assert cache.root.stat().st_mode & 0o777 == 0o700


def test_entry_is_built_once(cache):
    place = cache.entry("kind", "key", write_result)
    assert place.joinpath("result").read_text() == "made"
    assert cache.entry("kind", "key", pytest.fail) == place


def test_failed_build_leaves_no_entry_and_does_not_hinder_the_next(cache):
    def fail_half_way(directory):
        directory.joinpath("half").write_text("")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        cache.entry("kind", "key", fail_half_way)
    assert not cache.root.joinpath("kind-key").exists()
    place = cache.entry("kind", "key", write_result)
    assert [path.name for path in place.iterdir()] == ["result"]


def test_second_asker_waits_for_the_first(cache, capsys):
    building, finish = threading.Event(), threading.Event()

    def build_slowly(directory):
        building.set()
        assert finish.wait(10)
        write_result(directory)

    def say_when_waiting(text):
        if "waiting" in text:
            finish.set()

    first = threading.Thread(target=cache.entry, args=("kind", "key", build_slowly))
    first.start()
    assert building.wait(10)
    place = Cache(cache.root, say_when_waiting).entry("kind", "key", pytest.fail)
    first.join()
    assert place.joinpath("result").read_text() == "made"


def test_discarded_entry_is_built_again(cache):
    cache.discard(cache.entry("kind", "key", write_result))
    assert not cache.root.joinpath("kind-key").exists()
    assert cache.entry("kind", "key", write_result).joinpath("result").exists()


def test_entry_that_is_discarded_twice_is_gone_all_the_same(cache):
    place = cache.entry("kind", "key", write_result)
    cache.discard(place)
    cache.discard(place)
    assert not place.exists()
