# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The timeline of waves in a report, as coordinates for a template.

Lengths are in units of the drawing, which are pixels. No text is cut: the margins follow the longest one, and a longer
one than MOST_LETTERS has several lines. Names and marks have a font with letters of one width.
"""

from __future__ import annotations

import textwrap
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.time_scale import Scale, Tick
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.vocabulary import (
    UNKNOWN_STATE,
    WAVES,
    clock,
    duration,
    moment,
    state_word,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import number_of

Record = Mapping[str, t.Any]
Hosts = Mapping[str, Record]
Part = tuple[Record, float, Hosts, bool]  # a wave, its start, its hosts, and whether each host has a line

CHART, LEAST_LEFT, LEAST_RIGHT = 675.0, 170.0, 155.0  # the width of the chart, and of both margins
TOP, HEAD, ROW, CURVE, GAP, BOTTOM = 34.0, 32.0, 17.0, 54.0, 12.0, 14.0
LINE = 13.0  # of a text with several lines
NAME_LETTER, MARK_LETTER, TITLE_LETTER, NOTE_LETTER = 6.8, 6.2, 8.0, 6.6  # the widths
# A wave with more hosts is drawn as one curve; with fewer, each host has its own line.
MOST_LINES = 40
MOST_LINES_IN_ALL = 200
# A transition of one second must be visible in an hour.
LEAST_BAR = 3.0
MOST_LETTERS = 48
LONGEST = 1000  # letters of a text; no name of a host has as many
LEAST_BETWEEN_LABELS = 36.0


class Bar(t.NamedTuple):
    """A stretch of time; `kind` is `transition`, `failed`, `trial` or `kept`."""

    kind: str
    x: float
    width: float


class Line(t.NamedTuple):
    """One host."""

    y: float
    height: float
    name: str
    names: Sequence[str]
    bars: Sequence[Bar]
    word: t.Any
    failed: bool
    end: float
    text: str
    texts: Sequence[str]


class Look(t.NamedTuple):
    """One look at a wave, with the states of its hosts."""

    x: float
    text: str
    bad: bool
    label: str


class Band(t.NamedTuple):
    """One wave, with either lines or a curve (the points of a polygon)."""

    y: float
    head: float
    height: float
    titles: Sequence[str]
    texts: Sequence[str]  # after the title, or below it if there is no room
    word: t.Any
    x: float
    width: float
    loaded: float | None
    looks: Sequence[Look]
    lines: Sequence[Line]
    curve: str
    notes: Sequence[str]


class Timeline(t.NamedTuple):
    """The whole drawing."""

    width: float
    height: float
    left: float
    right: float
    ticks: Sequence[Tick]
    gaps: Sequence[Tick]
    bands: Sequence[Band]


def timeline(record: Record) -> Timeline | None:
    """The drawing of a record; None without an opened wave."""
    opened = [
        (wave, start) for wave in record.get("waves") or () if (start := moment(wave.get("opened"))) is not None]
    if not opened:
        return None
    end = _end(record, [wave for wave, _start in opened])
    parts = _parts(record, opened)
    left, right = _margins(record, parts)
    scale = Scale(_busy(record, opened, end), left, left + CHART)
    width = left + CHART + right
    bands: list[Band] = []
    y = TOP
    for wave, start, hosts, as_lines in parts:
        band = _band(record, wave, start, hosts, scale, y, end, as_lines, width)
        bands.append(band)
        y += band.height + GAP
    return Timeline(width, y + BOTTOM, left, left + CHART, scale.ticks(), scale.gaps(), bands)


def _parts(record: Record, opened: Sequence[tuple[Record, float]]) -> list[Part]:
    """The parts of the drawing, one for each wave that was opened."""
    lines_left = MOST_LINES_IN_ALL
    parts: list[Part] = []
    for wave, start in opened:
        hosts = {name: record["hosts"][name] for name in wave["hosts"] if name in record["hosts"]}
        as_lines = len(hosts) <= min(MOST_LINES, lines_left)
        lines_left -= len(hosts) if as_lines else 0
        parts.append((wave, start, hosts, as_lines))
    return parts


def _margins(record: Record, parts: Sequence[Part]) -> tuple[float, float]:
    """The room for the names on the left, and for the marks behind the bars on the right."""
    names: list[str] = []
    marks: list[str] = []
    for _wave, _start, hosts, as_lines in parts:
        names += [line for name in hosts for line in _wrap(name)] if as_lines else _outcomes(record, hosts)
        marks += [line for host in hosts.values() for line in _wrap(_mark(record, host))] if as_lines else []
    left = 12 + NAME_LETTER * max(map(len, names), default=0)
    right = 12 + MARK_LETTER * (2 + max(map(len, marks), default=0))
    return max(LEAST_LEFT, left), max(LEAST_RIGHT, right)


def _wrap(text: str) -> list[str]:
    return _wrap_to(text, MOST_LETTERS)


def _end(record: Record, waves: Sequence[Record]) -> float:
    """The end of the drawing: the end of the rollout, or the last known time."""
    texts = [record.get("ended")]
    if moment(texts[0]) is None:
        texts += [wave.get(key) for wave in waves for key in ("opened", "loaded", "closed")]
        texts += [look.get("at") for wave in waves for look in wave.get("looks") or ()]
    known = [moment(text) for text in texts]
    return max(at for at in known if at is not None)


def _busy(record: Record, waves: Sequence[tuple[Record, float]], end: float) -> list[tuple[float, float]]:
    """The busy times; the drawing may leave out the times between them."""
    stretches = []
    for wave, opened in waves:
        closed = moment(wave.get("closed"))
        stretches.append((opened, max(opened + 1, min(end, closed if closed is not None else end))))
    for host in record["hosts"].values():
        back = moment(host.get("back_at"))
        if back is not None and back <= end:
            stretches.append((back - 1, back + 1))
    return stretches


def _band(
        record: Record, wave: Record, opened: float, hosts: Hosts, scale: Scale, y: float, end: float,
        as_lines: bool, width: float) -> Band:
    loaded, closed = (moment(wave.get(key)) for key in ("loaded", "closed"))
    x = scale.at(opened)
    last = scale.at(closed if closed is not None else end)
    word = WAVES.get(str(wave.get("state")), UNKNOWN_STATE)
    text = " · ".join(part for part in (
        number_of(len(hosts), "host"), f"{word.sign} {word.words}",
        f"opened {clock(wave['opened'])}", closed and f"took {duration(closed - opened)}", _pace(hosts)) if part)
    title = f"Wave {wave.get('number')}: {wave.get('title')}"
    titles, texts = _wrap_to(title, width / TITLE_LETTER - 2), [text]
    if len(title) * TITLE_LETTER + len(text) * NOTE_LETTER > width - 20:
        texts = _wrap_to(text, width / NOTE_LETTER - 2)
        head = HEAD + LINE * (len(titles) + len(texts) - 1)
    else:
        head = HEAD
    lines: list[Line] = []
    below = y + head
    for name, host in hosts.items() if as_lines else ():
        lines.append(_line(record, name, host, wave, scale, below, end))
        below += lines[-1].height
    notes = _outcomes(record, hosts)
    curve = max(CURVE, LINE * len(notes) + 6)
    return Band(
        y, head, head + (below - y - head if as_lines else curve) + 4, titles, texts, word, x,
        max(LEAST_BAR, last - x), None if loaded is None else scale.at(loaded), _looks(wave, scale), lines,
        "" if as_lines else _curve(hosts, scale, opened, last, y + head, curve), notes)


def _wrap_to(text: str, letters: float) -> list[str]:
    return textwrap.wrap(truncate(text, LONGEST), int(letters)) or [""]


def _pace(hosts: Mapping[str, Record]) -> str:
    """How long the transitions took."""
    took = sorted(
        host["transition_seconds"] for host in hosts.values()
        if isinstance(host.get("transition_seconds"), (int, float)))
    if not took:
        return ""
    if len(took) < 3:
        return f"transition {' and '.join(duration(one) for one in took)}"
    return f"transitions {duration(took[0])} to {duration(took[-1])}, half under {duration(took[len(took) // 2])}"


def _outcomes(record: Record, hosts: Mapping[str, Record]) -> list[str]:
    counts: dict[t.Any, int] = {}
    for host in hosts.values():
        word = state_word(record, host)
        counts[word] = counts.get(word, 0) + 1
    return [f"{count} {word.words}" for word, count in counts.items()]


def _mark(record: Record, host: Record) -> str:
    """What is said of a host behind its bars."""
    loaded, took, failure = moment(host.get("loaded_at")), host.get("transition_seconds"), host.get("failure")
    parts = [state_word(record, host).words, duration(took) if loaded is not None and took is not None else ""]
    parts += [str(failure.get("code") or "failed")] if failure and not loaded else []
    return " · ".join(part for part in parts if part)


def _line(
        record: Record, name: str, host: Record, wave: Record, scale: Scale, y: float, end: float) -> Line:
    bars, last = _bars(host, wave, scale, end)
    text = _mark(record, host)
    names, texts = _wrap(name), _wrap(text)
    height = ROW + LINE * (max(len(names), len(texts)) - 1)
    return Line(
        y, height, name, names, bars, state_word(record, host), bool(host.get("failure")), scale.at(min(last, end)),
        text, texts)


def _bars(host: Record, wave: Record, scale: Scale, end: float) -> tuple[list[Bar], float]:
    """The bars of a host, and the time of their end."""
    opened = moment(wave.get("opened")) or end
    loaded, took = moment(host.get("loaded_at")), host.get("transition_seconds")
    ends = [moment(host.get(key)) for key in ("accepted_at", "back_at")]
    accepted, back = ends
    bars: list[Bar] = []
    last = opened
    if loaded is not None:
        seconds = took if isinstance(took, (int, float)) else 0
        stop = min([at for at in ends if at is not None] or [moment(host.get("trial_ends")) or end, end])
        # A transition that was not over when the host answered continues until the end that is known.
        over = loaded if took is not None or not host.get("blockers") else max(loaded, min(stop, end))
        bars.append(_bar("transition", scale, max(opened, loaded - seconds), over))
        bars.append(_bar("trial", scale, over, max(over, min(stop, end))))
        last = max(loaded, stop)
        if accepted is not None:
            until = back if back is not None else end
            bars.append(_bar("kept", scale, accepted, max(accepted, until)))
            last = max(accepted, until)
    elif (host.get("failure") or {}).get("step") == "load":
        # The time of its answer is not kept: at the latest when all hosts of the wave had answered.
        last = max(opened, min(at for at in (moment(wave.get("loaded")), end) if at is not None))
        bars.append(_bar("failed", scale, opened, last))
    return bars, last


def _bar(kind: str, scale: Scale, start: float, stop: float) -> Bar:
    x = scale.at(start)
    return Bar(kind, x, max(LEAST_BAR, scale.at(stop) - x))


def _looks(wave: Record, scale: Scale) -> list[Look]:
    found: list[Look] = []
    labelled = 0.0
    for look in wave.get("looks") or ():
        at = moment(look.get("at"))
        if at is None:
            continue
        numbers = {key: look.get(key) or 0 for key in ("well", "waiting", "failed", "unreachable")}
        bad = numbers["failed"] + numbers["unreachable"]
        counts = ", ".join(f"{count} {key}" for key, count in numbers.items() if count)
        x = scale.at(at)
        label = "" if found and x - labelled < LEAST_BETWEEN_LABELS else f"✗ {bad}" if bad else "✓"
        labelled = x if label else labelled
        found.append(Look(x, f"{clock(look['at'])}, after {duration(look.get('after'))}: {counts}", bool(bad), label))
    return found


def _curve(
        hosts: Mapping[str, Record], scale: Scale, opened: float, last: float, y: float, height: float) -> str:
    """The number of patched hosts over time, as the points of a polygon with at most 60 steps."""
    loaded = sorted(at for at in (moment(host.get("loaded_at")) for host in hosts.values()) if at is not None)
    bottom = y + height
    points = [(scale.at(opened), bottom)]
    step = max(1, len(loaded) // 60)
    for place in [*range(step - 1, len(loaded), step), len(loaded) - 1] if loaded else []:
        points.append((scale.at(loaded[place]), bottom - (height - 4) * (place + 1) / len(hosts)))
    points += [(last, points[-1][1]), (last, bottom)]
    return " ".join(f"{x:.1f},{height_there:.1f}" for x, height_there in points)
