# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses JSON from files within bounds, and checks whether data has the expected shape; shapes are data."""

import json
import math
import re

TEXT = str
NUMBER = (int, float)
OPTIONAL_TEXT = (str, type(None))
OPTIONAL_NUMBER = (int, float, type(None))

MOST_DEPTH = 32  # of nested lists and dicts; this collection writes 6
LARGEST_NUMBER = 1e15
STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
BRACKETS = re.compile(r"[\[{\]}]")


def parse_json(content):
    """The value of JSON in UTF-8 bytes; raises ValueError if it is none, or nested deeper than MOST_DEPTH.

    The depth is counted before the parser runs, because its own limit depends on the version of Python.
    """
    text = content.decode("utf-8")
    depth = 0
    for bracket in BRACKETS.finditer(STRINGS.sub("", text)):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > MOST_DEPTH:
            raise ValueError(f"nested deeper than {MOST_DEPTH}")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def matches(value, shape):
    """Whether a value has a shape: a type or types, [shape of each entry], {key: shape}, or (None, shape).

    {TEXT: shape} is a dict of any keys. A text can be a part of a path, and a number is finite.
    """
    if isinstance(shape, dict):
        if TEXT in shape:
            return isinstance(value, dict) and all(
                matches(key, TEXT) and matches(inner, shape[TEXT]) for key, inner in value.items())
        return isinstance(value, dict) and all(
            key in value and matches(value[key], inner) for key, inner in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(matches(entry, shape[0]) for entry in value)
    if isinstance(shape, tuple) and shape[0] is None:
        return value is None or matches(value, shape[1])
    return isinstance(value, shape) and _makes_sense(value, shape)


def _makes_sense(value, shape):
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, bool):
        return shape is bool or (isinstance(shape, tuple) and bool in shape)
    if isinstance(value, (int, float)):
        return abs(value) <= LARGEST_NUMBER and math.isfinite(value)
    return True
