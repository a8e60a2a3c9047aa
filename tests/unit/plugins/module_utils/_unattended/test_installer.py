# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that a host keeps: what is in it, who may run it, and that a real Python can."""

import os
import stat
import subprocess
import sys
import zipfile

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import installer
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import (
    MAIN,
    ensure_program,
    lasting_interpreter,
    sources_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.program import this_program
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.seal import seal

WORDS = ["/usr/bin/python3", "-I", "-B", PROGRAM]


def refusal(kernel, **options):
    with pytest.raises(LivepatchError) as raised:
        ensure_program(kernel, **options)
    return raised.value


def without_the_distributions(kernel):
    """The Python of the simulated distribution is not installed."""
    os.unlink(kernel.path("/usr/bin/python3"))


def at(kernel, path, target=None):
    """A Python of this path on the simulated host, and the one that runs this."""
    if target:
        os.makedirs(os.path.dirname(kernel.path(path)), exist_ok=True)
        os.symlink(target, kernel.path(path))
    else:
        kernel.put(path, "")
    kernel.interpreter = lambda: path


def test_the_program_is_installed_for_root_alone_and_tried(kernel):
    assert ensure_program(kernel) == WORDS == this_program(kernel)
    assert kernel.commands == [[*WORDS[:-1], f"{PROGRAM}.new", "ready"]]
    assert kernel.names("/var/lib/kernel-livepatch") == ["program.pyz"]
    assert stat.S_IMODE(os.stat(kernel.path(PROGRAM)).st_mode) == 0o600


def test_a_program_that_is_there_is_tried_again_only_for_a_trial(kernel):
    ensure_program(kernel)
    before = os.stat(kernel.path(PROGRAM))
    assert ensure_program(kernel) == WORDS
    assert len(kernel.commands) == 1
    assert ensure_program(kernel, probe=True) == WORDS
    assert len(kernel.commands) == 2
    assert os.stat(kernel.path(PROGRAM)).st_ino == before.st_ino


def test_another_python_tries_the_program_again(kernel):
    ensure_program(kernel)
    without_the_distributions(kernel)
    at(kernel, "/opt/python/bin/python3.12")
    assert ensure_program(kernel) == ["/opt/python/bin/python3.12", *WORDS[1:]]
    assert len(kernel.commands) == 2


@pytest.mark.parametrize("status, output", [
    (1, "Traceback\nSyntaxError: no"), (0, ""), (1, "ledger-damaged: x"), (0, "a warning\nready")])
def test_a_program_that_does_not_run_is_told_and_not_kept(kernel, status, output):
    kernel.answer = lambda argv: (status, output)
    error = refusal(kernel)
    assert error.code == "program-unusable"
    assert f"({output.split(chr(10))[-1] or 'no output'})" in error.message
    assert not os.path.exists(kernel.path(PROGRAM))
    assert refusal(kernel, probe=True).code == "program-unusable"


def test_a_program_that_does_not_run_takes_the_place_of_none_that_does(kernel):
    ensure_program(kernel)
    works = kernel.read_bytes(PROGRAM)
    without_the_distributions(kernel)
    at(kernel, "/opt/python/bin/python3.12")
    kernel.answer = lambda argv: (1, "SyntaxError: no")
    assert refusal(kernel).code == "program-unusable"
    assert kernel.read_bytes(PROGRAM) == works
    assert kernel.names("/var/lib/kernel-livepatch") == ["program.pyz"]


def test_a_python_that_does_not_start_is_told(kernel):
    def missing(argv, seconds):
        raise FileNotFoundError(2, "No such file or directory", argv[0])

    kernel.run = missing
    assert "No such file or directory: '/usr/bin/python3'" in refusal(kernel).message


@pytest.mark.parametrize("path", ["/usr/bin/python3.11", "/opt/venv/bin/python", "/usr/local/bin/python3"])
def test_a_name_that_the_distribution_keeps_is_taken_rather_than_the_running_python(kernel, path):
    at(kernel, path)
    assert ensure_program(kernel)[0] == "/usr/bin/python3"
    without_the_distributions(kernel)
    assert ensure_program(kernel)[0] == path


@pytest.mark.parametrize("path", [
    "/home/deploy/venv/bin/python", "/root/venv/bin/python", "/tmp/python", "/opt/my python/python",
    "/opt/50%/python"])
def test_a_python_that_others_could_have_put_there_is_not_taken(kernel, path):
    without_the_distributions(kernel)
    at(kernel, path)
    assert refusal(kernel).code == "interpreter-not-trusted"


@pytest.mark.parametrize("path, owner", [
    ("/opt/venv/bin/python", (1000, 0o755)), ("/opt/venv/bin/python", (0, 0o775)), ("/opt/venv", (1000, 0o755)),
    ("/opt", (0, 0o1777))])
def test_a_python_that_others_can_replace_is_not_taken(kernel, path, owner):
    without_the_distributions(kernel)
    at(kernel, "/opt/venv/bin/python")
    assert ensure_program(kernel)[0] == "/opt/venv/bin/python"
    kernel.owners[path] = owner
    assert refusal(kernel).code == "interpreter-not-trusted"


def fails(kernel, *paths):
    """These Pythons cannot run the program."""
    kernel.answer = lambda argv: (1, "SyntaxError: x") if argv[0] in paths else (0, "ready")


def test_a_python_that_cannot_run_the_program_is_followed_by_the_next(kernel):
    """As on a distribution whose own Python is older than 3.6."""
    at(kernel, "/opt/python/bin/python3.12")
    fails(kernel, "/usr/bin/python3")
    for _again in range(2):
        assert ensure_program(kernel, probe=True)[0] == "/opt/python/bin/python3.12"
    assert kernel.read_bytes(PROGRAM).startswith(b"#!/opt/python/bin/python3.12 ")
    fails(kernel, "/usr/bin/python3", "/opt/python/bin/python3.12")
    assert refusal(kernel, probe=True).message.startswith("/usr/bin/python3 cannot run")


def test_of_a_python_that_may_not_last_there_is_a_better_one_if_it_runs_the_program(kernel):
    at(kernel, "/opt/python/bin/python3.12")
    fails(kernel, "/usr/bin/python3")
    argv = ensure_program(kernel)
    assert lasting_interpreter(kernel, argv) is None
    fails(kernel)
    assert lasting_interpreter(kernel, argv) == "/usr/bin/python3"
    assert lasting_interpreter(kernel, WORDS) is None


STORE = "/nix/store/0c4-python3-3.11.9/bin/python3.11"


def test_a_python_in_a_store_of_root_and_a_group_is_taken(kernel):
    without_the_distributions(kernel)
    at(kernel, STORE)
    kernel.owners["/nix/store"] = (0, 0o1775)
    assert ensure_program(kernel)[0] == STORE
    os.makedirs(kernel.path("/run/current-system/sw/bin"))
    os.symlink(STORE.replace("/nix", "../../../../nix", 1), kernel.path("/run/current-system/sw/bin/python3"))
    assert ensure_program(kernel)[0] == "/run/current-system/sw/bin/python3"


@pytest.mark.parametrize("path, owner, words", [
    ("/nix/store", (0, 0o775), "/nix/store can be written by a group, without the sticky bit"),
    ("/nix/store", (0, 0o1777), "/nix/store can be written by every user"),
    ("/nix/store", (30001, 0o1775), "/nix/store belongs to another user"),
    ("/nix/store/0c4-python3-3.11.9", (30001, 0o755), "/nix/store/0c4-python3-3.11.9 belongs to another user"),
    ("/nix/store/0c4-python3-3.11.9/bin", (0, 0o775), "bin can be written by a group, without the sticky bit"),
    (STORE, (30001, 0o555), f"{STORE} belongs to another user"), (STORE, (0, 0o1775), "can be written by other users"),
])
def test_a_python_in_such_a_store_that_others_can_replace_is_not(kernel, path, owner, words):
    without_the_distributions(kernel)
    at(kernel, STORE)
    kernel.owners["/nix/store"] = (0, 0o1775)
    kernel.owners[path] = owner
    error = refusal(kernel)
    assert error.code == "interpreter-not-trusted"
    assert words in error.message
    assert "set ansible_python_interpreter to a Python in directories that only root can change" in error.message


@pytest.mark.parametrize("path, owner, expected", [
    ("/opt", (0, 0o755), "/usr/bin/python3"), ("/opt/current", (1000, 0o777), STORE), ("/opt", (0, 0o777), STORE),
    ("/opt", (0, 0o1777), STORE), ("/opt", (0, 0o1775), "/usr/bin/python3")])
def test_a_name_that_leads_through_a_link_of_others_is_not_kept(kernel, path, owner, expected):
    """The name is run at every boot, long after the file behind it was looked at."""
    without_the_distributions(kernel)
    at(kernel, STORE)
    os.makedirs(kernel.path("/opt"))
    os.symlink(f"..{STORE}", kernel.path("/opt/current"))
    os.symlink("../../opt/current", kernel.path("/usr/bin/python3"))
    kernel.owners[path] = owner
    assert ensure_program(kernel)[0] == expected


def test_links_in_a_circle_are_no_python(kernel):
    os.unlink(kernel.path("/usr/bin/python3"))
    os.symlink("python3", kernel.path("/usr/bin/python3"))
    assert refusal(kernel).code == "interpreter-not-trusted"


def test_a_virtual_environment_stands_for_the_python_that_it_was_made_of(kernel):
    without_the_distributions(kernel)
    kernel.put("/opt/python/bin/python3.12", "")
    at(kernel, "/home/deploy/venv/bin/python", "../../../../opt/python/bin/python3.12")
    assert ensure_program(kernel)[0] == "/opt/python/bin/python3.12"


def test_the_distributions_name_for_a_python_is_taken_rather_than_the_files(kernel):
    os.rename(kernel.path("/usr/bin/python3"), kernel.path("/usr/bin/python3.11"))
    os.symlink("python3.11", kernel.path("/usr/bin/python3"))
    at(kernel, "/usr/bin/python3.11")
    assert ensure_program(kernel)[0] == "/usr/bin/python3"


def test_the_distributions_python_for_its_own_tools_comes_first(kernel):
    """On RHEL 8, /usr/bin/python3 is what an operator chooses with alternatives, or is missing."""
    kernel.put("/usr/libexec/platform-python", "")
    assert ensure_program(kernel)[0] == "/usr/libexec/platform-python"
    without_the_distributions(kernel)
    kernel.interpreter = lambda: None
    assert ensure_program(kernel)[0] == "/usr/libexec/platform-python"


def test_without_a_python_that_root_alone_can_replace_there_is_no_program(kernel):
    kernel.owners["/usr/bin"] = (1000, 0o755)
    error = refusal(kernel)
    assert error.code == "interpreter-not-trusted"
    assert "/usr/bin/python3" in error.message
    assert not os.path.exists(kernel.path(PROGRAM))


def test_the_program_has_this_collection_and_nothing_else(kernel):
    ensure_program(kernel)
    with zipfile.ZipFile(kernel.path(PROGRAM)) as archive:
        names = archive.namelist()
        dates = {entry.date_time for entry in archive.infolist()}
    assert names == sorted(names)
    assert dates == {(1980, 1, 1, 0, 0, 0)}
    ours = "ansible_collections/kernel/livepatch/plugins/module_utils/"
    above = {f"{ours[:end + 1]}__init__.py" for end, letter in enumerate(ours) if letter == "/"}
    assert {name for name in names if not name.startswith(ours)} | {f"{ours}__init__.py"} == above | {"__main__.py"}
    assert any(name.endswith("/_unattended/cli.py") for name in names)
    assert any("/_checks/" in name for name in names)


def test_the_same_program_is_made_by_every_module(kernel):
    """Whatever else has been imported; or hosts would get it anew with each other module."""
    ensure_program(kernel)
    content = kernel.read_bytes(PROGRAM)
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs import ansible_module, patch_info

    assert patch_info and ansible_module
    ensure_program(kernel)
    assert kernel.read_bytes(PROGRAM) == content
    with zipfile.ZipFile(kernel.path(PROGRAM)) as archive:
        assert not [name for name in archive.namelist() if name.endswith("/ansible_module.py")]


def test_a_real_python_runs_the_program_by_itself(kernel):
    """All that it imports is in it: nothing of the collection is elsewhere for that Python, and no Ansible."""
    ensure_program(kernel)

    def call(*words):
        done = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", kernel.path(PROGRAM), *words], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd="/", env={})
        return done.communicate()[0].decode("utf-8"), done.returncode

    assert call() == ("bad-option: The command is missing. Run: kernel-livepatch help\n", 2)
    text, status = call("help")
    assert (text.splitlines()[0][:18], status) == ("kernel-livepatch -", 0)


def test_a_boot_and_a_trial_import_nothing_that_is_only_for_the_console(kernel):
    """A fault in that code must not stop them."""
    ensure_program(kernel)
    with zipfile.ZipFile(kernel.path(PROGRAM)) as archive:
        start = archive.read("__main__.py").decode("utf-8")
    first, second = (line for line in start.splitlines() if "names = [" in line)
    assert "._console." not in first
    assert "._jobs." not in first
    assert "._console.status" in second
    assert "._jobs.patch_rollback" in second


def test_a_program_without_the_console_says_so(kernel, monkeypatch):
    """As a module makes it that has only the sources of boots and trials."""
    monkeypatch.setattr(installer, "_has", lambda _name: False)
    ensure_program(kernel)
    done = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", kernel.path(PROGRAM), "status"], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, cwd="/", env={})
    assert done.communicate()[0].startswith(b"usage: program.pyz boot | ")
    assert done.returncode == 2


def test_the_program_reads_nothing_of_itself_after_its_start(kernel):
    """During a trial, a newer program may replace the file, and an import from it would fail."""
    ensure_program(kernel)
    path = kernel.path(PROGRAM)
    names = list(sources_of(MAIN))
    assert any(name.endswith("._kernel.depmod") for name in names)
    code = (
        f"import runpy, sys\nsys.path[:0] = [{path!r}]\nsys.argv = ['program.pyz']\ntry:\n"
        f"    runpy.run_path({path!r}, run_name='__main__')\nexcept SystemExit:\n"
        f"    print([name for name in {names!r} if name not in sys.modules])\n")
    output = subprocess.check_output([sys.executable, "-I", "-S", "-B", "-c", code], cwd="/", env={})
    assert output.decode("utf-8").splitlines()[-1] == "[]"


@pytest.mark.parametrize("change", [
    lambda content: content[:-1], lambda content: content + b"\n", lambda content: b"",
    lambda content: content.replace(b"def main(argv", b"def Main(argv")])
def test_a_damaged_program_is_installed_anew(kernel, change):
    ensure_program(kernel)
    content = kernel.read_bytes(PROGRAM)
    with open(kernel.path(PROGRAM), "wb") as stream:
        stream.write(change(content))
    ensure_program(kernel)
    assert kernel.read_bytes(PROGRAM) == content
    assert len(kernel.commands) == 2


def test_a_program_of_other_sources_is_installed_anew(kernel):
    """Also a sealed one: another version of the collection has written it."""
    ensure_program(kernel)
    content = kernel.read_bytes(PROGRAM)
    first, _seal, rest = content.split(b"\n", 2)
    with open(kernel.path(PROGRAM), "wb") as stream:
        stream.write(seal(first + b"\n", rest.replace(b"def main(argv", b"def Main(argv")))
    ensure_program(kernel)
    assert kernel.read_bytes(PROGRAM) == content
