# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for an answer to any input: a well-formed value, or exactly one error in one or two sentences."""

from __future__ import annotations

import json
import typing as t

import yaml

# One sentence fits on a few lines of a terminal.
_MAX_MESSAGE = 400
_TYPES = {"int": int, "str": str, "bool": bool, "list": list, "dict": dict}


class Broken(AssertionError):
    """An answer that must not be given; the text says what is wrong with it."""


class Error(t.NamedTuple):
    """An error as its reader words it."""

    code: str
    message: str


def judge_error(error: Error, codes: frozenset[str]) -> None:
    """Raise Broken unless the error has one of these codes, and a message of one or two printable sentences."""
    if error.code not in codes:
        raise Broken(f"unknown code {error.code!r}")
    message = error.message
    if not message.isprintable() or len(message) > _MAX_MESSAGE:
        raise Broken(f"a message that is not one short line of text: {message[:2000]!r}")
    if not message.endswith(".") or message.endswith("..") or message.count(". ") > 1:
        raise Broken(f"a message of more than two sentences: {message!r}")


class Documented:
    """The keys and types that a plugin's RETURN block documents for a dict."""

    def __init__(self, documentation: str, key: str) -> None:
        self._contains = yaml.safe_load(documentation)[key]["contains"]

    def judge(self, value: t.Any, max_size: int) -> None:
        """Raise Broken unless the value is what is documented, and survives being sent as JSON of at most that size."""
        if not isinstance(value, dict) or value.keys() != self._contains.keys():
            raise Broken(f"keys other than the documented ones: {sorted(value)}")
        _judge_members(value, self._contains, "")
        try:
            text = json.dumps(value, ensure_ascii=False).encode("utf-8")
        except (TypeError, ValueError) as error:
            raise Broken(f"cannot be sent as JSON: {error}") from error
        if json.loads(text) != value:
            raise Broken("changes when it is sent as JSON")
        if len(text) > max_size:
            raise Broken(f"is {len(text)} bytes of JSON, more than {max_size}")


def _judge_members(value: dict[str, t.Any], contains: dict[str, t.Any], where: str) -> None:
    for key, documented in contains.items():
        _judge_type(value.get(key), documented, f"{where}{key}")


def _judge_type(value: t.Any, documented: dict[str, t.Any], where: str) -> None:
    if value is None and "V(none)" in documented["description"]:
        return
    # bool is an int in Python, and another type in JSON.
    if value.__class__ is not _TYPES[documented["type"]]:
        raise Broken(f"{where} is {type(value).__name__}, and documented as {documented['type']}")
    if documented["type"] == "list":
        for index, entry in enumerate(value):
            if entry.__class__ is not _TYPES[documented["elements"]]:
                raise Broken(f"{where}[{index}] is {type(entry).__name__}, and documented as {documented['elements']}")
            if "contains" in documented:
                _judge_members(entry, documented["contains"], f"{where}[{index}].")
