# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Sets an entry of a bundle.yml in its text, so that comments and other entries stay as they are."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping

import yaml

Entry = Mapping[str, t.Any]
TOP = "patches"
NEW = f"---\n{TOP}:\n"
STEP = 2  # spaces


class _Edits:
    """Replacements in a text by its positions, applied from the end on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._edits: list[tuple[int, int, str]] = []

    def replace(self, start: int, end: int, new: str) -> None:
        self._edits.append((start, end, new))

    def insert_behind_line(self, at: int, new: str) -> None:
        """Insert whole lines behind the line of a position."""
        end = self.text.find("\n", at)
        if end < 0:
            self._edits.append((len(self.text), len(self.text), "\n" + new))
        else:
            self._edits.append((end + 1, end + 1, new))

    def remove_lines(self, first: int, last: int) -> None:
        """Remove the lines from that of one position to that of another."""
        end = self.text.find("\n", last)
        self._edits.append((self.text.rfind("\n", 0, first) + 1, len(self.text) if end < 0 else end + 1, ""))

    def result(self) -> str:
        text = self.text
        for start, end, new in sorted(self._edits, key=lambda edit: edit[:2], reverse=True):
            text = text[:start] + new + text[end:]
        return text


def set_entry(text: str, name: str, entry: Entry) -> str:
    """The text of a bundle.yml with the keys of `entry` set in the entry `name`; other keys of it stay.

    A key with the value None is removed.

    A text in a form that cannot be edited is written anew: every value stays, and its comments are lost.
    """
    document = yaml.safe_load(text) or {TOP: {}}
    wanted = {**document, TOP: {**(document[TOP] or {}), name: _merged((document[TOP] or {}).get(name) or {}, entry)}}
    try:
        edited = _edited(text, name, entry)
        if yaml.safe_load(edited) == wanted:
            return edited
    except (yaml.YAMLError, _NotEditable):
        pass
    return "---\n" + yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True, width=120)


def _merged(old: Entry, new: Entry) -> dict[str, t.Any]:
    merged = dict(old)
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            inner = merged.get(key)
            merged[key] = _merged(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[key] = value
    return merged


class _NotEditable(Exception):
    pass


def _edited(text: str, name: str, entry: Entry) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None or isinstance(root, yaml.ScalarNode):  # comments alone
        return f"{text.rstrip()}\n{NEW if '---' not in text else NEW[4:]}".lstrip("\n") + _lines(name, entry, STEP)
    patches = _value(root, TOP)
    if not isinstance(patches, yaml.MappingNode) or patches.flow_style or not patches.value:
        raise _NotEditable
    edits = _Edits(text)
    indent = patches.value[0][0].start_mark.column
    node = _value(patches, name)
    if node is None:
        edits.insert_behind_line(_end(patches), _lines(name, entry, indent))
    else:
        _set(edits, node, entry)
    return edits.result()


def _set(edits: _Edits, node: yaml.Node, values: Entry) -> None:
    """Set the keys of a mapping in place; a value that stays equal is not touched."""
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        raise _NotEditable
    indent = node.value[0][0].start_mark.column
    added = ""
    for key, value in values.items():
        old = _value(node, key)
        if value is None:
            if old is not None:
                edits.remove_lines(next(one for one, inner in node.value if inner is old).start_mark.index, _end(old))
        elif old is None:
            added += _lines(key, value, indent)
        elif isinstance(value, Mapping):
            _set(edits, old, value)
        elif yaml.safe_load(yaml.serialize(old, Dumper=yaml.SafeDumper)) != value:
            start = old.start_mark.index
            written = edits.text[start:_end(old)].rstrip()  # the mark of a folded text is behind its last newline
            edits.replace(start, start + len(written), _inline(value))
    if added:
        edits.insert_behind_line(_end(node), added)


def _value(node: yaml.Node, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for one, value in pairs if one.value == key), None)


def _end(node: yaml.Node) -> int:
    """The position behind the last character of a value. The marks of block collections are behind comments too."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return node.end_mark.index
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _lines(key: str, value: t.Any, indent: int) -> str:
    """A key with its value as block lines."""
    start = f"{' ' * indent}{_key(key)}:"
    if isinstance(value, Mapping):
        inner = [_lines(name, one, indent + STEP) for name, one in value.items() if one is not None]
        return start + "\n" + "".join(inner)
    return f"{start} {_inline(value)}\n"


def _key(key: str) -> str:
    return key if yaml.safe_load(key) == key and ": " not in key and not key.startswith(("-", "?")) else json.dumps(key)


def _inline(value: t.Any) -> str:
    """A text or a list of texts on one line. JSON is YAML, and quotes keep hex digits texts."""
    return json.dumps(value, ensure_ascii=False)
