# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads `livepatch_*` variables, given in their own types or as the text of a survey."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

PREFIX = "livepatch_"
_WHOLE = re.compile(r"[+-]?[0-9]{1,12}")
_SHARE = re.compile(r"0*([0-9]{1,3}(?:\.[0-9]{1,3})?) ?%")
_LONGEST_VALUE = 80  # characters of a wrong value in a message


def to_plain(value: t.Any) -> t.Any:
    """A copy without subclasses of str, int, dict and list (as in ansible-core from 2.19 on), suitable for JSON.

    A date, which YAML makes of 2026-12-24, becomes text again.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {to_plain(key): to_plain(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def has_template(value: t.Any) -> bool:
    """Whether a value as written is a template, or contains one at any depth."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(has_template(one) for pair in value.items() for one in pair)
    return isinstance(value, (list, tuple)) and any(has_template(item) for item in value)


def bad_option(name: str, problem: str, right: str) -> TaskError:
    """The error for a variable: its name, the problem, and the action as an imperative."""
    return TaskError("bad-option", f"{PREFIX}{name} {problem}. {right[0].upper()}{right[1:]}.")


def format_value(value: t.Any) -> str:
    """A value for a message, truncated to a readable length."""
    text = printable(repr(value))
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."


class Values:
    """Reads variables by their names without `livepatch_`; undefined, None and empty values mean the default.

    Every reader raises TaskError `bad-option`.
    """

    def __init__(self, variables: Mapping[str, t.Any]) -> None:
        self._variables = variables

    def get(self, name: str) -> t.Any:
        """The value, without the spaces around a text, or None."""
        value = to_plain(self._variables[PREFIX + name]) if PREFIX + name in self._variables else None
        if isinstance(value, str):
            value = value.strip()
        return None if isinstance(value, (str, list, dict)) and not value else value

    def text(self, name: str, right: str) -> str | None:
        value = self.get(name)
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            raise bad_option(name, f"is {format_value(value)}", right)
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A number of seconds, or the default."""
        number = self.optional_number(name, least, most)
        return default if number is None else number

    def optional_number(self, name: str, least: int, most: int) -> int | None:
        """A number of seconds, or None."""
        value = self.get(name)
        if value is None:
            return None
        number = parse_whole(value)
        if number is None or not least <= number <= most:
            right = f"give a whole number of seconds from {least} to {most}"
            raise bad_option(name, f"is {format_value(value)}", right)
        return number

    def count(self, name: str, default: int | None, least: int, most: int) -> int | None:
        """A number of things, or the default."""
        value = self.get(name)
        number = parse_whole(value)
        if value is not None and (number is None or not least <= number <= most):
            raise bad_option(name, f"is {format_value(value)}", f"give a whole number from {least} to {most}")
        return default if number is None else number

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean, in any of Ansible's words for one."""
        value = self.get(name)
        try:
            return default if value is None else boolean(value)
        except TypeError:
            raise bad_option(name, f"is {format_value(value)}", "give true or false") from None

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of the choices; the first is the default."""
        value = self.get(name)
        if value is None:
            return choices[0]
        if value not in choices:
            raise bad_option(name, f"is {format_value(value)}", f"give {', '.join(choices[:-1])} or {choices[-1]}")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts and whole numbers, all as text; as text it has commas or lines, or is JSON."""
        value = self.parse(name, "[")
        texts = []
        for item in value if isinstance(value, list) else [] if value is None else [value]:
            text = item if isinstance(item, str) else str(parse_whole(item)) if parse_whole(item) is not None else None
            if text is None or not text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
                raise bad_option(name, f"has {format_value(item)} in it", "give a list of texts, or a text with commas")
            texts += re.split(r"[,\r\n]", text)
        return [text.strip() for text in texts if text.strip()]

    def mapping(self, name: str) -> dict[str, t.Any]:
        value = self.parse(name, "{")
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise bad_option(name, f"is {format_value(value)}", "give a dict, or one as JSON text")
        return value

    def pairs(self, name: str, between: str) -> dict[str, t.Any]:
        """A dict; as text it has pairs such as `rack: 1` with lines or these characters between them, or is JSON."""
        value = self.parse(name, "{")
        if not isinstance(value, str):
            return self.mapping(name)
        pairs = [part.partition(":") for part in re.split(rf"[{between}\r\n]", value) if part.strip()]
        wrong = next((key for key, colon, one in pairs if not (key.strip() and colon and one.strip())), None)
        if wrong is not None or len({key.strip() for key, _colon, _one in pairs}) < len(pairs):
            raise bad_option(
                name, f"is {format_value(value)}",
                f"give a dict, one as JSON text, or text such as 'key: value{between} key: value' with each key once")
        return {key.strip(): one.strip() for key, _colon, one in pairs}

    def parse(self, name: str, marks: str) -> t.Any:
        """The value; a text that begins with one of these marks is parsed as JSON."""
        value = self.get(name)
        if not isinstance(value, str) or value[0] not in marks:
            return value
        try:
            return json.loads(value) or None
        except (ValueError, RecursionError) as error:
            raise bad_option(
                name, f"begins with {value[0]} and is no JSON ({error})", "correct it, or give it as a file of "
                "variables with -e @FILE") from error


def parse_whole(value: t.Any) -> int | None:
    """A whole number, also as text or as a float without a fraction; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else None
    return value if isinstance(value, int) else None


def parse_share(value: t.Any) -> tuple[str, Fraction] | None:
    """A share from 0% to 100% such as 12.5%, as a text and as a number; None for anything else."""
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    share = Fraction(found[1]) / 100
    return (f"{found[1]}%", share) if share <= 1 else None
