# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths in a root with another root of symbolic links, and programs in it."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building.root import UNABLE, Root


@pytest.fixture
def tree(tmp_path):
    for name in ("dev", "proc", "usr/src/linux", "lib/modules/6.1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "usr/src/linux/.config").write_text("x")
    (tmp_path / "lib/modules/6.1/build").symlink_to("/usr/src/linux")
    (tmp_path / "up").symlink_to("../../../../../../usr")
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize("path, inside", [
    ("/lib/modules/6.1/build/.config", "/usr/src/linux/.config"), ("/up/src/linux", "/usr/src/linux"),
    ("/../../usr", "/usr"), ("/", "/"), ("/missing/file", "/missing/file")])
def test_a_link_with_an_absolute_target_leads_inside(tree, path, inside):
    root = Root(str(tree))
    assert root.path(path) == str(tree) + (inside if inside != "/" else "")
    assert root.inside(root.path(path)) == inside


def test_a_loop_of_links_ends(tree):
    with pytest.raises(OSError):
        Root(str(tree)).path("/loop/x")


def test_the_root_of_the_host_is_the_host(tmp_path):
    assert Root("/").path("/etc/hosts") == "/etc/hosts" and Root("/").fault() is None
    assert Root("/").run(["pwd"], 30, str(tmp_path)) == (0, str(tmp_path))
    status, output = Root("/").run(["no-such-program-here"], 30)
    assert status == UNABLE and "No such file" in output


@pytest.mark.parametrize("damage, why", [
    (lambda tree: os.rmdir(str(tree / "proc")), "no directory proc"), (lambda tree: tree.chmod(0o777), "can change it"),
    (lambda tree: os.rename(str(tree), f"{tree}.moved"), "No such file")])
def test_a_root_that_cannot_be_used_is_refused(tree, damage, why):
    damage(tree)
    fault = Root(str(tree)).fault()
    assert why in fault or "only root can enter it" in fault


def test_a_relative_root_is_refused():
    assert "absolute" in Root("srv/root").fault()
