# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases, with stand-ins for antsibull-changelog and ansible-galaxy. `make lint` rehearses a real one."""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml

from tests.check import importer, rehearsal, release
from tests.check.errors import CheckError

CHANGELOG = """\
#!/bin/sh -e
echo "$@" >> "$CALLS"
[ "$1" = release ] || exit 0
[ -z "$BREAKS" ]
printf 'releases: {%s: {fragments: [a.yml]}}\n' "$(sed -n 's/^version: //p' galaxy.yml)" > changelogs/changelog.yaml
echo '<a id="v1-2-0"></a>' > CHANGELOG.md
rm -f changelogs/fragments/*
"""
GALAXY = '#!/bin/sh -e\necho "$@" >> "$CALLS"\n'


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A committed collection with one fragment."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"antsibull-changelog": CHANGELOG, "ansible-galaxy": GALAXY}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("BREAKS", "")
    for name, value in {**rehearsal.GIT_IDENTITY, "GIT_CONFIG_GLOBAL": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    checkout = tmp_path / "checkout"
    (checkout / "changelogs" / "fragments").mkdir(parents=True)
    (checkout / "changelogs" / "fragments" / "a.yml").touch()
    (checkout / "galaxy.yml").write_text("name: livepatch\nversion: 1.0.0\nreadme: README.md\n")
    git(checkout, "init")
    commit(checkout)
    return checkout


def git(checkout, *words):
    done = subprocess.run(["git", *words], cwd=checkout, check=True, text=True, capture_output=True)
    return done.stdout.strip()


def commit(checkout):
    git(checkout, "add", "--all")
    git(checkout, "commit", "--message=x")


def test_a_release_is_a_changelog_a_commit_a_tag_and_a_tarball(checkout, tmp_path):
    assert release.make(checkout, "1.2.0", tmp_path) == tmp_path / "kernel-livepatch-1.2.0.tar.gz"
    assert git(checkout, "log", "-1", "--format=%s %D").startswith("Release 1.2.0 HEAD -> ")
    assert git(checkout, "describe") == "1.2.0"
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "show", "--format=", "--name-status").split() == [
        "A", "CHANGELOG.md", "A", "changelogs/changelog.yaml", "D", "changelogs/fragments/a.yml", "M", "galaxy.yml"]
    assert yaml.safe_load((checkout / "galaxy.yml").read_text()) == {
        "name": "livepatch", "version": "1.2.0", "readme": "README.md"}
    assert (tmp_path / "calls").read_text().splitlines() == [
        "release", "lint", f"collection build --force --output-path {tmp_path}"]


def uncommitted(checkout):
    (checkout / "new").touch()


def tagged(checkout):
    git(checkout, "tag", "1.2.0")


def without_fragments(checkout):
    (checkout / "changelogs" / "fragments" / "a.yml").unlink()
    commit(checkout)


@pytest.mark.parametrize(("prepare", "version", "message"), [
    (None, "", "'' is no version"),
    (None, "1.2", "'1.2' is no version"),
    (None, "1.2.0; x", "is no version"),
    (uncommitted, "1.2.0", "not committed"),
    (tagged, "1.2.0", "a tag 1.2.0 already"),
    (without_fragments, "1.2.0", "nothing to release"),
])
def test_a_release_that_may_not_be_made_changes_nothing(checkout, tmp_path, prepare, version, message):
    if prepare:
        prepare(checkout)
    before = git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain")
    with pytest.raises(CheckError, match=message):
        release.make(checkout, version, tmp_path)
    assert (git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain")) == before
    assert not (tmp_path / "calls").exists()


def test_a_changelog_that_cannot_be_made_is_not_committed(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("BREAKS", "yes")
    with pytest.raises(CheckError, match="`antsibull-changelog release` failed"):
        release.make(checkout, "1.2.0", tmp_path)
    assert (git(checkout, "log", "--format=%s"), git(checkout, "tag")) == ("x", "")


@pytest.fixture
def imported(monkeypatch):
    """The names of the tarballs that the importer was given."""
    names = []
    monkeypatch.setattr(importer, "check", lambda tarball: names.append(tarball.name))
    return names


def test_the_rehearsal_makes_the_next_release_and_imports_it(checkout, tmp_path, imported):
    (checkout / "galaxy.yml").write_text("version: 1.2.0\n")
    rehearsal.rehearse(checkout, tmp_path)
    assert imported == ["kernel-livepatch-1.2.0.tar.gz"]
    assert git(checkout, "tag") == "1.2.0"


def test_a_fragment_that_the_changelog_leaves_out_fails_the_rehearsal(checkout, tmp_path, imported):
    (checkout / "galaxy.yml").write_text("version: 1.2.0\n")
    (checkout / "changelogs" / "fragments" / "b.yaml").touch()
    with pytest.raises(CheckError, match=r"changelog of 1\.2\.0 does not tell of b\.yaml"):
        rehearsal.rehearse(checkout, tmp_path)
    assert imported == []


def test_just_after_a_release_there_is_only_a_tarball_to_import(checkout, tmp_path, imported):
    without_fragments(checkout)
    rehearsal.rehearse(checkout, tmp_path)
    assert (imported, git(checkout, "tag")) == (["kernel-livepatch-1.0.0.tar.gz"], "")


@pytest.mark.parametrize(("before", "version"), [({}, "1.2.9"), ({"1.2.9": {}}, "1.2.10")])
def test_what_is_released_is_not_released_again(before, version):
    assert rehearsal.next_version("1.2.9", before) == version


IGNORED = "WARNING: Ignore files skip ansible-test sanity tests, found ignore-2.16.txt with 4 statement(s)"


@pytest.mark.parametrize(("lines", "found"), [
    (["Loading role apply", IGNORED, importer.LAST_LINE], []),
    (["WARNING: no role metadata found", importer.LAST_LINE], ["WARNING: no role metadata found"]),
    (["ERROR: a", IGNORED.replace("2.16", "2.21"), importer.LAST_LINE],
     ["ERROR: a", IGNORED.replace("2.16", "2.21")]),
    (["Traceback", "KeyError"], ["Traceback", "KeyError"]),
    ([], ["It said nothing."]),
])
def test_each_complaint_of_the_importer_is_a_finding(lines, found):
    assert importer.findings("\n".join(lines)) == found
