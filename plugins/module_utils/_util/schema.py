# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether data read from a file has the expected shape; shapes are data."""

TEXT = str
NUMBER = (int, float)
OPTIONAL_TEXT = (str, type(None))
OPTIONAL_NUMBER = (int, float, type(None))


def matches(value, shape):
    """Whether a value has a shape: a type or types, [shape of each entry], {key: shape}, or (None, shape)."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            key in value and matches(value[key], inner) for key, inner in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(matches(entry, shape[0]) for entry in value)
    if isinstance(shape, tuple) and shape[0] is None:
        return value is None or matches(value, shape[1])
    return isinstance(value, shape)
