# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""noxfile.py, with stand-ins for nox and antsibull-nox: which sessions there are, and what they start."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import tomllib

from tests.check import cli, reports
from tests.check.reports import Totals

CHECKOUT = Path(__file__).resolve().parents[3]


class CommandFailed(Exception):
    pass


class Skipped(Exception):
    pass


class Session:
    """What a session is given: `started` has its commands, and those with the word `broken` fail."""

    def __init__(self, name, cache, broken=None):
        self.name, self.cache_dir, self.started, self._broken = name, cache / ".cache", [], broken
        for environment in ("newest-core", "oldest-core", "host-python", "tools"):
            (cache / f"env-{environment}" / "bin").mkdir(parents=True, exist_ok=True)
            (cache / f"env-{environment}" / "lib/python3.11/site-packages").mkdir(parents=True, exist_ok=True)

    def run(self, *words, external, **options):
        self.started.append(words)
        if self._broken in words:
            raise CommandFailed("exit code 1")

    def chdir(self, _place):
        return nullcontext()

    def error(self, message):
        raise CommandFailed(message)

    def skip(self, message):
        raise Skipped(message)

    def log(self, _message):
        pass


@pytest.fixture
def noxfile(run, monkeypatch):
    """The module; `sessions` are its functions by the name of their session, and `requires` what each needs."""
    sessions, requires = {}, {}

    def session(name, **options):
        def keep(function):
            sessions[name], requires[name] = function, options.get("requires", ())
            return function
        return keep
    nox = ModuleType("nox")
    nox.session, nox.options, nox.Session = session, SimpleNamespace(), Session
    nox.command = SimpleNamespace(CommandFailed=CommandFailed)
    antsibull = ModuleType("antsibull_nox")
    antsibull.load_antsibull_nox_toml = lambda: None
    collection = ModuleType("antsibull_nox.collection")
    collection.load_collection_data_from_disk = lambda path, current: None
    collection.setup_current_tree = lambda root, data: SimpleNamespace(
        current_path=Path(root, "ansible_collections", "kernel", "livepatch"))
    for name, module in {"nox": nox, "antsibull_nox": antsibull, "antsibull_nox.collection": collection}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("KERNEL_LIVEPATCH_RUN", str(run))
    monkeypatch.delenv("KERNEL_LIVEPATCH_INSTALL_ONLY", raising=False)
    spec = importlib.util.spec_from_file_location("noxfile", CHECKOUT / "noxfile.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.sessions, module.requires = sessions, requires
    return module


def words_of(noxfile, tmp_path, name):
    """Return the words of the only command of a session."""
    session = Session(name, tmp_path)
    noxfile.sessions[name](session)
    [words] = session.started
    return list(words)


def test_every_session_of_a_verb_is_there(noxfile):
    settings = tomllib.loads((CHECKOUT / "antsibull-nox.toml").read_text(encoding="utf-8"))
    known = {*noxfile.sessions, *(name.replace("_", "-") for name in settings["sessions"])}
    named = {name for sessions in (*cli.CHECKS.values(), *cli.OTHERS.values()) for name in sessions}
    assert named <= known
    assert known - named == {name for name in known if name.startswith("env-")}


def test_each_session_has_the_environments_that_it_uses(noxfile):
    needed = {name: environments for name, environments in noxfile.requires.items() if not name.startswith("env-")}
    assert all(needed.values())
    assert {name for environments in needed.values() for name in environments} == {
        name for name in noxfile.sessions if name.startswith("env-")}


def test_test_all_runs_what_test_runs_and_then_the_rest_and_nothing_twice():
    every = cli.CHECKS["test-all"]
    assert every[:len(cli.CHECKS["test"])] == cli.CHECKS["test"]
    assert len(set(every)) == len(every)
    assert {*cli.CHECKS["units"], *cli.CHECKS["lint"], *cli.CHECKS["sanity"], "kernel-core", "kernel-rest"} < set(every)
    # It takes what is left of the time of a CI system.
    assert every[-2:] == ("real-files", "kernel-rest")


@pytest.mark.parametrize("broken", [None, "builders"])
def test_a_real_patch_is_built_and_read_and_its_tests_say_when_there_is_none(noxfile, tmp_path, broken):
    session = Session("real-files", tmp_path, broken)
    noxfile.sessions["real-files"](session)
    build, read = session.started
    assert build[-6:] == ("tests.lab", "builders", "--builder", "kpatch-build", "--patch", "cmdline-v1")
    assert read[-3:] == (noxfile.REAL_FILES, "-k", "kpatch-build-cmdline-v1")
    assert (CHECKOUT / noxfile.REAL_FILES).is_file()


def test_the_short_fuzz_run_is_a_part_of_test():
    assert "fuzz-short" in cli.CHECKS["test"]


def test_the_full_fuzz_run_has_its_inputs_and_the_short_one_its_seconds(noxfile, tmp_path):
    full, short = (words_of(noxfile, tmp_path, name) for name in ("fuzz", "fuzz-short"))
    assert full[full.index("--inputs") + 1] == "200000" and "--seconds" not in full
    assert short[short.index("--seconds") + 1] == "15" and "--inputs" not in short


def test_core_and_rest_are_the_whole_suite_on_kernels(noxfile, tmp_path):
    marks = {}
    for name in ("kernel-core", "kernel-rest", "kernel", "kernel-all"):
        words = words_of(noxfile, tmp_path, name)
        after = words[words.index("pytest") + 1:]
        marks[name] = after[after.index("-m") + 1] if "-m" in after else None
        assert ("--exhaustive" in words) is (name == "kernel-all")
    assert marks == {"kernel-core": "core", "kernel-rest": "not core", "kernel": None, "kernel-all": None}


def test_units_and_units_playbooks_are_all_unit_tests(noxfile, tmp_path):
    first, second = (words_of(noxfile, tmp_path, name) for name in ("units", "units-playbooks"))
    assert "tests/unit" in first
    left_out = {word.removeprefix("--ignore=") for word in first if word.startswith("--ignore=")}
    assert left_out == {word for word in second if word.startswith("tests/unit/")}
    assert all((CHECKOUT / path).is_file() for path in left_out)


@pytest.mark.parametrize("name", ["units", "units-playbooks", "units-oldest-core", "units-host-python", "kernel"])
def test_pytest_leaves_its_report_where_it_is_counted(noxfile, tmp_path, run, name):
    assert f"--junitxml={run / 'reports' / name / 'pytest.xml'}" in words_of(noxfile, tmp_path, name)


@pytest.mark.parametrize("name", ["units", "fuzz", "kernel", "lint"])
def test_no_session_does_anything_while_environments_are_made(noxfile, tmp_path, name):
    noxfile.INSTALL_ONLY = True
    session = Session(name, tmp_path)
    noxfile.sessions[name](session)
    assert session.started == []


@pytest.mark.parametrize(("variable", "seconds", "runs"), [("true", 0, True), ("true", 5e3, False), ("", 5e3, True)])
def test_no_session_begins_when_a_ci_system_could_end_the_run(noxfile, tmp_path, monkeypatch, variable, seconds, runs):
    monkeypatch.setenv("CI", variable)
    monkeypatch.setattr(noxfile, "BEGAN", noxfile.BEGAN - seconds)
    if runs:
        assert words_of(noxfile, tmp_path, "units-oldest-core")
    else:
        with pytest.raises(Skipped, match=r"^not run: 60 minutes of this run are over$"):
            noxfile.sessions["units-oldest-core"](Session("units-oldest-core", tmp_path))


def test_the_oldest_core_leaves_out_files_that_there_are(noxfile, tmp_path):
    words = words_of(noxfile, tmp_path, "units-oldest-core")
    left_out = [word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")]
    assert set(noxfile.SLOW_PLAYBOOKS) < set(left_out)
    assert all((CHECKOUT / path).is_file() for path in left_out)


@pytest.mark.parametrize(("named", "expected"), [("", ["5.10", "6.1", "6.12", "7.2"]), ("7.2 5.10", ["7.2", "5.10"])])
def test_each_kernel_has_a_run_and_a_report_of_its_own_also_after_one_that_failed(
        noxfile, tmp_path, monkeypatch, named, expected):
    monkeypatch.setenv("KERNELS", named)
    session = Session("kernels", tmp_path, broken="5.10")
    with pytest.raises(CommandFailed, match=r"^tests failed on 5\.10$"):
        noxfile.sessions["kernels"](session)
    assert [words[words.index("--kernel") + 1] for words in session.started] == expected
    reported = [word for words in session.started for word in words if str(word).startswith("--junitxml=")]
    assert len(set(reported)) == len(expected)
    for words in session.started:
        assert Path(words[words.index("--cases") + 1]).parent == CHECKOUT / "docs/docsite/rst"


@pytest.mark.parametrize(("named", "parts"), [
    ("", ()), ("hosts", ("hosts",)), ("2.16 5.10/2.16", ("2.16", "5.10/2.16"))])
def test_the_matrix_writes_its_page_for_the_parts_that_are_named(noxfile, tmp_path, monkeypatch, run, named, parts):
    monkeypatch.setenv("PART", named)
    monkeypatch.setenv("PYENV_ROOT", "/opt/pyenv")
    words = words_of(noxfile, tmp_path, "matrix")
    after = words[words.index("tests.matrix") + 1:]
    assert after == ["--page", str(noxfile.MATRIX), "--reports", str(run / "reports" / "matrix"), *parts]
    assert noxfile.MATRIX.is_file()
    # sudo has another home.
    assert "PYENV_ROOT=/opt/pyenv" in words[:words.index("tests.matrix")]


def test_a_linter_that_fails_does_not_keep_the_others_from_running(noxfile, tmp_path, run):
    session = Session("lint", tmp_path, broken="yamllint")
    with pytest.raises(CommandFailed, match=r"^yamllint failed$"):
        noxfile.sessions["lint"](session)
    assert reports.total(run / "reports") == Totals(passed=len(noxfile.LINTERS) - 1, failed=1)


def test_linters_of_imports_and_types_see_the_collection_by_its_name(noxfile, tmp_path):
    collection = tmp_path / "ansible_collections" / "kernel" / "livepatch"
    commands = {linter.name: linter.command_for(collection) for linter in noxfile.LINTERS}
    assert commands["import-linter"][0] == "lint-imports"
    assert commands["mypy"][:3] == ["env", f"--chdir={tmp_path}", "mypy"]
    assert "ansible_collections/kernel/livepatch/plugins/plugin_utils" in commands["mypy"]
