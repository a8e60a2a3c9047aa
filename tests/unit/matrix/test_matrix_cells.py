# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each row has a cell for each column; what takes long in one is simulated."""

from __future__ import annotations

import fcntl
import platform
import sys
from contextlib import contextmanager
from pathlib import Path

import ansible
import pytest

from tests.matrix import controllers, environments, guests, host_pythons, hosts, page, rows
from tests.matrix.rows import Failure, Skip
from tests.matrix.versions import CONTROLLERS, GUESTS, HOST_PYTHONS

OWN = ".".join(platform.python_version_tuple()[:2])
REPORT = """<testsuite><testcase name="a"><properties><property name="kernel release" value="5.10.0-46-amd64"/>
<property name="python" value="3.9.2"/></properties></testcase></testsuite>"""


@pytest.fixture
def core(monkeypatch):
    """The installed ansible-core, in place of one that pip would install."""
    found = environments.Core(Path(sys.executable).parent, Path(ansible.__file__).parents[1], "2.16.19", "3.10.13")
    monkeypatch.setattr(environments, "install", lambda controller, row: found)
    return found


@pytest.fixture
def own_python(monkeypatch, tmp_path):
    """The Python of this test, in place of that of a host."""
    @contextmanager
    def found(version, row):
        directory = tmp_path / "work"
        directory.mkdir()
        launcher = tmp_path / "python"
        yield host_pythons.HostPython([sys.executable], directory, directory, "an interpreter here", launcher)
    monkeypatch.setattr(hosts, "host_python", found)


def test_a_row_of_a_controller(row, core, monkeypatch):
    for name in ("_plugins", "_documentation", "_playbooks", "_unit_tests"):
        monkeypatch.setattr(controllers, name, lambda *_arguments, cell=name: cell)
    monkeypatch.setattr(environments, "check_support", lambda controller, core: None)
    controllers.fill(row, CONTROLLERS["2.16"])
    assert row.cells == [
        "2.16.19", "3.10.13", "_plugins", "_documentation", "_playbooks", "_unit_tests", "none", rows.today()]
    assert len(row.cells) == len(page.CONTROLLER_TABLE.columns) - 1


@pytest.mark.parametrize("where", ["printed", "logged"])
def test_a_deprecation_in_a_command_or_in_a_run_of_a_test_is_a_failure(row, core, monkeypatch, where):
    def tests(row, _core, settings):
        text = "[DEPRECATION WARNING]: to_text is old.\n"
        if where == "printed":
            row.printed += text
        else:
            Path(settings["ANSIBLE_LOG_PATH"]).write_text(f"2026-11-30 04:00:00,1 p=1 u=root n=ansible WARNING| {text}")
        return "1 passed"
    for name in ("_plugins", "_documentation", "_playbooks"):
        monkeypatch.setattr(controllers, name, lambda *_arguments: "1")
    monkeypatch.setattr(controllers, "_unit_tests", tests)
    monkeypatch.setattr(environments, "check_support", lambda controller, core: None)
    controllers.fill(row, CONTROLLERS["2.16"])
    assert row.cells[-2] == r"failed: 1, the first is: to\_text is old."


def test_a_row_of_a_python_on_hosts(row, core, own_python, monkeypatch):
    monkeypatch.setattr(hosts, "_unit_tests", lambda row, python, tree: str((tree / "tests/unit").is_dir()))
    monkeypatch.setattr(hosts, "_module", lambda row, python, core: "ran")
    hosts.fill(row, OWN)
    compiled = len([file for half in hosts.HOST_HALF for file in (hosts.CHECKOUT / half).rglob("*.py")])
    assert row.cells == [
        platform.python_version(), "an interpreter here", "2.16.19", f"{compiled} compiled", "True", "ran",
        rows.today()]
    assert len(row.cells) == len(page.HOST_TABLE.columns) - 1


def test_another_python_than_that_of_the_row_is_none(row, core, own_python, monkeypatch):
    other = next(version for version in HOST_PYTHONS if version != OWN)
    with pytest.raises(Skip, match=f"^an interpreter here has Python {platform.python_version()}$"):
        hosts.fill(row, other)


@pytest.mark.parametrize(("output", "failure"), [
    ('host | SUCCESS => {\n    "livepatch": {\n        "interface": "none"\n', None),
    ("host | SUCCESS => {}\n", "did not return"),
    ('[DEPRECATION WARNING]: old\n    "interface": "none"\n', "old")])
def test_a_module_has_to_return_what_it_found(row, core, tmp_path, monkeypatch, output, failure):
    monkeypatch.setattr(row, "run", lambda *_command, **_options: output)
    python = host_pythons.HostPython([sys.executable], tmp_path, tmp_path, "here", tmp_path / "python")
    if failure:
        with pytest.raises(Failure, match=failure):
            hosts._module(row, python, core)
    else:
        assert hosts._module(row, python, core) == "ran"


def test_runs_at_once_make_one_environment_and_wait_for_it(row, tmp_path, monkeypatch):
    def run(_what, command, _minutes):
        made.append(command[-1])
        command[-1].mkdir()
        (command[-1] / "pyvenv.cfg").touch()
    made = []
    monkeypatch.setattr(environments, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(row, "run", run)
    monkeypatch.setattr(row, "try_to_run", lambda *_command: (0, "pip 25"))
    for _run in range(2):
        with environments.environment("core-2.16", Path(sys.executable), row) as python:
            assert python == tmp_path / "matrix" / "core-2.16" / "bin" / "python"
            with open(tmp_path / "matrix" / "core-2.16.lock") as lock, pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert made == [tmp_path / "matrix" / "core-2.16"]
    with open(tmp_path / "matrix" / "core-2.16.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_python_that_is_nowhere_is_skipped_with_the_reason(row):
    reason = r"^no interpreter of Python 3\.1 was found, and no suite of Debian has it$"
    with pytest.raises(Skip, match=reason), host_pythons.host_python("3.1", row):
        pass


def test_a_root_directory_of_debian_needs_root(row, monkeypatch):
    monkeypatch.setattr(host_pythons.interpreters, "find", lambda version: None)
    monkeypatch.setattr(host_pythons.os, "geteuid", lambda: 1000)
    reason = r"a root directory of Debian forky needs root and mmdebstrap$"
    with pytest.raises(Skip, match=reason), host_pythons.host_python("3.14", row):
        pass


def test_a_launcher_runs_the_python_with_all_arguments(row, tmp_path):
    launcher = host_pythons._written(tmp_path / "it's a python", [sys.executable, "-B"])
    code = "import sys; print(sys.argv[1:], sys.flags.dont_write_bytecode)"
    assert row.run("launcher", [launcher, "-c", code, "a b"], 1) == "['a b'] 1\n"


def test_a_row_of_a_guest_says_what_the_tests_saw(row, core, monkeypatch):
    def tests(row, guest, core):
        row.report("lab tests").parent.mkdir(parents=True)
        row.report("lab tests").write_text(REPORT)
        return "1 passed"
    monkeypatch.setattr(guests, "check_requirements", lambda: None)
    monkeypatch.setattr(guests, "_lab_tests", tests)
    guests.fill(row, GUESTS["5.10/2.16"])
    assert row.cells == ["5.10.0-46-amd64", "3.9.2", "2.16.19", "1 passed", rows.today()]
    assert len(row.cells) == len(page.GUEST_TABLE.columns) - 1


def test_a_guest_whose_tests_leave_no_report_is_a_failure(row, core, monkeypatch):
    def tests(_row, _guest, _core):
        raise Failure("no module xyz")
    monkeypatch.setattr(guests, "check_requirements", lambda: None)
    monkeypatch.setattr(guests, "_lab_tests", tests)
    guests.fill(row, GUESTS["5.10/2.16"])
    assert row.cells[:4] == ["unknown", "unknown", "2.16.19", "failed: no module xyz"] and row.failed


def test_a_machine_that_can_have_no_guest_skips_the_row(row, monkeypatch):
    def refuse():
        raise guests.LabError("not-root", "The lab needs root.")
    monkeypatch.setattr(guests, "check_requirements", refuse)
    with pytest.raises(Skip, match=r"The lab needs root\.$"):
        guests.fill(row, GUESTS["5.10/2.16"])
