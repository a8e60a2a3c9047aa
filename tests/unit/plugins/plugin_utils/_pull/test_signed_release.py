# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that has to be signed, by the real ansible-sign with keys of the real gpg."""

from __future__ import annotations

import pytest
import yaml
from ansible import constants

from ansible_collections.kernel.livepatch.plugins.action import _pull_step as action
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import run_cache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.signed import require_signature
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.release import read_release
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError

RELEASE = {"rings": ["100%"], "releases": [{"src": "patches/", "up_to": 0}]}


@pytest.fixture
def checkout(tmp_path, monkeypatch, signer):
    """A repository with a signed release, and a run that requires the signature."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    directory = tmp_path / "checkout"
    directory.mkdir()
    (directory / "release.yml").write_text(yaml.safe_dump(RELEASE))
    signer.sign(directory)
    require_signature(str(signer.keyring), run_cache())
    return directory


def read(directory, source="release.yml"):
    return read_release(source, directory, lambda *_words: pytest.fail("a fetch"), action._check_signed)


def test_a_signed_release_is_read(checkout):
    assert read(checkout).releases[0].up_to == 0


@pytest.mark.parametrize(("change", "code"), [
    (lambda directory: (directory / "release.yml").write_text(yaml.safe_dump({**RELEASE, "halt": True})),
     "bundle-file-changed"),
    (lambda directory: (directory / ".ansible-sign" / "sha256sum.txt.sig").write_bytes(b"x"),
     "bundle-signature-invalid"),
    (lambda directory: (directory / ".ansible-sign" / "sha256sum.txt").unlink(), "bundle-unsigned")])
def test_what_is_not_signed_is_refused(checkout, change, code):
    change(checkout)
    with pytest.raises(PatchFileError) as caught:
        read(checkout)
    assert caught.value.code == code


def test_a_release_beside_the_signed_one_is_refused(checkout):
    (checkout / "other.yml").write_text(yaml.safe_dump(RELEASE))
    with pytest.raises(PatchFileError) as caught:
        read(checkout, "other.yml")
    assert caught.value.code == "bundle-file-unsigned"


def test_an_address_has_no_signature(checkout):
    with pytest.raises(TaskError) as caught:
        read(checkout, "https://example.com/release.yml")
    assert caught.value.code == "release-unreadable" and "address" in caught.value.message
