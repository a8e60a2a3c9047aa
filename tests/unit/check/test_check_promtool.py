# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""promtool out of a package. apt-get is a stand-in, and the package is a small one."""

from __future__ import annotations

import shutil
import subprocess

import pytest

CONTROL = "Package: prometheus\nVersion: 1\nArchitecture: all\nMaintainer: none\nDescription: none\n"


@pytest.fixture
def apt_get(tmp_path, monkeypatch):
    """The path of an apt-get that downloads a package, and notes that it did."""
    from tests.check import promtool

    monkeypatch.setattr(promtool, "cache_dir", lambda: tmp_path)
    tree = tmp_path / "package"
    for name, text in (("DEBIAN/control", CONTROL), ("usr/bin/promtool", "x"), ("usr/bin/prometheus", "x")):
        tree.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        tree.joinpath(name).write_text(text)
    package = tmp_path / "prometheus_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", tree, package], check=True, capture_output=True)
    program = tmp_path / "apt-get"
    program.write_text(f"#!/bin/sh\necho \"$*\" >> {tmp_path}/calls\ncp {package} .\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="there is no dpkg-deb here")
def test_only_promtool_is_kept_and_the_package_is_downloaded_once(apt_get, tmp_path):
    from tests.check import promtool

    place = promtool.ensure(apt_get)
    assert [path.name for path in place.iterdir()] == ["promtool"]
    assert promtool.ensure(apt_get) == place
    assert (tmp_path / "calls").read_text() == "--quiet download prometheus\n"


def test_without_the_package_there_is_no_promtool(tmp_path, monkeypatch):
    from tests.check import promtool

    monkeypatch.setattr(promtool, "cache_dir", lambda: tmp_path)
    assert promtool.ensure("false") is None
    assert list(tmp_path.iterdir()) == []
