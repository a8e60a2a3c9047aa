# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check needs: Debian packages, Python environments, interpreters, a copy of the tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def test_missing_packages_are_told_from_installed_ones():
    from tests.check import packages

    assert packages.missing(["dpkg", "no-such-package-for-sure", "coreutils"]) == ["no-such-package-for-sure"]


def test_nothing_is_installed_when_nothing_is_missing(run, monkeypatch):
    from tests.check import packages

    monkeypatch.setattr(packages, "missing", lambda names: [] if "mmdebstrap" in names else names)
    packages.ensure(run, *packages.of_lab())
    assert list(run.logs.iterdir()) == []


def test_apt_that_cannot_install_is_one_sentence(run, monkeypatch):
    from tests.check import packages
    from tests.check.errors import CheckError

    monkeypatch.setattr(packages, "missing", lambda names: ["qemu-utils"])
    monkeypatch.setattr(packages, "as_root", lambda *command: ["false"])
    with pytest.raises(CheckError, match=r"^apt could not install qemu-utils; see /.*\.log$"):
        packages.ensure(run, "qemu-utils")


def test_an_environment_is_named_by_its_requirements_and_interpreter(tmp_path, monkeypatch):
    from tests.check import environments
    from tests.check.environments import NEWEST_CORE, digest

    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    requirements = tmp_path / NEWEST_CORE.requirements
    requirements.write_text("pytest==9.2.0\n")
    first = digest(NEWEST_CORE, Path("/usr/bin/python3.11"))
    assert digest(NEWEST_CORE, Path("/usr/bin/python3.11")) == first
    assert digest(NEWEST_CORE, Path("/opt/python3.11")) != first
    requirements.write_text("pytest==9.2.1\n")
    assert digest(NEWEST_CORE, Path("/usr/bin/python3.11")) != first


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


def test_the_tree_has_new_files_but_no_ignored_ones(tmp_path, monkeypatch):
    from tests.check import collection_tree

    monkeypatch.setattr(collection_tree, "CHECKOUT", tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    tmp_path.joinpath(".gitignore").write_text("*.tar.gz\n")
    tmp_path.joinpath("new.py").write_text("x = 1\n")
    tmp_path.joinpath("built.tar.gz").write_text("")
    with collection_tree.collection_tree() as collection:
        assert collection.parts[-3:] == ("ansible_collections", "kernel", "livepatch")
        assert sorted(path.name for path in collection.iterdir()) == [".gitignore", "new.py"]
    assert not collection.exists()


def test_a_directory_that_is_no_clone_is_one_sentence(tmp_path, monkeypatch):
    from tests.check import collection_tree
    from tests.check.errors import CheckError

    monkeypatch.setattr(collection_tree, "CHECKOUT", tmp_path)
    with pytest.raises(CheckError, match="run from a git clone"), collection_tree.collection_tree():
        pass
