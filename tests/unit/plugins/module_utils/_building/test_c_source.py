# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only a change that is certain to be of data alone counts as one."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building.c_source import data_lines, only_data

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
    assert set(data_lines(text).values()) <= {True, False}
