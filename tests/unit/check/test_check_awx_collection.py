# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of awx.awx out of a wheel. pip is a stand-in."""

from __future__ import annotations

import sys
import zipfile

import pytest

MODULE = "ansible_collections/awx/awx/plugins/modules/project.py"
PIP = """\
import pathlib, shutil, sys
pathlib.Path({calls!r}).open("a").write(" ".join(sys.argv[1:]) + "\\n")
shutil.copy({wheel!r}, sys.argv[sys.argv.index("--dest") + 1])
"""


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """The command of a pip that downloads a wheel with two collections."""
    from tests.check import awx_collection

    monkeypatch.setattr(awx_collection, "cache_dir", lambda: tmp_path)
    wheel = tmp_path / "ansible-12.3.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (MODULE, "ansible_collections/other/other/plugins/modules/x.py", "ansible/x.py"):
            archive.writestr(name, "# x\n")
    program = tmp_path / "pip.py"
    program.write_text(PIP.format(calls=str(tmp_path / "calls"), wheel=str(wheel)))
    return [sys.executable, program]


def test_only_the_plugins_of_awx_are_kept_and_the_wheel_is_downloaded_once(pip, tmp_path):
    from tests.check import awx_collection

    tree = awx_collection.ensure(pip)
    assert [str(path.relative_to(tree)) for path in tree.rglob("*.py")] == [MODULE]
    assert awx_collection.ensure(pip) == tree
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 1 and calls[0].startswith("download ") and "--no-deps" in calls[0]
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [tree]


def test_without_the_wheel_there_is_nothing_and_the_next_run_tries_again(pip, tmp_path):
    from tests.check import awx_collection

    assert awx_collection.ensure(["false"]) is None
    assert not list(tmp_path.glob("awx-*"))
    assert awx_collection.ensure(pip).is_dir()


def test_the_wheel_is_pinned():
    from tests.check import awx_collection

    pins = [line for line in awx_collection.PINS.read_text().splitlines() if line and not line.startswith("#")]
    assert len(pins) == 1 and pins[0].startswith("ansible==")
