# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookups, called as Ansible's templates call them."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.kernel.livepatch.plugins.lookup import bundle, patch_file
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.metadata import PROVENANCE


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
    def run(plugin, *terms, **given):
        lookup = plugin.LookupModule(loader=DataLoader())
        # As Ansible's loader of plugins does, which looks for a collection where one is installed.
        lookup._load_name = plugin.__name__
        options = yaml.safe_load(plugin.DOCUMENTATION)["options"]
        constants.config.initialize_plugin_configuration_definitions("lookup", plugin.__name__, options)
        return lookup.run(list(terms), variables={"ansible_search_path": [str(playbook)]}, **given)

    return run


def test_patch_files_are_described_in_the_order_of_the_terms(look_up):
    found = look_up(patch_file, "patches/two.ko", "patches/one.ko")
    assert [entry["name"] for entry in found] == ["two", "one"]


@pytest.mark.parametrize(("plugin", "term"), [(patch_file, "patches/one.ko"), (bundle, "patches")])
def test_with_a_keyring_nothing_unsigned_is_described(look_up, tmp_path, plugin, term):
    (tmp_path / "release.gpg").write_bytes(b"a keyring")
    with pytest.raises(AnsibleLookupError, match="is not signed"):
        look_up(plugin, term, require_signature=str(tmp_path / "release.gpg"))
    with pytest.raises(AnsibleLookupError, match="cannot be read"):
        look_up(plugin, term, require_signature=str(tmp_path / "nowhere.gpg"))


def test_a_bundle_is_described_as_a_list(look_up):
    assert [entry["name"] for entry in look_up(bundle, "patches")] == ["one", "two"]


def test_a_bundle_has_the_paths_of_its_files_and_what_no_host_gets(look_up, playbook):
    patches = playbook / "files" / "patches"
    (patches / "6.1").mkdir()
    shutil.move(patches / "two.ko", patches / "6.1" / "two.ko")
    digest = hashlib.sha256((patches / "6.1" / "two.ko").read_bytes()).hexdigest()
    (patches / "bundle.yml").write_text(json.dumps({"patches": {
        "one": {"summary": "for all its builds"},
        "6.1/two.ko": {"sha256": digest.upper(), "provenance": {"tool": "kbuild", "inputs": "ab"}}}}))
    one, two = look_up(bundle, "patches")
    assert [one["path"], two["path"]] == ["one.ko", "6.1/two.ko"]
    assert [one["metadata"][key] for key in ("summary", "sha256", "provenance")] == ["for all its builds", None, None]
    provenance = dict.fromkeys(PROVENANCE, None)
    assert two["metadata"]["sha256"] == digest
    assert two["metadata"]["provenance"] == {**provenance, "tool": "kbuild", "inputs": "ab"}
    # Each key is documented, and no other.
    returned = yaml.safe_load(bundle.RETURN)["_list"]["contains"]
    assert set(two) - set(yaml.safe_load(patch_file.RETURN)["_list"]["contains"]) == set(returned) - {"series"}
    assert set(two["metadata"]) == set(returned["metadata"]["contains"])
    assert set(provenance) == set(returned["metadata"]["contains"]["provenance"]["contains"])


def test_what_a_patch_file_has_is_documented_with_the_version_of_today(look_up):
    (one,) = look_up(patch_file, "patches/one.ko")
    returned = yaml.safe_load(patch_file.RETURN)["_list"]["contains"]
    assert set(one) == set(returned)
    assert one["schema"] == returned["schema"]["sample"]


def test_a_file_without_an_entry_has_a_path_and_no_metadata(look_up):
    assert [(build["path"], "metadata" in build) for build in look_up(bundle, "patches")] == [
        ("one.ko", False), ("two.ko", False)]


@pytest.mark.parametrize(("plugin", "term"), [(patch_file, "patches/three.ko"), (bundle, "nowhere")])
def test_what_is_not_there_is_named(look_up, plugin, term):
    with pytest.raises(AnsibleLookupError, match=term):
        look_up(plugin, term)


@pytest.mark.parametrize(("plugin", "term"), [(patch_file, "patches/broken.ko"), (bundle, "patches")])
def test_what_cannot_be_read_is_named(look_up, playbook, plugin, term):
    (playbook / "files" / "patches" / "broken.ko").write_text("no module")
    with pytest.raises(AnsibleLookupError, match=r"broken\.ko is not an ELF file"):
        look_up(plugin, term)
