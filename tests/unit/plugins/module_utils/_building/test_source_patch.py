# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source patches are read before any program gets them."""

import random
import subprocess

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building.source_patch import (
    FileChange,
    SourceError,
    make_patch,
    paths_of,
    read_changes,
    unsupported,
    with_plain_line_ends,
)

HUNK = "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"


def patch(old="a/fs/x.c", new="b/fs/x.c", hunk=HUNK, before=""):
    return f"{before}--- {old}\n+++ {new}\n{hunk}"


def test_every_file_of_a_patch_is_seen():
    text = "Subject: x\n\n" + patch() + patch("/dev/null", "b/fs/new.c", "@@ -0,0 +1 @@\n+x\n") + patch(
        "a/fs/old.c\t2020-01-01", "/dev/null", "@@ -1 +0,0 @@\n-x\n") + "-- \n2.40\n"
    changes = read_changes(text)
    assert changes == [FileChange("fs/x.c", "fs/x.c"), FileChange(None, "fs/new.c"), FileChange("fs/old.c", None)]
    assert paths_of(changes) == ["fs/new.c", "fs/old.c", "fs/x.c"]


def test_lines_of_a_hunk_that_look_like_a_header_are_no_header():
    hunk = "@@ -1,3 +1,3 @@\n a\n--- a/../etc/passwd\n+++ b/../etc/passwd\n b\n"
    assert read_changes(patch(hunk=hunk)) == [FileChange("fs/x.c", "fs/x.c")]


@pytest.mark.parametrize("letter", ["\f", "\v", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "a\rb"])
@pytest.mark.parametrize("hunk", [
    "@@ -1,3 +1,2 @@\n {}\n b\n-c\n", "@@ -1,2 +1,3 @@\n a\n+{}\n b\n", "@@ -1 +0,0 @@\n-{}\n"])
def test_only_a_newline_ends_a_line(letter, hunk):
    """Some drivers have form feeds between their functions, such as drivers/scsi/st.c."""
    changes = read_changes(patch(hunk=hunk.format(letter)) + patch("a/fs/y.c", "b/fs/y.c"))
    assert paths_of(changes) == ["fs/x.c", "fs/y.c"]


def test_a_header_behind_another_separator_is_no_header():
    hunk = "@@ -1,2 +1,2 @@\n a\n-b\f--- a/fs/y.c\f+++ b/fs/y.c\n+c\n"
    assert paths_of(read_changes(patch(hunk=hunk))) == ["fs/x.c"]


def test_lines_can_end_as_in_a_mail():
    assert read_changes(patch().replace("\n", "\r\n")) == [FileChange("fs/x.c", "fs/x.c")]


def test_line_ends_of_a_mail_are_dropped_as_patch_does_and_no_others():
    plain = patch().encode()
    assert with_plain_line_ends(plain.replace(b"\n", b"\r\n")) == plain
    of_a_file_of_windows = patch(hunk="@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n").encode()
    for content in (plain, of_a_file_of_windows, b"", b"no patch\r\n"):
        assert with_plain_line_ends(content) == content


LINES = ("a", "b", "\f", "x\r", "-- y", "++ y", "")


def some_text(generator):
    lines = generator.choices(LINES, k=generator.randint(0, 12))
    return "\n".join(lines + [""] * generator.randint(0, 1))


@pytest.mark.parametrize("seed", range(100))
def test_a_made_patch_makes_the_text_after_of_the_text_before(tmp_path, seed):
    generator = random.Random(seed)
    texts = [(f"fs/{number}.c", some_text(generator), some_text(generator)) for number in range(seed % 3 + 1)]
    given = [(path, before, after) for path, before, after in texts if before != after]
    (tmp_path / "fs").mkdir()
    for path, before, _after in given:
        if before:
            (tmp_path / path).write_bytes(before.encode())
    made = make_patch(given)
    assert paths_of(read_changes(made)) == [path for path, _before, _after in given]
    subprocess.run(
        ["patch", "-s", "-p1", "--batch", "--binary", "-d", str(tmp_path)], input=made.encode(), check=True, timeout=60)
    for path, _before, after in given:
        assert (tmp_path / path).read_bytes() == after.encode() if after else not (tmp_path / path).exists()


@pytest.mark.parametrize("name", [
    "a/../../etc/passwd", "a/fs/../x.c", "/etc/passwd", "a//etc/passwd", "a/./x.c", "a/fs/x y.c", '"a/fs/x.c"',
    "a/fs/\x1b[2J.c", "a/fs/$(id).c", "a/fs/;id.c", "a/"])
@pytest.mark.parametrize("side", ["old", "new"])
def test_a_path_out_of_the_tree_or_with_odd_characters_is_refused(name, side):
    with pytest.raises(SourceError) as caught:
        read_changes(patch(**{side: name}))
    assert caught.value.code == "source-path-unsafe"


@pytest.mark.parametrize("line", ["new file mode 120000", "old mode 120000", "new file mode 160000"])
def test_a_symbolic_link_is_refused(line):
    with pytest.raises(SourceError) as caught:
        read_changes(patch(before=f"diff --git a/fs/x.c b/fs/x.c\n{line}\n"))
    assert (caught.value.code, caught.value.path) == ("source-path-unsafe", "b/fs/x.c")


@pytest.mark.parametrize("text, why", [
    ("", "changes no file"), ("hello\n", "changes no file"), ("GIT binary patch\n", "binary"),
    ("Binary files a/x and b/x differ\n", "binary"), ("rename from a\nrename to b\n", "renames"),
    (patch("x.c", "x.c"), "no directory such as a/"), (patch(hunk=""), "is no hunk"),
    (patch("/dev/null", "/dev/null"), "without a file"),
    (patch(hunk="@@ -1,9 +1,2 @@\n a\n-b\n+c\n"), "cut short"),
    (patch(hunk="@@ -1,2 +1,2 @@\n a\n?b\n+c\n"), "no part of a hunk"),
])
def test_what_is_no_patch_is_refused(text, why):
    with pytest.raises(SourceError) as caught:
        read_changes(text)
    assert caught.value.code == "source-unreadable"
    assert why in caught.value.why


@pytest.mark.parametrize("path", [
    "lib/string.c", "arch/x86/entry/vdso/vma.c", "arch/x86/realmode/rm/wakemain.c", "arch/x86/kernel/head_64.S",
    "arch/x86/boot/main.c", "arch/x86/purgatory/purgatory.c"])
def test_a_file_that_no_builder_takes_is_named(path):
    for tool in ("kpatch-build", "klp-build"):
        assert unsupported(read_changes(patch(f"a/{path}", f"b/{path}")), tool)[0] == path


@pytest.mark.parametrize("path", [
    "arch/x86/realmode/init.c", "arch/powerpc/kernel/prom_init.c", "init/version.c", "arch/x86/tools/relocs.c"])
def test_a_file_that_one_builder_passes_over_is_refused_for_it(path):
    changes = read_changes(patch(f"a/{path}", f"b/{path}"))
    assert "passes over" in unsupported(changes, "kpatch-build")[1]
    assert unsupported(changes, "klp-build") is None


@pytest.mark.parametrize("path", ["fs/lib/x.c", "arch/x86/lib/x.c", "fs/x.c", "include/lib/x.h"])
def test_other_files_are_taken(path):
    assert unsupported(read_changes(patch(f"a/{path}", f"b/{path}")), "kpatch-build") is None
