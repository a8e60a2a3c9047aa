# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An entry is set in the text of bundle.yml; comments, other entries and other keys stay."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.yaml_edit import set_entry

ENTRY = {"cves": ["CVE-2026-1"], "sha256": "11", "provenance": {"tool": "kpatch-build", "compiler": 'gcc "12"'}}
TEXT = """\
---
# the head
patches:

  # about the name
  livepatch_fix:
    cves: [CVE-2026-12345]   # why
    summary: >-
      Long
      text
  6.1/fix.ko:  # mine
    kernel_build_id: "d11e"
    # about the digest
    sha256: "00"  # of today
    cves:
      - CVE-2020-1111
      # inside
    advisory: https://x
  # the end
"""


def comments(text):
    return [line[line.index("#"):] for line in text.splitlines() if "#" in line]


def test_a_new_entry_comes_behind_the_others():
    text = set_entry(TEXT, "6.12/new.ko", ENTRY)
    assert comments(text) == comments(TEXT)
    assert yaml.safe_load(text)["patches"] == {**yaml.safe_load(TEXT)["patches"], "6.12/new.ko": ENTRY}
    assert text.startswith(TEXT[:TEXT.index("  # the end")])


def test_keys_of_an_entry_are_set_in_place():
    text = set_entry(TEXT, "6.1/fix.ko", ENTRY)
    assert comments(text) == comments(TEXT)
    before = yaml.safe_load(TEXT)["patches"]
    assert yaml.safe_load(text)["patches"] == {**before, "6.1/fix.ko": {**before["6.1/fix.ko"], **ENTRY}}
    assert '    sha256: "11"  # of today\n' in text


@pytest.mark.parametrize("name", ["6.1/fix.ko", "6.12/new.ko", "livepatch_fix"])
def test_the_same_again_changes_nothing(name):
    text = set_entry(TEXT, name, ENTRY)
    assert set_entry(text, name, ENTRY) == text


@pytest.mark.parametrize("key, value", [("summary", "Other"), ("cves", ["CVE-2026-2", "CVE-2026-3"])])
def test_a_folded_text_and_a_list_are_replaced(key, value):
    text = set_entry(TEXT, "livepatch_fix", {key: value})
    assert yaml.safe_load(text)["patches"]["livepatch_fix"][key] == value
    assert comments(text) == comments(TEXT) or key == "cves"


def test_a_mapping_in_an_entry_is_merged():
    text = set_entry(set_entry("", "a.ko", ENTRY), "a.ko", {"provenance": {"tool": "klp-build", "built": "today"}})
    assert yaml.safe_load(text)["patches"]["a.ko"]["provenance"] == {
        "tool": "klp-build", "compiler": 'gcc "12"', "built": "today"}


@pytest.mark.parametrize("text", [
    "", "---\n", "---\n# only\n", "patches: {a: {summary: x}}\n", "patches:\n  a: {}\n",
    "patches:\n  a.ko: {sha256: '1'}",
    "patches:\n  a:\n    summary: x", "patches:\n    a:\n        summary: 'x'\n    # far\n", '{"patches": {"a": {}}}',
    "patches:\n  a: &x\n    summary: x\n  b: *x\n", "patches:\n  'a.ko':\n    sha256: '1'\n"])
def test_every_form_keeps_every_value(text):
    before = (yaml.safe_load(text) or {"patches": {}})["patches"]
    after = yaml.safe_load(set_entry(text, "a.ko", ENTRY))
    assert after == {"patches": {**before, "a.ko": {**before.get("a.ko", {}), **ENTRY}}}


def test_a_text_with_comments_alone_keeps_them():
    assert set_entry("---\n# only\n", "a.ko", {"sha256": "1"}) == '---\n# only\npatches:\n  a.ko:\n    sha256: "1"\n'


@pytest.mark.parametrize("text", [TEXT, "patches: {6.1/fix.ko: {kernel_build_id: a, provenance: {tool: b, built: c}}}"])
def test_a_key_without_a_value_is_removed_and_nothing_else(text):
    entry = {"kernel_build_id": None, "provenance": {"tool": "x", "built": None}, "version": None}
    edited = set_entry(text, "6.1/fix.ko", entry)
    wanted = yaml.safe_load(text)
    wanted["patches"]["6.1/fix.ko"].pop("kernel_build_id")
    wanted["patches"]["6.1/fix.ko"]["provenance"] = {"tool": "x"}
    assert yaml.safe_load(edited) == wanted
    assert all(comment in edited for comment in ("# the head", "# about the name", "# mine") if comment in text)
    assert set_entry(edited, "6.1/fix.ko", entry) == edited


@given(st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20),
    st.dictionaries(st.sampled_from(["summary", "advisory"]), st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30), max_size=2), max_size=4))
def test_any_entries_keep_their_values(entries):
    text = yaml.safe_dump({"patches": entries}, allow_unicode=True)
    after = yaml.safe_load(set_entry(text, "6.1/new.ko", ENTRY))["patches"]
    assert after == {**entries, "6.1/new.ko": {**entries.get("6.1/new.ko", {}), **ENTRY}}
