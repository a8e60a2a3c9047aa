# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache that the processes of one run share."""

from __future__ import annotations

import base64
import hashlib
import lzma
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle import cache as cache_module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle import description as description_module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.description import describe
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError


@pytest.fixture
def cache(tmp_path):
    return ParseCache(tmp_path)


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Files that get a line for each time that a file is read and that a module is parsed, by whatever process."""
    modules = {"read_file": cache_module, "describe_image": description_module}
    logs = {name: tmp_path / f"{name}.log" for name in modules}

    def counting(name, function):
        def counted(*args):
            with open(logs[name], "a") as log:
                log.write(".")
            return function(*args)

        return counted

    for name, log in logs.items():
        log.touch()
        monkeypatch.setattr(modules[name], name, counting(name, getattr(modules[name], name)))
    return lambda: {name: len(log.read_text()) for name, log in logs.items()}


@pytest.fixture
def module(build_module, tmp_path):
    """A copy of a module that is old enough for its time stamps to be trusted."""
    path = tmp_path / "fix.ko"
    shutil.copyfile(build_module("source_simple"), path)
    settle(path)
    return path


def settle(path: Path) -> None:
    while time.time_ns() - path.stat().st_ctime_ns <= cache_module._SETTLED_NS:
        time.sleep(0.01)


def test_a_description_is_the_same_as_without_cache(cache, module):
    assert cache.describe(module) == describe(module)
    assert cache.describe(module) == describe(module)


def test_a_file_is_read_and_parsed_once(cache, module, calls):
    for _use in range(3):
        cache.describe(module)
    assert calls() == {"read_file": 1, "describe_image": 1}


def _describe(directory, path, barrier):
    barrier.wait()
    ParseCache(directory).describe(path)


def test_forks_that_start_together_parse_once(tmp_path, module, calls):
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(8)
    workers = [fork.Process(target=_describe, args=(tmp_path, module, barrier)) for _worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert calls() == {"read_file": 1, "describe_image": 1}


def test_the_same_content_elsewhere_is_not_parsed_again(cache, module, calls):
    copy = module.with_name("copy.ko")
    shutil.copyfile(module, copy)
    cache.describe(module)
    assert cache.describe(copy)["file"] == "copy.ko"
    assert calls()["describe_image"] == 1


def test_a_file_that_has_changed_is_read_again(cache, module, build_module):
    before = cache.describe(module)
    module.write_bytes(build_module("source_several").read_bytes())
    assert cache.describe(module)["sha256"] != before["sha256"]


def test_a_file_that_is_just_being_written_is_not_trusted(cache, module, build_module):
    first = build_module("source_simple", '-DBUILD="1"').read_bytes()
    second = build_module("source_simple", '-DBUILD="2"').read_bytes()
    assert len(first) == len(second)
    digests = []
    for data in (first, second):
        module.write_bytes(data)
        digests.append(cache.describe(module)["sha256"])
    assert digests == [hashlib.sha256(first).hexdigest(), hashlib.sha256(second).hexdigest()]


def test_errors_are_remembered_and_name_each_file(cache, tmp_path, calls):
    for name in ("one.ko", "two.ko"):
        path = tmp_path / name
        path.write_text("no module")
        with pytest.raises(PatchFileError) as caught:
            cache.describe(path)
        assert caught.value.message.startswith(f"{path} is not an ELF file")
    assert calls()["describe_image"] == 1


def test_the_image_of_a_compressed_file_is_plain(cache, module):
    compressed = module.with_name("fix.ko.xz")
    compressed.write_bytes(lzma.compress(module.read_bytes()))
    description = cache.describe(compressed)
    path = cache.image_path(description["sha256"])
    assert path.read_bytes() == module.read_bytes()
    assert cache.image_path(description["sha256"]) == path
    digests = []
    cache.describe_checked(compressed, digests.append)
    cache.describe_checked(compressed, digests.append)
    assert digests == [hashlib.sha256(compressed.read_bytes()).hexdigest()] * 2


def test_an_image_whose_file_has_changed_is_refused(cache, module):
    digest = cache.describe(module)["sha256"]
    module.write_bytes(b"something else")
    with pytest.raises(PatchFileError, match="has changed since it was checked") as caught:
        cache.image_path(digest)
    assert caught.value.code == "changed"


def test_bytes_without_a_file_are_described_and_kept(cache, module):
    data = module.read_bytes()
    description = cache.describe_bytes(lzma.compress(data), "remote.ko.xz")
    assert (description["file"], description["compression"]) == ("remote.ko.xz", "xz")
    assert cache.find_description(description["sha256"])["name"] == "fixture"
    assert cache.image_path(description["sha256"]).read_bytes() == data


def test_what_has_not_been_seen_is_not_described(cache):
    assert cache.find_description("0" * 64) is None


def test_nobody_else_can_read_the_cache(cache, module, tmp_path):
    cache.image_path(cache.describe(module)["sha256"])
    modes = {
        path: path.stat().st_mode & 0o777 for path in Path(tmp_path, "kernel-livepatch").rglob("*") if path.exists()
    }
    wrong = {path: oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)}
    assert modes and not wrong


def test_a_file_that_vanishes_is_an_error(cache, module):
    cache.describe(module)
    os.remove(module)
    with pytest.raises(PatchFileError) as caught:
        cache.describe(module)
    assert caught.value.code == "unreadable"


def test_an_image_for_the_arguments_of_a_module(cache, module):
    description = cache.describe(module)
    text = cache.enclosure(description["sha256"])
    assert zlib.decompress(base64.b64decode(text)) == module.read_bytes()
    assert cache.enclosure(description["sha256"]) == text


@pytest.mark.parametrize(("room", "fits"), [(0, True), (-1, False)])
def test_an_image_too_large_for_the_arguments(cache, module, monkeypatch, room, fits):
    size = len(base64.b64encode(zlib.compress(module.read_bytes())))
    monkeypatch.setattr(cache_module, "LARGEST_ENCLOSURE", size + room)
    sha256 = cache.describe(module)["sha256"]
    for _again in range(2):
        assert (cache.enclosure(sha256) is not None) == fits


@pytest.mark.parametrize("failing", ["mkstemp", "rename", "open"])
@pytest.mark.parametrize("use", [
    lambda cache, module: cache.describe(module), lambda cache, module: cache.describe_bytes(module.read_bytes(), "x"),
    lambda cache, module: cache.file_of(b"x").__enter__()])
def test_a_full_disk_on_the_controller_is_one_error_with_the_place(cache, module, tmp_path, monkeypatch, failing, use):
    def full(path="", *_arguments, **_options):
        if failing != "open" or "locks" in os.fspath(path):
            raise OSError(28, "No space left on device")
        return real(path, *_arguments, **_options)
    real = os.open
    if failing == "mkstemp":
        monkeypatch.setattr(cache_module.tempfile, "mkstemp", full)
    else:
        monkeypatch.setattr(cache_module.os, failing, full)
    try:
        use(cache, module)
    except TaskError as error:
        assert error.code == "local-directory-unwritable"
        assert f"into {tmp_path} (No space left on device)" in error.message
    else:
        assert failing == "open"  # a file to send needs no lock
    monkeypatch.undo()
    assert list((tmp_path / "kernel-livepatch").rglob("tmp*")) == []
    assert cache.describe(module)["name"]


def test_a_temporary_file_is_there_as_long_as_it_is_used(cache):
    with cache.file_of(b"content") as file:
        assert file.read_bytes() == b"content" and file.stat().st_mode & 0o077 == 0
    assert not file.exists()


def test_the_plugins_of_a_rollout_import_no_parser_of_patch_files():
    """Ansible imports them once, and forks that process for each host of a fleet."""
    plugins = (
        "action._rollout_step", "action.patch", "action.patch_check", "action.patch_hook", "action.patch_rollback",
        "action.patch_verify", "action.patch_watch", "callback.hooks", "lookup.hosts")
    code = (
        f"import importlib, sys\nfor name in {plugins}:\n"
        "    importlib.import_module('ansible_collections.kernel.livepatch.plugins.' + name)\n"
        "print(*(name for name in sys.modules if name.startswith('elftools') or '._formats' in name))")
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "\n"
