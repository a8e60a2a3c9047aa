# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookups, called as Ansible's templates call them."""

from __future__ import annotations

import shutil

import pytest
from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.kernel.livepatch.plugins.lookup import bundle, patch_file


@pytest.fixture(autouse=True)
def _run_directory(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))


@pytest.fixture
def playbook(tmp_path, build_module):
    """A playbook directory with two patches."""
    files = tmp_path / "playbook" / "files" / "patches"
    files.mkdir(parents=True)
    for name in ("one", "two"):
        shutil.copyfile(build_module("source_simple", f'-DNAME="{name}"'), files / f"{name}.ko")
    return tmp_path / "playbook"


@pytest.fixture
def look_up(playbook):
    def run(plugin, *terms):
        lookup = plugin.LookupModule(loader=DataLoader())
        return lookup.run(list(terms), variables={"ansible_search_path": [str(playbook)]})

    return run


def test_patch_files_are_described_in_the_order_of_the_terms(look_up):
    found = look_up(patch_file, "patches/two.ko", "patches/one.ko")
    assert [entry["name"] for entry in found] == ["two", "one"]


def test_a_bundle_is_described_as_a_list(look_up):
    assert [entry["name"] for entry in look_up(bundle, "patches")] == ["one", "two"]


@pytest.mark.parametrize(("plugin", "term"), [(patch_file, "patches/three.ko"), (bundle, "nowhere")])
def test_what_is_not_there_is_named(look_up, plugin, term):
    with pytest.raises(AnsibleLookupError, match=term):
        look_up(plugin, term)


@pytest.mark.parametrize(("plugin", "term"), [(patch_file, "patches/broken.ko"), (bundle, "patches")])
def test_what_cannot_be_read_is_named(look_up, playbook, plugin, term):
    (playbook / "files" / "patches" / "broken.ko").write_text("no module")
    with pytest.raises(AnsibleLookupError, match=r"broken\.ko is not an ELF file"):
        look_up(plugin, term)
