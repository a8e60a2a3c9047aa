# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One build, from the start to the bundle, with a scripted build host and a module that gcc has made."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.build import KernelBuild
from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.sources import Sources
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.metadata import read_metadata
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.writer import BundleWriter
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import format_duration
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.scripted_build_host import (
    ARGUMENTS,
    ScriptedBuildHost,
    answer,
)

SOURCES = Sources(b"{}", "5" * 64)
FILE = "6.1.0-56-amd64/livepatch_fix.ko"


@pytest.fixture
def content(build_module):
    return build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=1").read_bytes()


@pytest.fixture
def build(tmp_path, content):
    """build(answers, check_mode=False, **arguments): a KernelBuild on a host with these answers."""
    (tmp_path / "cache").mkdir(exist_ok=True)
    cache = ParseCache(tmp_path / "cache")

    def make(answers, check_mode=False, content=content, **arguments):
        host = ScriptedBuildHost(answers, content)
        return KernelBuild(
            host, {**ARGUMENTS, **arguments}, SOURCES, BundleWriter(tmp_path / "patches", cache), cache,
            check_mode=check_mode, now=lambda: 0)
    return make


def entries(tmp_path):
    return yaml.safe_load((tmp_path / "patches" / "bundle.yml").read_text())["patches"]


def test_a_build_ends_in_the_bundle(build, content, tmp_path):
    one = build([answer("running"), answer("running", step="signing"), answer("built", content)],
                cves=["CVE-2026-1111"], version="2", summary="Fix")
    one.start()
    assert one.is_running and one.progress_line() == "6.1.0-56-amd64: kpatch-build: building, 4 min"
    one.look()
    one.look()
    assert not one.is_running
    result = one.result
    assert (result["state"], result["changed"], result["file"]) == ("built", True, str(tmp_path / "patches" / FILE))
    assert (tmp_path / "patches" / FILE).read_bytes() == content
    written = entries(tmp_path)[FILE]
    assert (written["cves"], written["version"], written["summary"]) == (["CVE-2026-1111"], "2", "Fix")
    assert written["kernel_build_id"] == result["build"]["kernel_build_id"]
    assert written["provenance"] == {
        "inputs": result["build"]["inputs"], "source": result["build"]["source"], "tool": "kpatch-build",
        "tool_version": "0.9.10", "compiler": result["build"]["compiler"],
        "kernel_build_id": result["build"]["kernel_build_id"], "built": "1970-01-01T00:00:00Z"}
    assert result["diff"]["before"] == "" and "provenance" in result["diff"]["after"]
    assert one.host.fetched == result["remote_file"]
    assert one.host.calls == [
        {"step": "start", "known": [], "sources": f"/tmp/{SOURCES.sha256}.json", "sha256": SOURCES.sha256},
        {"step": "look", "job": result["job"]}, {"step": "look", "job": result["job"]}]


@pytest.mark.parametrize("end", ["built", "failed"])
def test_findings_of_the_checks_stay_to_the_end_of_the_build(build, content, end):
    fuzz = {"code": "source-with-fuzz", "level": "warning", "subject": "x", "message": "It does not fit."}
    last = answer("built", content) if end == "built" else dict(answer("running"), failed=True, code="build-failed")
    one = build([dict(answer("running"), findings=[fuzz]), answer("running"), last])
    one.start()
    one.look()
    assert one.answer["findings"] == [fuzz]
    one.look()
    assert one.result["findings"] == [fuzz]


@pytest.mark.parametrize("key, value, words", [
    ("cves", ["CVE-2026-1111", "cve-2026-2222"], "a list of CVE numbers"), ("cves", ["2026-1111"], "CVE-2026-12345"),
    ("version", "1 0", "at most 100 characters"), ("version", "1" * 101, "at most 100 characters"),
    ("summary", "\x1b[2J", "without control characters")])
@pytest.mark.parametrize("state", ["built", "unchanged", "planned"])
def test_an_option_that_would_spoil_the_bundle_is_refused(build, content, tmp_path, state, key, value, words):
    build([answer("built", content)]).start()
    before = (tmp_path / "patches" / "bundle.yml").read_text()
    one = build([answer(state, content)], check_mode=state == "planned", **{key: value})
    with pytest.raises(TaskError) as caught:
        one.check()
    assert (caught.value.code, words in caught.value.message) == ("bad-option", True)
    with pytest.raises(PatchFileError) as caught:  # a caller that does not ask
        one.start()
    assert (caught.value.code, words in caught.value.message) == ("bundle-yml-invalid", True)
    assert (tmp_path / "patches" / "bundle.yml").read_text() == before


@pytest.mark.parametrize("state, check_mode", [("running", False), ("planned", True)])
def test_what_cannot_go_into_the_bundle_is_refused_when_the_build_begins(build, content, tmp_path, state, check_mode):
    build([answer("built", content)]).start()
    file = tmp_path / "patches" / "bundle.yml"
    file.write_text(file.read_text() + "    not_covered: {CVE-2026-2222: none}\n")
    one = build([answer(state, content, inputs="2" * 64)], check_mode=check_mode, cves=["CVE-2026-2222"])
    with pytest.raises(PatchFileError) as caught:
        one.start()
    assert caught.value.code == "bundle-yml-invalid" and "CVE-2026-2222" in caught.value.message


@pytest.mark.parametrize("key", ["tool_version", "compiler"])
def test_odd_texts_of_a_build_host_do_not_spoil_the_bundle(build, content, tmp_path, key):
    build([answer("built", content, **{key: "x\x1b\u2028" * 80})]).start()
    assert len(entries(tmp_path)[FILE]["provenance"][key]) == 200
    read_metadata(tmp_path / "patches")


def test_what_the_bundle_has_is_unchanged(build, content, tmp_path):
    first = build([answer("built", content)])
    first.start()
    inputs = first.result["build"]["inputs"]
    again = build([answer("unchanged")])
    again.start()
    assert again.host.calls[0]["known"] == [inputs]
    assert (again.result["state"], again.result["changed"], again.result["file"]) == (
        "unchanged", False, str(tmp_path / "patches" / FILE))


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_a_patch_is_for_changes_without_a_build(build, content, tmp_path, check_mode):
    build([answer("built", content)]).start()
    again = build([answer("unchanged")], check_mode=check_mode, cves=["CVE-2026-2222"])
    again.start()
    assert (again.result["state"], again.result["changed"]) == ("unchanged", True)
    assert "CVE-2026-2222" in again.result["diff"]["after"]
    assert ("cves" in entries(tmp_path)[FILE]) is not check_mode


def test_a_host_that_claims_a_build_that_the_bundle_lacks_is_not_trusted(build):
    one = build([answer("unchanged")])
    with pytest.raises(TaskError) as caught:
        one.start()
    assert caught.value.code == "host-not-trusted"


def test_a_plan_predicts_the_entry_and_changes_nothing(build, tmp_path):
    one = build([dict(answer("planned"), changed=True)], check_mode=True, cves=["CVE-2026-1111"])
    one.start()
    assert (one.result["state"], one.result["changed"]) == ("planned", True)
    assert FILE in one.result["diff"]["after"] and "sha256" not in one.result["diff"]["after"]
    assert not (tmp_path / "patches").exists()


@pytest.mark.parametrize("state", ["running", "built"])
def test_check_mode_writes_nothing_whatever_the_host_says(build, content, tmp_path, state):
    one = build([dict(answer(state, content), changed=True)], check_mode=True)
    one.start()
    assert (one.is_running, one.result["state"], one.result["changed"]) == (False, "planned", True)
    assert FILE in one.result["diff"]["after"] and not (tmp_path / "patches").exists()
    assert len(one.host.calls) == 1


@pytest.mark.parametrize("release", ["../../etc", "/etc", "6.1/x", "..", "6.1\n", "", None, "-6"])
@pytest.mark.parametrize("state", ["planned", "built"])
def test_no_directory_comes_from_a_hostile_host(build, content, tmp_path, state, release):
    one = build([answer(state, content, release=release)])
    try:
        one.start()
    except PatchFileError as error:
        assert error.code == "built-file-unfit" and state == "built"
    assert {path.name for path in (tmp_path / "patches").rglob("*") if path.is_dir()} <= {"6.1.0-56-amd64"}
    assert not (tmp_path / "etc").exists()


@pytest.mark.parametrize("facts, flags, arguments, why", [
    ({"name": "other"}, (), {}, "its name is livepatch_fix"), ({"arch": "aarch64"}, (), {}, "it is for x86_64"),
    ({"release": "6.1.0-57-amd64"}, (), {}, "it is for kernel 6.1.0-56-amd64"),
    ({"replace": False}, (), {}, "it replaces other patches"),
    ({}, ("-DREPLACE=0",), {}, "it does not replace other patches"),
    ({}, (), {"sign_key": "/key"}, "it has no signature"), ({}, ("-DCORE",), {}, "it is no live patch")])
def test_another_file_than_was_ordered_is_refused(build, build_module, tmp_path, facts, flags, arguments, why):
    content = build_module("kpatch_build", '-DNAME="livepatch_fix"', *(flags or ("-DREPLACE=1",))).read_bytes()
    one = build([answer("built", content, **facts)], content=content, **arguments)
    with pytest.raises(PatchFileError) as caught:
        one.start()
    assert caught.value.code == "built-file-unfit" and why in caught.value.message
    assert not (tmp_path / "patches").exists()


def test_a_file_without_functions_is_refused(build, build_module):
    content = build_module("plain", '-DNAME="livepatch_fix"').read_bytes()
    with pytest.raises(PatchFileError) as caught:
        build([answer("built", content)], content=content).start()
    assert caught.value.code == "built-file-unfit"


@pytest.mark.parametrize("content", [b"", b"x", b"\x7fELF" + b"\0" * 100])
def test_a_file_that_is_no_module_is_refused(build, content, tmp_path):
    with pytest.raises(PatchFileError):
        build([answer("built", content)], content=content).start()
    assert not (tmp_path / "patches").exists()


def test_a_file_with_other_bytes_than_were_built_is_refused(build, content):
    with pytest.raises(TaskError) as caught:
        build([answer("built", content)], content=content + b"\0").start()
    assert caught.value.code == "changed"


@pytest.mark.parametrize("seconds, words", [
    (0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7500, "2 h 5 min")])
def test_a_duration_in_words(seconds, words):
    assert format_duration(seconds) == words
