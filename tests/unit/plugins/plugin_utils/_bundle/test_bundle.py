# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles: directories of patch files, with and without a bundle.yml."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import os
from pathlib import Path

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.builds import read_builds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import read_bundle, read_single
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.description import describe
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError

NOTHING = {
    "cves": [], "summary": None, "advisory": None, "kernel_build_id": None, "version": None, "not_covered": [],
    "expires": None, "effective_kernel": None}


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "bundle"
    path.mkdir()
    return path


@pytest.fixture
def read(bundle, tmp_path):
    return lambda: read_bundle(bundle, ParseCache(tmp_path)).builds


@pytest.fixture
def add(bundle, build_module):
    """Put a build for a kernel release into the bundle and return its path."""

    def put(path, release="6.1.0-56-amd64", name="fix", build="1", compress=bytes):
        flags = (f'-DVERMAGIC="{release} SMP mod_unload "', f'-DNAME="{name}"', f'-DBUILD="{build}"')
        file = bundle / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(compress(build_module("source_simple", *flags).read_bytes()))
        return file

    return put


@pytest.fixture
def say(bundle):
    return lambda patches: Path(bundle, "bundle.yml").write_text(yaml.safe_dump({"patches": patches}))


def refused(read):
    with pytest.raises(PatchFileError) as caught:
        read()
    return caught.value


def test_files_at_any_depth_are_sorted_by_kernel_and_name(add, read, bundle):
    add("z/deep/er/one.ko", release="6.1.0-55-amd64")
    add("two.ko.gz", release="6.1.0-56-amd64", name="second", compress=gzip.compress)
    add("a/three.ko.xz", release="6.1.0-56-amd64", compress=lzma.compress)
    Path(bundle, "README").write_text("not a patch")
    builds = read()
    assert [(build["release"], build["name"], build["file"]) for build in builds] == [
        ("6.1.0-55-amd64", "fix", "one.ko"),
        ("6.1.0-56-amd64", "fix", "three.ko.xz"),
        ("6.1.0-56-amd64", "second", "two.ko.gz"),
    ]
    assert not any("metadata" in build for build in builds)


def test_links_are_followed_but_not_for_ever(add, read, bundle, tmp_path):
    add("real/one.ko")
    Path(bundle, "real", "loop").symlink_to(bundle)
    Path(bundle, "again").symlink_to(Path(bundle, "real"))
    assert [build["file"] for build in read()] == ["one.ko"]


def test_identical_copies_are_one_build(add, read):
    add("a.ko")
    add("b.ko.gz", compress=gzip.compress)
    assert [build["file"] for build in read()] == ["a.ko"]


def test_different_builds_for_one_kernel_are_refused(add, read):
    first, second = add("a.ko", build="1"), add("b.ko", build="2")
    error = refused(read)
    assert error.code == "bundle-duplicate"
    assert str(first) in error.message and str(second) in error.message


@pytest.mark.parametrize(("first", "second"), [("0a" * 20, "0b" * 20), ("0A" * 20, None), (None, "0b" * 20)])
def test_builds_for_several_builds_of_one_kernel_are_told_apart(add, read, say, first, second):
    add("a.ko", build="1")
    add("b.ko", build="2")
    say({file: {"kernel_build_id": kernel} for file, kernel in (("a.ko", first), ("b.ko", second)) if kernel})
    wanted = {build["file"]: (build.get("metadata") or {}).get("kernel_build_id") for build in read()}
    assert wanted == {"a.ko": first and first.lower(), "b.ko": second and second.lower()}


def test_two_builds_for_one_build_of_one_kernel_are_refused(add, read, say):
    add("a.ko", build="1")
    add("b.ko", build="2")
    say({"a.ko": {"kernel_build_id": "0a0b"}, "b.ko": {"kernel_build_id": "0A0B"}})
    error = refused(read)
    assert error.code == "bundle-duplicate"
    assert "Remove one, or set the version or the kernel_build_id of each in bundle.yml." in error.message


def test_one_file_can_be_for_two_builds_of_a_kernel(add, read, say):
    add("a.ko")
    add("b.ko")
    say({"a.ko": {"kernel_build_id": "0a"}, "b.ko": {"kernel_build_id": "0b"}})
    assert [build["metadata"]["kernel_build_id"] for build in read()] == ["0a", "0b"]


def test_versions_of_one_patch_are_known_as_a_series(add, read):
    add("1.ko", name="kpatch_6_1_0_56_1_1")
    add("2.ko", name="kpatch_6_1_0_56_1_2")
    add("3.ko", name="other")
    assert [build.get("series") for build in read()] == [
        {"stem": "kpatch", "rank": 0}, {"stem": "kpatch", "rank": 1}, None]


def test_a_single_file_has_the_entry_of_the_bundle_yml_beside_it(add, bundle, say, tmp_path):
    file = add("a.ko")
    cache = ParseCache(tmp_path)
    assert read_single(file, cache) == cache.describe(file)
    say({"a.ko": {"kernel_build_id": "0A"}, "b.ko": {"summary": "not here"}})
    assert read_single(file, cache)["metadata"]["kernel_build_id"] == "0a"
    say({"a.ko": {"sha256": "0" * 64}})
    assert refused(lambda: read_single(file, cache)).code == "bundle-digest-mismatch"


BAD_NAMES = [b"fi\xff\xe9x.ko", b"fix\n.ko", b"\x1b[2J.ko.gz", "\u202efix.ko".encode(), b"dir\xff/fix.ko",
             b"dir\r/fix.ko.xz", "\u0085.ko".encode(), b"\xed\xa0\x80.ko"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_cannot_be_shown_is_refused_and_escaped(add, read, bundle, tmp_path, name):
    good = add("good.ko")
    bad = os.path.join(os.fsencode(bundle), name)
    os.makedirs(os.path.dirname(bad), exist_ok=True)
    os.rename(good, bad)
    for look in (read, lambda: ParseCache(tmp_path).describe(os.fsdecode(bad)), lambda: describe(os.fsdecode(bad)),
                 lambda: read_builds(Path(os.fsdecode(bad)))):
        error = refused(look)
        assert error.code == "file-name-unusable"
        assert error.message.isprintable() and "\\" in error.message and "Rename" in error.message
        json.dumps(error.message).encode("ascii")


def test_an_ordinary_name_of_any_script_is_taken(add, read):
    add("файл é 修正.ko")
    assert [build["file"] for build in read()] == ["файл é 修正.ko"]


def test_a_file_that_is_no_patch_may_have_any_name(add, read, bundle):
    add("a.ko")
    Path(os.fsdecode(os.fsencode(bundle) + b"/notes\xff.txt")).write_text("x")
    assert len(read()) == 1


def test_a_broken_file_spoils_the_bundle(add, read, bundle):
    add("a.ko")
    Path(bundle, "broken.ko").write_bytes(b"\x7fELF")
    error = refused(read)
    assert (error.code, error.file) == ("truncated", str(bundle / "broken.ko"))


def test_a_file_for_no_kernel_is_refused(read, bundle, build_module):
    Path(bundle, "a.ko").write_bytes(build_module("plain", "-DNO_VERMAGIC").read_bytes())
    assert refused(read).code == "bundle-no-release"


def test_an_empty_directory_is_refused(read):
    assert refused(read).code == "bundle-empty"


def test_a_missing_directory_is_refused(tmp_path):
    error = refused(lambda: read_bundle(tmp_path / "missing", ParseCache(tmp_path)))
    assert (error.code, error.file) == ("bundle-unreadable", str(tmp_path / "missing"))


def test_what_is_said_about_a_file_wins_over_what_is_said_about_its_name(add, read, say):
    add("6.1/a.ko", release="6.1.0-55-amd64")
    add("6.1/b.ko", release="6.1.0-56-amd64")
    add("other.ko", name="other")
    by_name = {"cves": ["CVE-2026-12345"], "summary": "all"}
    say({"fix": by_name, "6.1/b.ko": {"summary": "b", "kernel_build_id": "0a1b"}})
    assert [build.get("metadata") for build in read()] == [
        {**NOTHING, "cves": ["CVE-2026-12345"], "summary": "all"},
        {**NOTHING, "cves": ["CVE-2026-12345"], "summary": "b", "kernel_build_id": "0a1b"},
        None,
    ]


def test_an_entry_can_be_for_a_pattern_of_names(add, read, say):
    add("a.ko", name="kpatch_6_1_55_fix")
    add("b.ko", name="kpatch_6_1_56_fix")
    add("c.ko", name="kpatch_6_1_56_net")
    say({"kpatch_6_1_56_fix": {"summary": "name"}, "kpatch-*-fix": {"summary": "pattern", "cves": ["CVE-2026-1234"]},
         "kpatch-6-1-56-net": {"summary": "dashes"}})
    assert [(build["metadata"]["summary"], build["metadata"]["cves"]) for build in read()] == [
        ("pattern", ["CVE-2026-1234"]), ("name", ["CVE-2026-1234"]), ("dashes", [])]


def test_what_goes_to_the_host_with_the_file_is_read(add, read, bundle):
    add("a.ko")
    Path(bundle, "bundle.yml").write_text(
        "patches: {fix: {version: '1.10', expires: 2027-01-31, effective_kernel: 6.1.0-60-amd64, "
        "not_covered: {CVE-2026-1234: it changes data}}}")
    metadata = read()[0]["metadata"]
    assert metadata == {
        **NOTHING, "version": "1.10", "expires": "2027-01-31", "effective_kernel": "6.1.0-60-amd64",
        "not_covered": [{"cve": "CVE-2026-1234", "reason": "it changes data"}]}
    json.dumps(metadata)
    Path(bundle, "bundle.yml").write_text("patches: {fix: {expires: '2027-01-31'}}")
    assert read()[0]["metadata"]["expires"] == "2027-01-31"


@pytest.mark.parametrize(("pattern", "name", "file", "closed", "left_open"), [
    ({"cves": ["CVE-2026-1111", "CVE-2026-2222"]}, {}, {"not_covered": {"CVE-2026-2222": "no"}},
     ["CVE-2026-1111"], ["CVE-2026-2222"]),
    ({}, {"cves": ["CVE-2026-1111"]}, {"not_covered": {"CVE-2026-1111": "no"}}, [], ["CVE-2026-1111"]),
    ({"not_covered": {"CVE-2026-1111": "no", "CVE-2026-2222": "no"}}, {"cves": ["CVE-2026-1111"]}, {},
     ["CVE-2026-1111"], ["CVE-2026-2222"]),
    ({"cves": ["CVE-2026-1111"]}, {"not_covered": {"CVE-2026-1111": "no"}}, {"cves": ["CVE-2026-1111"]},
     ["CVE-2026-1111"], []),
])
def test_no_cve_is_closed_by_one_entry_and_open_by_another(add, read, say, pattern, name, file, closed, left_open):
    add("a.ko")
    say({"f*": {"summary": "pattern", **pattern}, "fix": {"summary": "name", **name}, "a.ko": file})
    metadata = read()[0]["metadata"]
    assert (metadata["cves"], [one["cve"] for one in metadata["not_covered"]]) == (closed, left_open)


def test_builds_of_one_name_are_told_apart_by_their_versions(add, read, say):
    for version in ("1.9", "1.10"):
        add(f"{version}.ko", build=version)
    say({f"{version}.ko": {"version": version} for version in ("1.9", "1.10")})
    assert [(build["file"], build["series"]["rank"]) for build in read()] == [("1.10.ko", 1), ("1.9.ko", 0)]


def test_builds_are_read_by_a_pattern_and_a_version(add, read, say, bundle):
    for number, version in enumerate(("1.9", "1.10")):
        add(f"{number}.ko", build=version)
    add("other.ko", name="other")
    say({f"{number}.ko": {"version": version} for number, version in enumerate(("1.9", "1.10"))})
    assert [build["file"] for build in read_builds(bundle, "f?x", "1.9")] == ["0.ko"]
    assert len(read_builds(bundle, "f?x")) == 2
    for name, version, code, words in (
            ("g*", None, "no-such-patch", "one of: fix, other."),
            (None, "2", "no-such-version", "fix 1.10, fix 1.9, ")):
        with pytest.raises(TaskError) as caught:
            read_builds(bundle, name, version)
        assert caught.value.code == code
        assert words in caught.value.message


def test_the_expected_digest_is_that_of_the_file_on_disk(add, read, say):
    file = add("a.ko.gz", compress=gzip.compress)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    say({"a.ko.gz": {"sha256": digest}})
    assert read()[0]["metadata"] == NOTHING
    say({"a.ko.gz": {"sha256": "0" * 64}})
    error = refused(read)
    assert (error.code, error.file) == ("bundle-digest-mismatch", str(file))
    assert digest in error.message and "0" * 64 in error.message


# (code, what bundle.yml holds, what the message must name)
WRONG_YAML = [
    ("bundle-yml-invalid", "patches: [", "line"),
    ("bundle-yml-invalid", "- a list", "'patches'"),
    ("bundle-yml-invalid", "patches: []", "'patches'"),
    ("bundle-yml-invalid", "patches: {}\nextra: 1", "'patches'"),
    ("bundle-yml-invalid", "", "'patches'"),
    ("bundle-yml-invalid", "patches: {fix: text}", "'fix'"),
    ("bundle-yml-invalid", "patches: {5: {}}", "5"),
    ("bundle-yml-invalid", "patches: {../a.ko: {}}", "'../a.ko'"),
    ("bundle-yml-invalid", "patches: {/a.ko: {}}", "'/a.ko'"),
    ("bundle-yml-invalid", "patches: {./a.ko: {}}", "'./a.ko'"),
    ("bundle-yml-invalid", "patches: {fix: {cves: CVE-2026-1234}}", "list of CVE numbers"),
    ("bundle-yml-invalid", "patches: {fix: {cves: [a bug]}}", "list of CVE numbers"),
    ("bundle-yml-invalid", "patches: {fix: {summary: 5}}", "text"),
    ("bundle-yml-invalid", "patches: {fix: {advisory: 'javascript:alert(1)'}}", "https://"),
    ("bundle-yml-invalid", "patches: {a.ko: {sha256: abc}}", "64"),
    ("bundle-yml-invalid", "patches: {a.ko: {kernel_build_id: '0a1'}}", "two for each byte"),
    ("bundle-yml-invalid", "patches: {a.ko: {kernel_build_id: '0x0a'}}", "hex digits"),
    ("bundle-yml-invalid", "patches: {a.ko: {kernel_build_id: ''}}", "hex digits"),
    ("bundle-yml-invalid", "patches: {a.ko: {kernel_build_id: 10}}", "hex digits"),
    ("bundle-yml-invalid", f"patches: {{a.ko: {{kernel_build_id: '{'0a' * 65}'}}}}", "at most 64 bytes"),
    ("bundle-yml-invalid", "patches: {fix: {kernel_build_id: '0a'}}", "several files"),
    ("bundle-yml-invalid", 'patches: {fix: {summary: "a\\e[2J"}}', "without control characters"),
    ("bundle-yml-invalid", 'patches: {fix: {summary: "a\\udcff"}}', "without control characters"),
    ("bundle-yml-invalid", 'patches: {fix: {advisory: "https://a\\e[2J"}}', "https://"),
    ("bundle-yml-invalid", "patches: {fix: {cves: [CVE-٢٠٢٦-1234]}}", "list of CVE numbers"),
    ("bundle-yml-invalid", f"patches: {{fix: {{sha256: '{'0' * 64}'}}}}", "several files"),
    ("bundle-yml-invalid", "patches: !!python/object/apply:os.getpid []", "YAML"),
    ("bundle-yml-invalid", "[" * 5000, "YAML"),
    ("bundle-yml-invalid", "patches: {fix: {expires: !!timestamp soon}}", "YAML"),
    ("bundle-yml-invalid", "patches: {fix: {version: !!int ''}}", "YAML"),
    ("bundle-yml-invalid", "# " + "x" * (1 << 20), "larger"),
    ("bundle-yml-invalid", "patches: {fix: {version: 1.10}}", "text in quotes"),
    ("bundle-yml-invalid", "patches: {fix: {version: '1 0'}}", "text in quotes"),
    ("bundle-yml-invalid", f"patches: {{fix: {{version: '{'1' * 101}'}}}}", "at most 100 characters"),
    ("bundle-yml-invalid", "patches: {fix: {expires: 2027-02-30}}", "YAML"),
    ("bundle-yml-invalid", "patches: {fix: {expires: '2027-02-30'}}", "a date such as 2027-01-31"),
    ("bundle-yml-invalid", "patches: {fix: {expires: soon}}", "a date such as 2027-01-31"),
    ("bundle-yml-invalid", "patches: {fix: {expires: 2027-01-31 10:00:00}}", "a date such as 2027-01-31"),
    ("bundle-yml-invalid", "patches: {fix: {not_covered: [CVE-2026-1234]}}", "a mapping of CVE numbers"),
    ("bundle-yml-invalid", "patches: {fix: {not_covered: {CVE-2026-1234: ''}}}", "a mapping of CVE numbers"),
    ("bundle-yml-invalid", "patches: {fix: {not_covered: {bug: why}}}", "a mapping of CVE numbers"),
    ("bundle-yml-invalid", "patches: {fix: {effective_kernel: 6}}", "the release of a kernel"),
    ("bundle-yml-invalid", "patches:\n  fix: {cves: [CVE-2026-1234]}\n  fix: {summary: s}\n",
     "'fix' twice in one mapping (line 3)"),
    ("bundle-yml-invalid", "patches:\n  fix:\n    cves: [CVE-2026-1234]\n    cves: []\n", "'cves' twice"),
    ("bundle-yml-invalid", "patches: {fix: {not_covered: {CVE-2026-1234: a, CVE-2026-1234: b}}}",
     "'CVE-2026-1234' twice"),
    ("bundle-yml-invalid", "patches: {}\npatches: {fix: {}}", "'patches' twice"),
    ("bundle-yml-invalid", "patches: {fix: {cves: [CVE-2026-1234], not_covered: {CVE-2026-1234: why}}}",
     "CVE-2026-1234 in cves and in not_covered"),
    ("bundle-yml-invalid", "a: &a [1]\n? *a\n: 1\n", "YAML"),
    ("bundle-yml-unknown-key", "patches: {fix: {cve: []}}", "'cve' in the entry 'fix'. Allowed are: cves, summary,"),
    ("bundle-yml-unmatched", "patches: {fxi: {summary: s}}", "'fxi'"),
    ("bundle-yml-unmatched", "patches: {b.ko: {summary: s}}", "'b.ko'"),
    ("bundle-yml-unmatched", "patches: {'kpatch-*': {summary: s}}", "'kpatch-*'"),
]


@pytest.mark.parametrize(("code", "text", "named"), WRONG_YAML, ids=[text[:50] for _code, text, _named in WRONG_YAML])
def test_mistakes_in_bundle_yml_are_named(add, read, bundle, code, text, named):
    add("a.ko")
    Path(bundle, "bundle.yml").write_text(text)
    error = refused(read)
    assert (error.code, error.file) == (code, str(bundle / "bundle.yml"))
    assert named in error.message


def test_what_an_alias_or_a_merge_repeats_is_no_key_that_is_given_twice(add, read, bundle):
    add("a.ko")
    Path(bundle, "bundle.yml").write_text(
        "patches:\n"
        "  fix: &all {cves: &both [CVE-2026-1234, CVE-2026-1235, CVE-2026-1234], summary: s}\n"
        "  a.ko: {<<: *all, summary: t}\n"
        "  f*: {cves: *both}\n")
    found = read()[0]["metadata"]
    assert (found["cves"], found["summary"]) == (["CVE-2026-1234", "CVE-2026-1235"], "t")


@pytest.mark.parametrize("width", [2, 90, 1000])
def test_merges_that_would_fill_the_memory_are_refused(add, read, bundle, width):
    add("a.ko")
    levels = [f"x{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * width)}]}}" for level in range(1, 40)]
    Path(bundle, "bundle.yml").write_text("\n".join(["x0: &a0 {cves: []}", *levels]))
    error = refused(read)
    assert error.code == "bundle-yml-invalid" and "more than 10" in error.message


def test_a_bundle_yml_that_cannot_be_read_is_refused(add, read, bundle):
    add("a.ko")
    Path(bundle, "bundle.yml").mkdir()
    assert refused(read).code == "bundle-yml-unreadable"
