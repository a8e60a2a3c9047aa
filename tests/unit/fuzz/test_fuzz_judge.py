# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzers notice each kind of wrong answer, and accept the right ones."""

from __future__ import annotations

import pytest

DOCUMENTATION = """
_list:
  description: A list.
  type: list
  contains:
    name:
      description: A name, or V(none).
      type: str
    size:
      description: A size.
      type: int
    parts:
      description: Parts.
      type: list
      elements: dict
      contains:
        live:
          description: Whether it lives.
          type: bool
"""
RIGHT = {"name": "a", "size": 1, "parts": [{"live": True}]}
WRONG = {
    "a key is missing": {"name": "a", "size": 1},
    "a key too many": {**RIGHT, "more": 1},
    "another type": {**RIGHT, "size": "1"},
    "a bool for an int": {**RIGHT, "size": True},
    "null where it is not documented": {**RIGHT, "size": None},
    "a wrong element": {**RIGHT, "parts": ["live"]},
    "a wrong type in an element": {**RIGHT, "parts": [{"live": 1}]},
    "what UTF-8 cannot hold": {**RIGHT, "name": "\udc80"},
    "too large": {**RIGHT, "name": "a" * 1000},
    "not a dict": [RIGHT],
}
SENTENCES = {
    "unknown code": ("made-up", "The file is bad."),
    "two lines": ("known", "The file is bad\nand worse."),
    "no full stop": ("known", "The file is bad"),
    "three sentences": ("known", "The file is bad. It is old. Copy it."),
    "control characters": ("known", "The file \x1b[31m is bad."),
    "too long": ("known", f"The file {'is bad ' * 100}."),
}


@pytest.fixture
def documented():
    from tests.fuzz.judge import Documented

    return Documented(DOCUMENTATION, "_list")


@pytest.mark.parametrize("value", [RIGHT, {**RIGHT, "name": None}, {**RIGHT, "parts": []}])
def test_what_is_documented_is_accepted(documented, value):
    documented.judge(value, max_size=200)


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_what_is_not_documented_is_found(documented, value):
    from tests.fuzz.judge import Broken

    with pytest.raises(Broken):
        documented.judge(value, max_size=200)


@pytest.mark.parametrize("message", ["The file (fix.ko) is bad; copy it again.", "The file is bad. Copy it."])
def test_an_error_in_one_or_two_sentences_is_accepted(message):
    from tests.fuzz.judge import Error, judge_error

    judge_error(Error("known", message), frozenset({"known"}))


@pytest.mark.parametrize(("code", "message"), SENTENCES.values(), ids=SENTENCES)
def test_an_error_that_is_not_one_or_two_sentences_is_found(code, message):
    from tests.fuzz.judge import Broken, Error, judge_error

    with pytest.raises(Broken):
        judge_error(Error(code, message), frozenset({"known"}))
