# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles signed by the real ansible-sign with keys of the real gpg: what is read of them, and what is refused."""

from __future__ import annotations

import builtins
import os
import shutil

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle import description
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle import signed as signed_module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import (
    describe_file,
    read_bundle,
    read_single,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.signed import read_keyring, require_signature
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError
from ansible_collections.kernel.livepatch.tests.unit.plugins.signed_directory import Signer


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    with Signer(tmp_path_factory.mktemp("stranger") / "home", "stranger") as the_signer:
        yield the_signer


@pytest.fixture(scope="module")
def signed_project(tmp_path_factory, build_module, signer):
    """A project with a bundle in it; tests change copies."""
    project = tmp_path_factory.mktemp("project")
    patches = project / "patches"
    (patches / "56").mkdir(parents=True)
    shutil.copy(build_module("source_simple"), patches / "56" / "fix.ko")
    (patches / "bundle.yml").write_text(yaml.safe_dump({"patches": {"56/fix.ko": {"version": "1.0"}}}))
    (project / "site.yml").write_text("[]\n")
    signer.sign(project)
    return project


@pytest.fixture
def project(signed_project, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(signed_project, copy)
    return copy


@pytest.fixture
def cache(tmp_path):
    return ParseCache(tmp_path)


def refusal(call, *arguments):
    with pytest.raises((PatchFileError, TaskError)) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize("export", ["keyring", "armored"])
def test_a_signed_bundle_is_read(project, cache, signer, export):
    keyring = read_keyring(str(getattr(signer, export)))
    build, = read_bundle(project / "patches", cache, keyring).builds
    assert (build["file"], build["metadata"]["version"]) == ("fix.ko", "1.0")
    assert read_single(project / "patches" / "56" / "fix.ko", cache, keyring)["sha256"] == build["sha256"]


def test_a_keybox_is_a_keyring(project, cache, signer):
    keyring = read_keyring(str(signer.keyring.parent / "pubring.kbx"))
    assert len(read_bundle(project / "patches", cache, keyring).builds) == 1


def add_file(project):
    shutil.copy(project / "patches" / "56" / "fix.ko", project / "patches" / "57.ko")


def change_file(project):
    with open(project / "patches" / "56" / "fix.ko", "ab") as file:
        file.write(b"\0")


def change_metadata(project):
    (project / "patches" / "bundle.yml").write_text(yaml.safe_dump({"patches": {"56/fix.ko": {"version": "0.9"}}}))


def remove_metadata(project):
    (project / "patches" / "bundle.yml").unlink()


def add_metadata(project):
    (project / "patches" / "56" / "bundle.yml").write_text("patches: {}\n")


def list_it_without_a_signature(project):
    add_file(project)
    with open(project / ".ansible-sign" / "sha256sum.txt", "a") as manifest:
        manifest.write(f"{'0' * 64}  patches/57.ko\n")


@pytest.mark.parametrize("damage, code", [
    (add_file, "bundle-file-unsigned"), (change_file, "bundle-file-changed"), (change_metadata, "bundle-file-changed"),
    (remove_metadata, "bundle-file-missing"), (list_it_without_a_signature, "bundle-signature-invalid"),
    (lambda project: (project / "patches" / "56" / "fix.ko").unlink(), "bundle-file-missing"),
    (lambda project: shutil.rmtree(project / ".ansible-sign"), "bundle-unsigned"),
    (lambda project: (project / ".ansible-sign" / "sha256sum.txt.sig").unlink(), "bundle-unsigned"),
    (lambda project: (project / ".ansible-sign" / "sha256sum.txt.sig").write_bytes(b"no"), "bundle-signature-invalid")])
def test_anything_else_than_was_signed_is_refused(project, cache, signer, damage, code):
    damage(project)
    assert refusal(read_bundle, project / "patches", cache, read_keyring(str(signer.keyring))).code == code


def test_a_file_that_no_bundle_has_may_change(project, cache, signer):
    (project / "site.yml").write_text("[1]\n")
    add_metadata(project)  # only the one at the top is read
    assert read_bundle(project / "patches", cache, read_keyring(str(signer.keyring))).builds


def test_a_file_is_described_only_if_it_is_signed(project, cache, signer, stranger):
    file = project / "patches" / "56" / "fix.ko"
    keyring, other = (read_keyring(str(one.keyring)) for one in (signer, stranger))
    assert describe_file(file, cache, keyring) == describe_file(file, cache)
    assert refusal(describe_file, file, cache, other).code == "bundle-signature-invalid"
    shutil.copy(file, file.with_name("more.ko"))
    assert refusal(describe_file, file.with_name("more.ko"), cache, keyring).code == "bundle-file-unsigned"
    shutil.rmtree(project / ".ansible-sign")
    require_signature(str(signer.keyring), cache)
    assert refusal(describe_file, file, cache).code == "bundle-unsigned"


def test_a_single_file_needs_its_bundle_yml(project, cache, signer):
    keyring = read_keyring(str(signer.keyring))
    add_metadata(project)
    assert refusal(read_single, project / "patches" / "56" / "fix.ko", cache, keyring).code == "bundle-file-unsigned"


def test_a_changed_file_is_refused_before_it_is_parsed(project, cache, signer, monkeypatch):
    change_file(project)
    monkeypatch.setattr(description, "describe_image", lambda *_arguments: pytest.fail("parsed"))
    assert refusal(read_bundle, project / "patches", cache, read_keyring(str(signer.keyring))).code == (
        "bundle-file-changed")


def test_a_signature_by_another_key_is_refused(project, cache, stranger):
    assert refusal(read_bundle, project / "patches", cache, read_keyring(str(stranger.keyring))).code == (
        "bundle-signature-invalid")


def test_a_run_that_requires_a_signature_reads_nothing_else(project, cache, signer, stranger, tmp_path):
    """Every process of the run has the same directory."""
    require_signature(str(signer.keyring), cache)
    assert read_bundle(project / "patches", ParseCache(tmp_path)).builds
    change_file(project)
    assert refusal(read_bundle, project / "patches", ParseCache(tmp_path)).code == "bundle-file-changed"
    require_signature(str(stranger.keyring), cache)  # both have to hold
    assert refusal(read_bundle, project / "patches", ParseCache(tmp_path)).code == "bundle-signature-invalid"


def test_without_a_requirement_a_signature_is_not_looked_at(project, cache):
    change_metadata(project)
    require_signature("", cache)
    assert read_bundle(project / "patches", cache).builds[0]["metadata"]["version"] == "0.9"


def test_the_signature_is_verified_once_in_a_run(project, cache, signer, monkeypatch):
    keyring = read_keyring(str(signer.keyring))
    read_bundle(project / "patches", cache, keyring)
    monkeypatch.setattr(signed_module, "_verify", lambda *_arguments: pytest.fail("verified again"))
    assert read_bundle(project / "patches", cache, keyring).builds
    (project / ".ansible-sign" / "sha256sum.txt.sig").write_bytes(b"no")
    with pytest.raises(pytest.fail.Exception):
        read_bundle(project / "patches", cache, keyring)


@pytest.mark.parametrize("content", [None, b"", b"no keys\n"])
def test_a_keyring_without_keys(project, cache, tmp_path, content):
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    error = refusal(lambda: read_bundle(project / "patches", cache, read_keyring(str(path))))
    assert (error.code, "Give the path of a keyring with public keys." in error.message) == (
        "signature-keyring-unusable", True)


def test_a_signed_list_that_is_none(project, cache, signer):
    import gnupg

    manifest = project / ".ansible-sign" / "sha256sum.txt"
    manifest.write_text("no digest\n")
    gpg = gnupg.GPG(gnupghome=os.fspath(signer.keyring.parent))
    with open(manifest, "rb") as file:
        gpg.sign_file(file, detach=True, output=f"{manifest}.sig")
    assert refusal(read_bundle, project / "patches", cache, read_keyring(str(signer.keyring))).code == (
        "bundle-manifest-invalid")


def test_a_controller_without_ansible_sign(project, cache, signer, monkeypatch):
    real = builtins.__import__

    def without(name, *more, **named):
        if name.startswith("ansible_sign"):
            raise ImportError(name)
        return real(name, *more, **named)
    monkeypatch.setattr(builtins, "__import__", without)
    error = refusal(read_bundle, project / "patches", cache, read_keyring(str(signer.keyring)))
    assert (error.code, "Python library ansible-sign" in error.message) == ("signature-tool-missing", True)


def test_a_controller_without_gpg(project, cache, signer, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    error = refusal(read_bundle, project / "patches", cache, read_keyring(str(signer.keyring)))
    assert (error.code, "the program gpg" in error.message) == ("signature-tool-missing", True)
