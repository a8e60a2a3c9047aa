# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads a YAML file of an operator, strictly: a key that is given twice is an error, and a small file stays small."""

from __future__ import annotations

import typing as t

import yaml

MOST_MERGED, MOST_MERGES = 10_000, 100  # keys of a mapping after its merges, and mappings in one merge
_MERGE = "tag:yaml.org,2002:merge"
# PyYAML itself raises these, as for `!!timestamp x` and `!!int ""`.
_ERRORS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)


class YamlError(ValueError):
    """The text is no such YAML; the message is a clause about the file, with the line if it is known."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice: the last one would win, silently."""

    def compose_mapping_node(self, anchor: t.Any) -> t.Any:
        node = super().compose_mapping_node(anchor)
        known = set()
        for key, _value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in known:
                    raise _at(key.start_mark, f"has the key {key.value!r} twice in one mapping")
                known.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: t.Any) -> None:
        for key, value in node.value:
            if key.tag == _MERGE and isinstance(value, yaml.SequenceNode) and len(value.value) > MOST_MERGES:
                raise _at(value.start_mark, f"merges more than {MOST_MERGES} mappings into one")
        super().flatten_mapping(node)
        if len(node.value) > MOST_MERGED:
            raise _at(node.start_mark, f"has a mapping with more than {MOST_MERGED} keys")


class _LoaderWithoutAliases(_Loader):
    def compose_node(self, parent: t.Any, index: t.Any) -> t.Any:
        if self.check_event(yaml.AliasEvent):
            raise _at(self.peek_event().start_mark, "has an alias")
        return super().compose_node(parent, index)


def read_yaml(content: bytes, aliases: bool) -> t.Any:
    """The document in the bytes of a file; raises YamlError."""
    try:
        return yaml.load(content, _Loader if aliases else _LoaderWithoutAliases)  # both are SafeLoaders
    except (*_ERRORS, yaml.YAMLError) as error:
        if isinstance(error, YamlError):
            raise
        mark = getattr(error, "problem_mark", None)
        raise YamlError(f"is not correct YAML{_line(mark)}") from error


def _at(mark: t.Any, problem: str) -> YamlError:
    return YamlError(problem + _line(mark))


def _line(mark: t.Any) -> str:
    return f" (line {mark.line + 1})" if mark else ""
