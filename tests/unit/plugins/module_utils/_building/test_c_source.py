# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only a change that is certain to be of data alone counts as one."""

import difflib

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building import c_source
from ansible_collections.kernel.livepatch.plugins.module_utils._building.c_source import (
    COMMENTS,
    DATA,
    INIT,
    change_kind,
    line_kinds,
)


def only_data(before, after):
    return change_kind(before, after) == DATA


SOURCE = """\
#include <linux/fs.h>
#define LIMIT 3
/* static int comment = 1; */
static int limit = 5;
static const struct file_operations operations = {
\t.open = cmdline_open,  // {
\t.name = "a { b",
};
struct state {
\tint a;
};
static struct state *show(struct seq_file *m)
{
\tint a = 3;

\treturn m ? "}" : '{';
}
SYSCALL_DEFINE1(test, int, x)
{
\treturn x;
}
module_param(limit, int, 0444);
EXPORT_SYMBOL(limit);
"""


@pytest.mark.parametrize("old, new, is_data", [
    ("limit = 5", "limit = 6", True), (".open = cmdline_open", ".open = other", True), ("a { b", "a } b", True),
    ("int a = 3", "int a = 4", False), ("return x", "return 1", False), ("\tint a;\n", "\tint b;\n", False),
    ("LIMIT 3", "LIMIT 4", False), ("0444", "0644", False), ("comment = 1", "comment = 2", False),
    ("SYSCALL_DEFINE1(test, int, x)", "SYSCALL_DEFINE1(test, long, x)", False), ("x", "x", False),
    ("limit = 5;", "limit = 6; /* why */", True),
    ("static int limit = 5;\n", "static int limit = 5;\nstatic int more = 1;\n", True),
    ("static int limit = 5;\n", "static int limit = 5;\nstatic int more(void)\n{\n\treturn 1;\n}\n", False),
])
def test_what_a_change_is_about(old, new, is_data):
    assert old in SOURCE
    assert only_data(SOURCE, SOURCE.replace(old, new)) is is_data


def test_a_change_of_data_and_code_is_no_change_of_data():
    assert not only_data(SOURCE, SOURCE.replace("limit = 5", "limit = 6").replace("return x", "return 1"))


@pytest.mark.parametrize("text", ["", "{{{", "}}}", '"', "'", "/*", "#define x \\\n y", "int a = {", "a" * 10000])
def test_any_text_can_be_read(text):
    assert set(line_kinds(text).values()) <= {DATA, INIT, None}


@pytest.mark.parametrize("old, new, kind", [
    ("comment = 1", "comment = 2", COMMENTS), ("/* static", "//\n/* static", COMMENTS),
    ("\tint a = 3;", "\tint a=3;", COMMENTS),
    ("/* static int comment = 1; */", "static int comment = 1;", DATA), ("return 7", "return 8", INIT),
    ("static int __init start", "static int start", None), ("__init start", "__init begin", INIT),
    ("/*\nint hidden(void) { return 1; }\n*/", "\nint hidden(void) { return 1; }\n", None), ("#if 0", "#if 1", None)])
def test_a_change_without_a_function(old, new, kind):
    source = SOURCE + (
        "static int __init start(void)\n{\n\treturn 7;\n}\n/*\nint hidden(void) { return 1; }\n*/\n#if 0\n#endif\n")
    assert old in source
    assert change_kind(source, source.replace(old, new)) == kind


def test_a_change_of_two_kinds_is_of_none():
    source = SOURCE + "static int __init start(void)\n{\n\treturn 7;\n}\n"
    assert change_kind(source, source.replace("return 7", "return 8").replace("limit = 5", "limit = 6")) is None


def large_file(data="1"):
    """Two changes far from each other, with thousands of lines between them that are alike, as in net/core/dev.c."""
    functions = "".join(
        f"int f{number}(void)\n{{\n\tif (x)\n\t\treturn 0;\n\n\treturn {number};\n}}\n\n" for number in range(1500))
    return f"static int first = {data};\n\n{functions}static int last[] = {{\n\t{data},\n}};\n"


def test_a_large_file_is_compared_in_few_steps(monkeypatch):
    steps = []

    class Counted(dict):
        """The places of each line: each place that is looked at is a step of the comparison."""

        def get(self, *arguments):
            found = super().get(*arguments)
            steps.append(len(found or ()))
            return found

    class Matcher(difflib.SequenceMatcher):
        def find_longest_match(self, *arguments):
            self.b2j = Counted(self.b2j)
            return super().find_longest_match(*arguments)

    monkeypatch.setattr(c_source.difflib, "SequenceMatcher", Matcher)
    assert only_data(large_file(), large_file("2"))
    assert not only_data(large_file(), large_file("2").replace("return 700;", "return 701;"))
    assert not only_data(large_file(), large_file().replace("return 700;", "").replace("first = 1", "first = 2"))
    assert sum(steps) < 500_000


@pytest.mark.parametrize("before, after, changed", [
    ("", "", ([], [])), ("a", "a", ([], [])), ("a", "b", ([0], [0])), ("a\nb", "a\nb\nb", ([], [2])),
    ("a\nb\nb", "a\nb", ([2], [])), ("x\na\ny", "x\ny", ([1], [])), ("a\nb\nc\nd", "a\nB\nc\nD", ([1, 3], [1, 3])),
    ("a\na\na", "a", ([1, 2], [])), ("", "a", ([0], [0]))])
def test_the_changed_lines_are_found(before, after, changed):
    assert c_source.changed_lines(before.split("\n"), after.split("\n")) == changed
