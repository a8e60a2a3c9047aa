# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The window of a rollout: when waves may start. Clock times are those of the window's time zone."""

from __future__ import annotations

import re
import typing as t
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from difflib import get_close_matches

from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    Values,
    bad_option,
    format_value,
)

NAME = "window"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HORIZON = 400  # days in which the next opening is looked for
QUARTER = 900  # seconds; clocks are changed at full quarters of an hour
DAY = 24 * 60  # minutes
_KEYS = ("days", "hours", "timezone", "freezes")
_HOURS = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?-([0-9]{1,2})(?::([0-9]{2}))?")
_FREEZE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?: ?(?:to|/|\.\.) ?([0-9]{4}-[0-9]{2}-[0-9]{2}))?")


class Rule(t.NamedTuple):
    """One entry of `livepatch_window`.

    `days` count from 0 for Monday. `hours` are minutes of the day from and to; those over midnight end on the next day,
    and belong to the day on which they begin. `freezes` have their first and last day.
    """

    text: str
    zone: tzinfo
    days: frozenset[int] = frozenset(range(7))
    hours: tuple[tuple[int, int], ...] = ((0, DAY),)
    freezes: tuple[tuple[date, date], ...] = ()

    def freeze(self, now: float) -> str | None:
        """The freeze at this moment, if there is one."""
        today = datetime.fromtimestamp(now, self.zone).date()
        found = next((freeze for freeze in self.freezes if freeze[0] <= today <= freeze[1]), None)
        return found and (str(found[0]) if found[0] == found[1] else f"{found[0]} to {found[1]}")

    def is_open(self, now: float) -> bool:
        """Whether day and hour are in this rule; freezes are not looked at."""
        local = datetime.fromtimestamp(now, self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        return any(
            (today in self.days and start <= minute < end) if start < end else
            (today in self.days and minute >= start) or ((today - 1) % 7 in self.days and minute < end)
            for start, end in self.hours)

    def edges(self, now: float) -> Iterator[float]:
        """Moments after `now` at which this rule or a freeze may begin or end, in any order."""
        midnight = datetime.combine(datetime.fromtimestamp(now, self.zone).date(), time(), self.zone)
        minutes = {0, *(minute % DAY for pair in self.hours for minute in pair)}
        for _day in range(HORIZON):
            following = midnight + timedelta(days=1)
            for minute in minutes:
                clock = midnight.replace(hour=minute // 60, minute=minute % 60)
                # A clock that is set back shows some times twice.
                yield from (clock.replace(fold=fold).timestamp() for fold in (0, 1))
            if midnight.utcoffset() != following.utcoffset():
                start, end = midnight.timestamp(), following.timestamp()
                yield from (start + step * QUARTER for step in range(int(end - start) // QUARTER))
            midnight = following


class Window(t.NamedTuple):
    """When waves may start: in any of the rules, and in no freeze of any rule. No rules: always."""

    rules: tuple[Rule, ...] = ()

    def __str__(self) -> str:
        return ", or ".join(rule.text for rule in self.rules)

    def freeze(self, now: float) -> str | None:
        return next((freeze for rule in self.rules if (freeze := rule.freeze(now))), None)

    def is_open(self, now: float) -> bool:
        return not self.rules or (any(rule.is_open(now) for rule in self.rules) and not self.freeze(now))

    def opens(self, now: float) -> float | None:
        """When a closed window opens, in seconds since 1970; None if that is beyond HORIZON."""
        return self._first(now, self.is_open)

    def closes(self, now: float) -> float | None:
        """When an open window closes; None if that is beyond HORIZON."""
        return self._first(now, lambda moment: not self.is_open(moment))

    def _first(self, now: float, is_it: Callable[[float], bool]) -> float | None:
        edges = sorted({edge for rule in self.rules for edge in rule.edges(now) if edge > now})
        return next((edge for edge in edges if is_it(edge)), None)

    def show(self, moment: float) -> str:
        """A moment in UTC and on the clock of the window."""
        local = datetime.fromtimestamp(moment, self.rules[0].zone)
        utc = utc_timestamp(moment)
        return utc if self.rules[0].zone is timezone.utc else f"{utc} ({local:%Y-%m-%d %H:%M %Z})"


def closed_window(window: Window, now: float) -> str | None:
    """Why no wave may start now, with the time of the next opening; None in an open window."""
    if window.is_open(now):
        return None
    freeze, opens = window.freeze(now), window.opens(now)
    why = f"by the freeze {freeze}" if freeze else f"({window})"
    until = f"until {window.show(opens)}" if opens else f"for the next {HORIZON} days"
    return f"livepatch_window is closed {why} {until}"


def window_notes(window: Window, now: float, waves: Sequence[int], soak: int) -> list[str]:
    """Notes for the plan; `waves` are the numbers of the waves to start, `soak` is in seconds."""
    if not window.rules or not waves:
        return []
    closed = closed_window(window, now)
    if closed:
        return [f"No wave starts now: {closed}."]
    closes = window.closes(now)
    if closes is None:
        return [f"Waves start in livepatch_window only ({window}), which is open."]
    notes = [f"Waves start in livepatch_window only ({window}), which is open until {window.show(closes)}."]
    # At the earliest: the loads take their time too.
    starts = [now + place * soak for place in range(len(waves))]
    fits = sum(start < closes for start in starts)
    if fits < len(waves):
        notes.append(
            f"Not all waves can start before then. Wave {waves[fits]} and later ones need another run.")
    if starts[fits - 1] + soak > closes:
        notes.append(f"Wave {waves[fits - 1]} ends after that at the earliest. A wave that has started is finished.")
    return notes


def parse_window(values: Values) -> Window:
    """The window in a dict, a list of dicts, or text. Raises TaskError `bad-option` and `no-time-zones`."""
    value = values.parse(NAME, "{[")
    if isinstance(value, list):
        pairs = []
        for item in value:
            if not isinstance(item, dict) or not item:
                raise bad_option(NAME, f"has {format_value(item)} in it", _right())
            pairs.append(item)
    else:
        pairs = [values.pairs(NAME, ";")] if value is not None else []
    return Window(tuple(_rule(one) for one in pairs))


def _right() -> str:
    return (
        "give a dict such as {days: mon-fri, hours: 22:00-06:00, timezone: Europe/Berlin, freezes: [2026-12-24]}, or a "
        "list of them")


def _rule(given: dict[str, t.Any]) -> Rule:
    wrong = next((key for key in given if key not in _KEYS), None)
    if wrong is not None:
        raise bad_option(NAME, f"has the unknown key {format_value(wrong)}", _right())
    days, hours, freezes = (_texts(given, key) for key in ("days", "hours", "freezes"))
    # An empty value, for example of a template, must not open the window for longer.
    empty = next((key for key, texts in (("days", days), ("hours", hours)) if key in given and not texts), None)
    if empty:
        raise bad_option(
            NAME, f"has {format_value(given[empty])} in {empty}", f"give some, or leave {empty} out for all of them")
    zone = given.get("timezone", "UTC")
    text = " ".join([*([", ".join(days)] if days else []), *([", ".join(hours)] if hours else []), str(zone)])
    rule = Rule(printable(text), _zone(zone))
    if days:
        rule = rule._replace(days=frozenset(day for one in days for day in _days(one)))
    if hours:
        rule = rule._replace(hours=tuple(_hours(one) for one in hours))
    return rule._replace(freezes=tuple(_freeze(one) for one in freezes))


def _texts(given: dict[str, t.Any], key: str) -> list[str]:
    value = given.get(key)
    items = value if isinstance(value, list) else [] if value is None else [value]
    wrong = next((item for item in items if not isinstance(item, str)), None)
    if wrong is not None:
        raise bad_option(NAME, f"has {format_value(wrong)} in {key}", "give a text in quotes, or a list of them")
    return [text.strip() for item in items for text in re.split(r"[,\r\n]", item) if text.strip()]


def _days(text: str) -> Iterator[int]:
    """The days of mon, monday, or mon-fri; a range can go over the end of the week."""
    first, dash, last = (part.strip().lower() for part in text.partition("-"))
    start, end = (
        next((number for number, day in enumerate(DAYS) if name in (day, day[:3])), None)
        for name in (first, last if dash else first))
    if start is None or end is None:
        raise bad_option(NAME, f"has {format_value(text)} in days", "give days such as mon, or mon-fri")
    return ((start + step) % 7 for step in range((end - start) % 7 + 1))


def _hours(text: str) -> tuple[int, int]:
    found = _HOURS.fullmatch(text.replace(" ", ""))
    start, end = ((int(found[at]) * 60 + int(found[at + 1] or 0)) for at in (1, 3)) if found else (0, 0)
    minutes = [int(found[at] or 0) for at in (2, 4)] if found else []
    if not found or max(minutes) > 59 or start >= DAY or end > DAY or start == end:
        raise bad_option(
            NAME, f"has {format_value(text)} in hours",
            "give hours such as 08:00-17:30, 22:00-06:00, or 00:00-24:00 for the whole day")
    return start, end


def _freeze(text: str) -> tuple[date, date]:
    found = _FREEZE.fullmatch(text)
    try:
        first, last = (date.fromisoformat(day) for day in (found[1], found[2] or found[1])) if found else (None, None)
    except ValueError:
        first = last = None
    if first is None or last is None or last < first:
        raise bad_option(
            NAME, f"has {format_value(text)} in freezes", "give days such as 2026-12-24, or 2026-12-20 to 2027-01-03")
    return first, last


def _zone(name: t.Any) -> tzinfo:
    """A time zone by its name. Raises TaskError `no-time-zones` on a controller without time zones."""
    if name == "UTC":
        return timezone.utc
    if isinstance(name, str):
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            pass
    known = zoneinfo.available_timezones()
    if not known:
        raise TaskError(
            "no-time-zones",
            f"livepatch_window has the time zone {format_value(name)}, and this controller has no time zones. Install "
            "the package tzdata, from its distribution or from PyPI, or set timezone to UTC.")
    near = get_close_matches(name, sorted(known), n=2) if isinstance(name, str) else []
    right = f"write {' or '.join(near)}" if near else "give a name such as Europe/Berlin or UTC"
    raise bad_option(NAME, f"has the unknown time zone {format_value(name)}", right)
