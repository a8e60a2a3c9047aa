# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check needs: Debian packages, Python environments, interpreters."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def test_missing_packages_are_told_from_installed_ones():
    from tests.check import packages

    assert packages.missing(["dpkg", "no-such-package-for-sure", "coreutils"]) == ["no-such-package-for-sure"]


def test_nothing_is_installed_when_nothing_is_missing(monkeypatch):
    from tests.check import packages

    monkeypatch.setattr(packages, "missing", lambda names: [] if "mmdebstrap" in names else names)
    monkeypatch.setattr(packages, "as_root", None)
    packages.ensure(*packages.of_lab())


def test_apt_that_cannot_install_is_one_sentence(monkeypatch):
    from tests.check import packages
    from tests.check.errors import CheckError

    monkeypatch.setattr(packages, "missing", lambda names: ["qemu-utils"])
    monkeypatch.setattr(packages, "as_root", lambda *command: ["false"])
    with pytest.raises(CheckError, match=r"^apt could not install qemu-utils; see its messages above\.$"):
        packages.ensure("qemu-utils")


@pytest.mark.parametrize(("sessions", "some", "none"), [
    (("units",), "gcc", "mmdebstrap"), (("units",), "openscap-scanner", None),
    (("fuzz",), None, "openscap-scanner"), (("fuzz-short",), "gcc", "mmdebstrap"),
    (("kernel-core",), "mmdebstrap", None),
    (("demo",), "mmdebstrap", None), (("matrix",), "mmdebstrap", None),
    (("real-files",), "mmdebstrap", None), (("lint", "docs-check"), None, "gcc"),
])
def test_sessions_have_what_they_need_of_debian(sessions, some, none):
    from tests.check import packages

    needed = packages.needed_by(sessions)
    assert (some is None or some in needed) and none not in needed


def test_environments_are_named_by_their_requirements_and_interpreter(tmp_path, monkeypatch):
    from tests.check import nox_runs

    monkeypatch.setattr(nox_runs, "REQUIREMENTS", tmp_path)
    requirements = tmp_path / "newest-core.txt"
    requirements.write_text("pytest==9.2.0\n")
    first = nox_runs.environments()
    assert nox_runs.environments() == first
    monkeypatch.setattr(nox_runs.sys, "base_prefix", "/opt/python3.11")
    other = nox_runs.environments()
    requirements.write_text("pytest==9.2.1\n")
    assert len({first, other, nox_runs.environments()}) == 3


def test_an_environment_whose_installation_was_broken_off_is_made_anew(tmp_path):
    from tests.check import nox_runs

    for name in ("env-tools", "env-newest-core"):
        tmp_path.joinpath(name).mkdir()
        tmp_path.joinpath(name, "pyvenv.cfg").touch()
    nox_runs._mark_complete(tmp_path, [
        {"name": "env-tools", "result": "success"}, {"name": "env-newest-core", "result": "failed"},
        {"name": "lint", "result": "success"}])
    tmp_path.joinpath("docs-check").symlink_to("env-tools")
    nox_runs._remove_incomplete(tmp_path)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["docs-check", "env-tools"]


def test_every_requirement_is_pinned():
    from tests.check.paths import REQUIREMENTS

    lines = [line for path in REQUIREMENTS.glob("*.txt") for line in path.read_text().splitlines()]
    loose = [line for line in lines if line and not line.startswith("#") and "==" not in line]
    assert lines and loose == []


def test_this_interpreter_is_found_and_an_impossible_one_is_not():
    from tests.check import interpreters

    assert interpreters.find(f"{sys.version_info.major}.{sys.version_info.minor}") == Path(sys.executable)
    assert interpreters.find("2.3") is None


def test_a_shim_that_does_not_run_is_no_interpreter(tmp_path, monkeypatch):
    from tests.check import interpreters

    shim = tmp_path / "python3.6"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert interpreters.find("3.6") is None


def test_pip_comes_from_python_itself_and_not_from_a_download_site(tmp_path, monkeypatch):
    from tests.check import ansible_test

    core = tmp_path / "lib" / "python3.11" / "site-packages" / "ansible_test" / "_internal"
    core.mkdir(parents=True)
    core.joinpath("python_requirements.py").write_text("a = '1.2'\npip_version = '21.3.1' if old else '24.2'\n")
    monkeypatch.setenv("PATH", "/usr/bin:/root/.pyenv/shims:/bin")
    variables = ansible_test.variables(tmp_path / "bin", tmp_path / "home", Path("/opt/3.6/bin/python3.6"))
    assert variables == {"HOME": str(tmp_path / "home"), "PATH": f"{tmp_path}/bin:/opt/3.6/bin:/usr/bin:/bin"}
    scripts = (tmp_path / "home" / ".ansible" / "test" / "cache").iterdir()
    assert sorted(script.name for script in scripts) == ["get_pip_21_3_1.py", "get_pip_24_2.py"]
