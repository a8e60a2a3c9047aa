# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A count and its noun agree in every message: number_of makes both, or the code has a case for one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.build import BUILD
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import FINDINGS
from ansible_collections.kernel.livepatch.plugins.module_utils._util import text as host_text
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util import text as controller_text

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = sorted((CHECKOUT / "plugins").rglob("*.py"))
COUNTS = (
    "count", "number", "more", "total", "files", "records", "tasks", "hosts", "seconds", "attempts", "needed", "left")
PLURAL = re.compile(r" (?!(?:has|was|is|times|s|this)\b)[a-z]+s\b")


@pytest.mark.parametrize("number_of", [host_text.number_of, controller_text.number_of])
@pytest.mark.parametrize("count, words", [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks")])
def test_a_count_and_its_noun_agree(number_of, count, words):
    assert number_of(count, "task") == words


def is_count(node: ast.expr) -> bool:
    """Whether an expression looks like a number of things."""
    if isinstance(node, ast.Name):
        return node.id in COUNTS
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "len"


def disagreements(source: str) -> list[str]:
    """The f-strings with a bare count and a plural behind it, outside a choice by that count."""
    tree = ast.parse(source)
    chosen = {
        inner for outer in ast.walk(tree)
        if isinstance(outer, ast.IfExp) and re.search(r"[=>] 1$", ast.unparse(outer.test))
        for inner in ast.walk(outer)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr) or node in chosen:
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if (isinstance(value, ast.FormattedValue) and is_count(value.value)
                    and isinstance(after, ast.Constant) and PLURAL.match(str(after.value))):
                found.append(ast.unparse(node))
    return found


def test_a_disagreement_is_seen():
    source = "f'it has {len(found)} symbols called {name}'"
    assert disagreements(source) == [source]
    assert disagreements("f'{files} files free'")
    assert not disagreements("f'{len(a)} files' if len(a) > 1 else 'one file'")
    assert not disagreements("f'{len(a)} of {total} left'")
    assert not disagreements("f'{number_of(len(a), word)} has it'")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_no_source_writes_a_plural_behind_a_count(path):
    assert disagreements(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("code", sorted({**FINDINGS, **BUILD}))
def test_no_message_writes_a_plural_behind_a_count(code):
    message = {**FINDINGS, **BUILD}[code][2]
    counted = re.compile(r"\{(?:" + "|".join(COUNTS) + r")\}" + PLURAL.pattern)
    assert not counted.search(message)
