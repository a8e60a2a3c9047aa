# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled code of a host's program in a module: taken where it is of the same sources, and of nothing else."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import (
    DATE,
    PACKAGE,
    compiled,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.seal import seal

FOLDER = PACKAGE.replace(".", "/")
HERE = Path(__file__).resolve().parents[5] / "plugins" / "module_utils"
NAMES = ("_util/compiled_code", "_util/seal", "_util/text", "_util/errors")
START = f"""\
import importlib, os, sys
sys.path[:0] = [sys.argv[1]]
from {PACKAGE}._util.compiled_code import use_compiled_code
use_compiled_code(sys.argv[2])
exec(sys.argv[3])
name = "{PACKAGE}._util.errors"
module = importlib.import_module(name)
print(module.__spec__.origin.rpartition("/ansible_collections/")[0], module.__spec__.loader.get_code(name).co_filename)
"""


def sources():
    folders = [FOLDER.rsplit("/", count)[0] for count in range(FOLDER.count("/") + 1)]
    return {
        **{f"{folder}/__init__.py": b"" for folder in {*folders, FOLDER, f"{FOLDER}/_util"}},
        **{f"{FOLDER}/{name}.py": (HERE / f"{name}.py").read_bytes() for name in NAMES}}


def write_zip(path, files):
    with zipfile.ZipFile(str(path), "w") as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, DATE), content)


class Sent:
    """A module as Ansible sends it, and the program on the host, each with the same sources."""

    def __init__(self, directory):
        self.archive = directory / "sent.zip"
        self.directory = directory / "state"
        self.program = self.directory / "program.pyz"
        self.directory.mkdir(mode=0o700)
        self.files = sources()
        write_zip(self.archive, self.files)
        self.install(self.files)

    def install(self, files, compile_as=compiled):
        code = {f"{name}c": compile_as(content, f"/compiled/{name}") for name, content in files.items() if content}
        plain = self.directory / "plain"
        write_zip(plain, {**files, **code})
        self.write(seal(b"#!/usr/bin/python3\n", plain.read_bytes()))
        plain.unlink()

    def write(self, content):
        self.program.write_bytes(content)
        self.program.chmod(0o600)

    def origin(self, meanwhile="", expected=0):
        """Where the next import comes from, and which file its code names."""
        done = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", START, str(self.archive), str(self.program), meanwhile],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env={})
        output, errors = done.communicate()
        assert (done.returncode, errors) == (expected, b"")
        return output.decode("utf-8").split()


@pytest.fixture
def sent(tmp_path):
    return Sent(tmp_path)


def is_of_program(origin):
    return origin[0].startswith("/proc/self/fd/")


def test_a_module_takes_compiled_code_of_the_same_sources(sent):
    origin = sent.origin()
    assert is_of_program(origin)
    assert origin[1] == f"/compiled/{FOLDER}/_util/errors.py"


def test_a_module_takes_from_its_own_archive_what_the_program_lacks(sent):
    """Also from a package that nothing was imported from yet."""
    own = f"{FOLDER}/_jobs/patch_check.py"
    write_zip(sent.archive, {
        **sent.files, f"{FOLDER}/_jobs/__init__.py": b"", own: b"x = 1\n", f"{FOLDER}/_util/own.py": b"x = 2\n"})
    sent.install({**sent.files, f"{FOLDER}/_jobs/__init__.py": b"", f"{FOLDER}/_jobs/patch.py": b"x = 3\n"})
    origin = sent.origin(
        f"from {PACKAGE}._jobs import patch_check\nfrom {PACKAGE}._util import own\nassert patch_check.x + own.x == 3")
    assert is_of_program(origin)


def test_a_source_that_only_one_of_both_has_does_not_matter(sent):
    sent.install({**sent.files, f"{FOLDER}/_util/more.py": b"x = 1\n"})
    assert is_of_program(sent.origin())
    del sent.files[f"{FOLDER}/_util/text.py"]
    sent.install(sent.files)
    assert is_of_program(sent.origin())


@pytest.mark.parametrize("name", NAMES)
def test_a_program_of_other_sources_is_not_used(sent, name):
    name = f"{FOLDER}/{name}.py"
    sent.install({**sent.files, name: sent.files[name] + b"# newer\n"})
    assert sent.origin()[0] == str(sent.archive)


def test_a_program_without_a_common_source_is_not_used(sent):
    sent.install({f"{FOLDER}/_util/more.py": b"x = 1\n"})
    assert sent.origin()[0] == str(sent.archive)


def damage(sent):
    content = sent.program.read_bytes()
    middle = len(content) // 2
    sent.write(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:])


def link(sent):
    other = sent.directory / "other"
    sent.program.rename(other)
    sent.program.symlink_to(other)


def fifo(sent):
    sent.program.unlink()
    os.mkfifo(str(sent.program), 0o600)


@pytest.mark.parametrize("change", [
    damage, link, fifo,
    lambda sent: sent.program.unlink(),
    lambda sent: sent.write(sent.program.read_bytes()[:-1]),
    lambda sent: sent.write(seal(b"#!/usr/bin/python3\n", b"not an archive")),
    lambda sent: sent.program.chmod(0o644),
    lambda sent: sent.program.chmod(0o620),
    lambda sent: sent.directory.chmod(0o750),
    lambda sent: sent.directory.chmod(0o702),
], ids=["damaged", "link", "fifo", "absent", "cut", "no archive", "readable", "writable", "group", "others"])
def test_a_program_that_is_not_whole_or_not_private_is_not_used(sent, change):
    change(sent)
    assert sent.origin()[0] == str(sent.archive)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")
@pytest.mark.parametrize("what", ["program", "directory"])
def test_a_program_of_another_user_is_not_used(sent, what):
    os.chown(str(getattr(sent, what)), 65534, 65534)
    assert sent.origin()[0] == str(sent.archive)


@pytest.mark.parametrize("meanwhile", [
    "os.unlink(sys.argv[2])", "os.rename(sys.argv[2] + '.new', sys.argv[2])"], ids=["removed", "replaced"])
def test_a_run_goes_on_with_the_program_that_it_has_checked(sent, meanwhile):
    Path(f"{sent.program}.new").write_bytes(b"of another version")
    origin = sent.origin(meanwhile)
    assert is_of_program(origin)
    assert origin[1].startswith("/compiled/")


def test_another_python_compiles_the_sources(sent):
    """As after an upgrade of the host's Python."""
    def of_another(source, path):
        code = compiled(source, path)
        return bytes([code[0] ^ 1]) + code[1:]

    assert compiled(b"x = 1\n", "x.py").startswith(importlib.util.MAGIC_NUMBER)
    sent.install(sent.files, of_another)
    origin = sent.origin()
    assert is_of_program(origin)
    assert not origin[1].startswith("/compiled/")


def test_a_module_that_is_no_archive_uses_no_program(sent, tmp_path):
    """As with ANSIBLE_KEEP_REMOTE_FILES, when an engineer changes the files of a module."""
    with zipfile.ZipFile(str(sent.archive)) as archive:
        archive.extractall(str(tmp_path / "files"))
    sent.archive = tmp_path / "files"
    assert sent.origin()[0] == str(sent.archive)
