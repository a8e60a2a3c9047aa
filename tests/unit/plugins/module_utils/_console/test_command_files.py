# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command and its manual page as files, read by the shell and by man themselves."""

import os
import shutil
import stat
import subprocess

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._console.commands import refresh
from ansible_collections.kernel.livepatch.plugins.module_utils._console.manual import manual_page
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import ensure_program

COMMAND = "/usr/local/sbin/kernel-livepatch"
PAGE = "/usr/local/share/man/man8/kernel-livepatch.8"


@pytest.fixture
def host(kernel):
    """A simulated host that has the program."""
    ensure_program(kernel)
    return kernel


def mode_of(host, path):
    return stat.S_IMODE(os.lstat(host.path(path)).st_mode)


def test_the_command_runs_the_program_with_its_python(host):
    assert refresh(host) == []
    assert host.read(COMMAND).splitlines()[-1] == f'exec /usr/bin/python3 -I -B {PROGRAM} "$@"'
    assert (mode_of(host, COMMAND), mode_of(host, PAGE)) == (0o755, 0o644)
    subprocess.run(["/bin/sh", "-n", host.path(COMMAND)], check=True)


def test_the_command_tells_a_user_who_is_not_root(host, tmp_path):
    refresh(host)
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    done = subprocess.Popen(["/bin/sh", host.path(COMMAND), "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={"PATH": str(tmp_path)})
    output, error = done.communicate()
    assert (done.returncode, output) == (3, b"")
    assert error == b"not-permitted: Only root can use kernel-livepatch. Run it with sudo.\n"


def test_a_file_that_is_right_is_left_alone_and_any_other_is_replaced(host):
    refresh(host)
    before = os.stat(host.path(COMMAND)).st_ino
    refresh(host)
    assert os.stat(host.path(COMMAND)).st_ino == before
    content = host.read_bytes(COMMAND)
    os.unlink(host.path(COMMAND))
    os.symlink("/etc/passwd", host.path(COMMAND))
    assert refresh(host) == []
    assert (host.read_bytes(COMMAND), mode_of(host, COMMAND)) == (content, 0o755)


def test_without_the_program_there_is_no_command(kernel):
    assert refresh(kernel) == []
    assert not kernel.exists(COMMAND)


def shared(host):
    os.chmod(host.path("/usr/local/sbin"), 0o775)


def linked(host):
    os.rename(host.path("/usr/local"), host.path("/elsewhere"))
    os.symlink(host.path("/elsewhere"), host.path("/usr/local"))


def missing(host):
    os.rmdir(host.path("/usr/local/sbin"))


@pytest.mark.parametrize("spoil, why", [
    (shared, "others than root can write /usr/local/sbin"), (missing, "it does not exist"),
    (linked, "/usr/local is a symbolic link or no directory")])
def test_a_command_that_cannot_be_installed_is_a_note(host, spoil, why):
    spoil(host)
    (found,) = refresh(host)
    assert (found["code"], found["level"]) == ("command-not-installed", "note")
    assert f"({why})" in found["message"]
    assert f"run: /usr/bin/python3 -I -B {PROGRAM} status." in found["message"]


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man command here")
def test_man_reads_the_page_without_a_warning(tmp_path):
    page = tmp_path / "kernel-livepatch.8"
    page.write_text(manual_page())
    done = subprocess.Popen(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL="C.UTF-8"))
    output, error = done.communicate()
    assert (done.returncode, error) == (0, b"")
    assert b"quarantine" in output


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="there is no mandoc command here")
def test_mandoc_finds_nothing_in_the_page():
    done = subprocess.Popen(["mandoc", "-T", "lint", "-W", "style"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, _error = done.communicate(manual_page().encode("ascii"))
    assert (done.returncode, output) == (0, b"")
