# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells changes of data from changes of code in C files, as far as this is certain without a compiler."""

import difflib
import re

TOKENS = re.compile(
    r"""(?P<skip>//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)|\\\n|[^\S\n]+)"""
    r"""|(?P<line>\n)|(?P<directive>^[^\S\n]*\#(?:\\\n|[^\n])*)"""
    r"""|(?P<text>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)|(?P<other>\w+|.)""", re.DOTALL | re.MULTILINE)
OPEN, CLOSE = "([{", ")]}"


def only_data(before, after):
    """Whether two texts of a C file differ in initialized variables only. False if this is not certain."""
    old, new = data_lines(before), data_lines(after)
    removed, added = changed_lines(before.split("\n"), after.split("\n"))
    changed = [*map(old.get, removed), *map(new.get, added)]
    judged = [is_data for is_data in changed if is_data is not None]
    return bool(judged) and all(judged)


def changed_lines(before, after):
    """The numbers of the removed and of the added lines, from 0 on.

    Some equal lines can be among them: that all frequent lines are compared takes minutes for a large driver.
    """
    first = next((at for at, pair in enumerate(zip(before, after)) if pair[0] != pair[1]), min(len(before), len(after)))
    most = min(len(before), len(after)) - first
    last = next((at for at in range(most) if before[-1 - at] != after[-1 - at]), most)
    removed, added = [], []
    matcher = difflib.SequenceMatcher(None, before[first:len(before) - last], after[first:len(after) - last])
    for kind, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if kind != "equal":
            removed += range(first + old_start, first + old_end)
            added += range(first + new_start, first + new_end)
    return removed, added


def data_lines(text):
    """{line from 0 on: whether it belongs to a variable with an initializer}, without blank lines and comments."""
    lines, statement = {}, _Statement()
    number = 0
    for token in TOKENS.finditer(text):
        kind, value = token.lastgroup, token.group()
        if kind in ("text", "other"):
            if statement.add(number, value):
                lines.update(dict.fromkeys(statement.lines, statement.is_data()))
                statement = _Statement()
        elif kind == "directive":
            lines.update(dict.fromkeys(range(number, number + value.count("\n") + 1), False))
        number += value.count("\n")
    lines.update(dict.fromkeys(statement.lines, False))
    return lines


class _Statement:
    """One declaration or definition at the top of a file: a variable, a function, a type, a macro's call."""

    def __init__(self):
        self.lines = set()
        self._depth = 0
        self._head = []  # the tokens outside of every bracket, up to the first brace
        self._has_initializer = False

    def add(self, line, token):
        """Add a token; returns whether the statement ends with it."""
        self.lines.add(line)
        if token in OPEN:
            self._depth += 1
            if token == "{" and self._depth == 1 and not self._has_initializer:
                self._head.append(token)
        elif token in CLOSE:
            self._depth = max(0, self._depth - 1)
            # A function ends with its brace; a type, or a variable, with a semicolon.
            if token == "}" and self._depth == 0 and not self._has_initializer and not self._is_type():
                return True
        elif self._depth == 0:
            if token == ";":
                return True
            if token == "=" and "{" not in self._head:
                self._has_initializer = True
            self._head.append(token)
        return False

    def is_data(self):
        return self._has_initializer

    def _is_type(self):
        before = self._head[:self._head.index("{")] if "{" in self._head else []
        return any(word in before for word in ("struct", "union", "enum", "typedef")) and len(before) <= 3
