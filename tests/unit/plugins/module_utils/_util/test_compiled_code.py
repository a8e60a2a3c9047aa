# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiled code of a host's program in a module: taken where it is of the same sources, and of nothing else."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import pack
from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import MAGIC, PACKAGE, PROGRAM
from ansible_collections.kernel.livepatch.plugins.module_utils._util.seal import seal

FOLDER = PACKAGE.replace(".", "/")
HERE = Path(__file__).resolve().parents[5] / "plugins" / "module_utils"
NAMES = ("_util/compiled_code", "_util/seal", "_util/text", "_util/errors")
DATE = (1980, 1, 1, 0, 0, 0)
START = f"""\
import importlib, os, sys
sys.path[:0] = [sys.argv[1]]
from {PACKAGE}._util.compiled_code import use_compiled_code
use_compiled_code(sys.argv[2])
exec(sys.argv[3])
from {PACKAGE}._util import errors, text
for module in (errors, text):
    print(module.__spec__.loader.get_code(module.__name__).co_filename.split("/ansible_")[0])
"""
# Where the code of both comes from: the installer names its code so, and this run names another path.
OF_PROGRAM = [PROGRAM, PROGRAM]


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
        self.archives = [str(self.program)] * 2  # for code that the run has compiled itself

    def install(self, files, change=bytes):
        self.write(seal(b"#!/usr/bin/python3\n", b"# tested with this\n" + change(pack(files))))

    def write(self, content):
        self.program.write_bytes(content)
        self.program.chmod(0o600)

    def origin(self, meanwhile="", expected=0):
        """Where the code of errors.py and of text.py comes from."""
        done = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", START, str(self.archive), str(self.program), meanwhile],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env={})
        output, errors = done.communicate()
        assert (done.returncode, errors) == (expected, b"")
        return output.decode("utf-8").split()


@pytest.fixture
def sent(tmp_path):
    return Sent(tmp_path)


def test_a_module_takes_compiled_code_of_the_same_sources(sent):
    assert sent.origin() == OF_PROGRAM


def test_a_module_takes_from_its_own_archive_what_the_program_lacks(sent):
    """Also from a package that nothing was imported from yet."""
    write_zip(sent.archive, {
        **sent.files, f"{FOLDER}/_jobs/__init__.py": b"", f"{FOLDER}/_jobs/patch_check.py": b"x = 1\n",
        f"{FOLDER}/_util/own.py": b"x = 2\n"})
    sent.install({**sent.files, f"{FOLDER}/_jobs/__init__.py": b"", f"{FOLDER}/_jobs/patch.py": b"x = 3\n"})
    assert sent.origin(
        f"from {PACKAGE}._jobs import patch_check\nfrom {PACKAGE}._util import own\n"
        "assert patch_check.x + own.x == 3") == OF_PROGRAM


def test_a_module_imports_only_what_ansible_has_sent(sent):
    sent.install({**sent.files, f"{FOLDER}/_util/more.py": b"x = 1\n"})
    assert sent.origin(f"""
try:
    from {PACKAGE}._util import more
except ImportError:
    more = None
assert more is None""") == OF_PROGRAM


def test_code_of_another_source_is_not_used(sent):
    """That of the same ones is."""
    name = f"{FOLDER}/_util/errors.py"
    sent.install({**sent.files, name: sent.files[name] + b"# newer\n"})
    assert sent.origin() == [str(sent.program), PROGRAM]


def test_code_of_another_source_of_the_same_size_is_not_used(sent):
    name = f"{FOLDER}/_util/errors.py"
    sent.install({**sent.files, name: sent.files[name].replace(b"Copyright", b"copyright")})
    assert sent.origin() == [str(sent.program), PROGRAM]


def test_damaged_code_is_not_used(sent):
    """The other code is, as the index has a checksum for each."""
    content = sent.program.read_bytes()
    at = content.index(b"LivepatchError")
    sent.write(content[:at] + b"l" + content[at + 1:])
    assert sent.origin() == [str(sent.program), PROGRAM]


def test_cut_code_is_not_used(sent):
    """What is before the cut is: errors.py."""
    sent.write(sent.program.read_bytes()[:-1])
    assert sent.origin() == [PROGRAM, str(sent.program)]


def test_code_that_cannot_be_read_is_compiled(sent):
    """As on a bad disk: what is imported late, after a change, must not fail because of the program."""
    assert sent.origin("""
def fail(*_):
    raise OSError(5, "Input/output error")
os.pread = fail""") == sent.archives


@pytest.mark.parametrize("code", [True, False], ids=["with code", "without code"])
def test_another_archive_in_the_place_of_the_first_is_not_read(sent, code):
    """As when a program is replaced while a process of it runs: the offsets are those of the first."""
    text = f"{FOLDER}/_util/text.py"
    if not code:
        sent.program.unlink()
    sent.origin(f"""
import zipfile
with zipfile.ZipFile(sys.argv[1] + ".new", "w") as archive:
    archive.writestr("a" * 300, b"of another version")
    archive.writestr("{text}", b"x = 1")
os.rename(sys.argv[1] + ".new", sys.argv[1])
loader = importlib.util.find_spec("{PACKAGE}._util.text").loader
for read in [loader.get_source] if {code} else [loader.get_source, loader.get_code]:
    try:
        read("{PACKAGE}._util.text")
    except OSError as error:
        assert "replaced or is damaged" in str(error), error
    else:
        raise AssertionError(read)
os._exit(0)""")


def link(sent):
    other = sent.directory / "other"
    sent.program.rename(other)
    sent.program.symlink_to(other)


def fifo(sent):
    sent.program.unlink()
    os.mkfifo(str(sent.program), 0o600)


def change(old, new):
    return lambda sent: sent.write(sent.program.read_bytes().replace(old, new, 1))


@pytest.mark.parametrize("spoil", [
    link, fifo,
    lambda sent: sent.program.unlink(),
    lambda sent: sent.write(b""),
    lambda sent: sent.write(b"\n" * 100),
    lambda sent: sent.write(seal(b"#!/usr/bin/python3\n", b"# tested with this\nPK\x03\x04")),
    change(b"# compiled ", b"# unknown "),
    change(b"# compiled " + MAGIC + b" ", b"# compiled " + MAGIC + b" 9"),
    change(b"# compiled " + MAGIC + b" ", b"# compiled " + MAGIC + b" -"),
    change(b"# compiled " + MAGIC + b" ", b"# compiled " + MAGIC + b" " + b"9" * 5000),
    change(b"_util/errors.py", b"_util/Errors.py"),  # in the index, which is the first to name it
    lambda sent: sent.program.chmod(0o644),
    lambda sent: sent.program.chmod(0o620),
    lambda sent: sent.directory.chmod(0o750),
    lambda sent: sent.directory.chmod(0o702),
], ids=[
    "link", "fifo", "absent", "empty", "lines", "no code", "another line", "size", "no size", "long size", "index",
    "readable", "writable", "group", "others"])
def test_a_program_that_is_not_whole_or_not_private_is_not_used(sent, spoil):
    spoil(sent)
    assert sent.origin() == sent.archives


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")
@pytest.mark.parametrize("what", ["program", "directory"])
def test_a_program_of_another_user_is_not_used(sent, what):
    os.chown(str(getattr(sent, what)), 65534, 65534)
    assert sent.origin() == sent.archives


@pytest.mark.parametrize("meanwhile", [
    "os.unlink(sys.argv[2])", "os.rename(sys.argv[2] + '.new', sys.argv[2])"], ids=["removed", "replaced"])
def test_a_run_goes_on_with_the_program_that_it_has_checked(sent, meanwhile):
    Path(f"{sent.program}.new").write_bytes(b"of another version")
    assert sent.origin(meanwhile) == OF_PROGRAM


def test_another_python_compiles_the_sources(sent):
    """As after an upgrade of the host's Python."""
    sent.install(sent.files, lambda code: code.replace(MAGIC, b"0" * len(MAGIC), 1))
    assert sent.origin() == sent.archives


def test_a_source_is_compiled_once_in_a_process(sent):
    """The installer gets that code too: the very first task on a host compiles and installs."""
    sent.program.unlink()
    assert sent.origin(f"""
import builtins
real, names = compile, []
def counted(source, name, *more, **options):
    names.append(name.rpartition("/")[2])
    return real(source, name, *more, **options)
builtins.compile = counted
from {PACKAGE}._util import errors, text
assert sorted(names) == ["errors.py", "text.py"], names
importer, path = text.__spec__.loader, "{FOLDER}/_util/text.py"
source = importer.get_source(text.__name__).encode("utf-8")
assert importer.made(path, source).co_filename == sys.argv[2] + "/" + path
assert importer.made(path, source + b" ") is None
assert importer.made("{FOLDER}/_util/seal.py", source) is None""") == sent.archives


def test_a_traceback_shows_the_source(sent):
    path = f"{FOLDER}/_util/failing.py"
    files = {**sent.files, path: b"def fail():\n    raise ValueError\n"}
    write_zip(sent.archive, files)
    sent.install(files)
    sent.origin(f"""
import traceback
from {PACKAGE}._util.failing import fail
try:
    fail()
except ValueError:
    assert "    raise ValueError" in traceback.format_exc(), traceback.format_exc()""")


def test_a_module_that_is_no_archive_uses_no_program(sent, tmp_path):
    """As with ANSIBLE_KEEP_REMOTE_FILES, when an engineer changes the files of a module."""
    with zipfile.ZipFile(str(sent.archive)) as archive:
        archive.extractall(str(tmp_path / "files"))
    sent.archive = tmp_path / "files"
    assert sent.origin() == [str(sent.archive)] * 2
