# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells changes that no live patch can make from others in C files, as far as this is certain without a compiler."""

import difflib
import re

TOKENS = re.compile(
    r"""(?P<skip>//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)|\\\n|[^\S\n]+)"""
    r"""|(?P<line>\n)|(?P<directive>^[^\S\n]*\#(?:\\\n|[^\n])*)"""
    r"""|(?P<text>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)|(?P<other>\w+|.)""", re.DOTALL | re.MULTILINE)
OPEN, CLOSE = "([{", ")]}"


DATA, INIT, COMMENTS = "data", "init", "comments"


def change_kind(before, after):
    """What alone differs between two texts of a C file; None if it is something else, or if that is not certain.

    DATA: initialized variables. INIT: functions with __init. COMMENTS: comments and white space, or nothing.
    """
    if _code(before) == _code(after):
        return COMMENTS
    old, new = line_kinds(before), line_kinds(after)
    removed, added = changed_lines(before.split("\n"), after.split("\n"))
    kinds = {lines[line] for lines, changed in ((old, removed), (new, added)) for line in changed if line in lines}
    return kinds.pop() if len(kinds) == 1 else None


def _code(text):
    return [token.group() for token in TOKENS.finditer(text) if token.lastgroup not in ("skip", "line")]


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


def line_kinds(text):
    """{line from 0 on: DATA, INIT or None, by what it belongs to}, without blank lines and comments."""
    lines, statement = {}, _Statement()
    number = 0
    for token in TOKENS.finditer(text):
        kind, value = token.lastgroup, token.group()
        if kind in ("text", "other"):
            if statement.add(number, value):
                lines.update(dict.fromkeys(statement.lines, statement.kind()))
                statement = _Statement()
        elif kind == "directive":
            lines.update(dict.fromkeys(range(number, number + value.count("\n") + 1)))
        number += value.count("\n")
    lines.update(dict.fromkeys(statement.lines))
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

    def kind(self):
        """DATA for a variable with an initializer, INIT for a function with __init, or None."""
        if self._has_initializer:
            return DATA
        return INIT if "__init" in self._head and "{" in self._head else None

    def _is_type(self):
        before = self._head[:self._head.index("{")] if "{" in self._head else []
        return any(word in before for word in ("struct", "union", "enum", "typedef")) and len(before) <= 3
