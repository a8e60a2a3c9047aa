# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The timeline of waves in a report, as coordinates for a template.

Lengths are in units of the drawing; its width is WIDTH units.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

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

WIDTH, LEFT, RIGHT = 1000.0, 170.0, 845.0
TOP, HEAD, ROW, CURVE, GAP, BOTTOM = 34.0, 32.0, 17.0, 54.0, 12.0, 14.0
# A wave with more hosts is drawn as one curve; with fewer, each host has its own line.
MOST_LINES = 40
MOST_LINES_IN_ALL = 200
# A transition of one second must be visible in an hour.
LEAST_BAR = 3.0
MOST_LETTERS = 24
LEAST_BETWEEN_LABELS = 36.0


class Bar(t.NamedTuple):
    """A stretch of time; `kind` is `transition`, `trial` or `kept`."""

    kind: str
    x: float
    width: float


class Line(t.NamedTuple):
    """One host."""

    y: float
    name: str
    short: str
    bars: Sequence[Bar]
    word: t.Any
    failed: bool
    end: float
    text: str
    before: bool  # whether the text ends at the end of the bars, because there is no room behind them


class Look(t.NamedTuple):
    """One look at a wave, with the states of its hosts."""

    x: float
    text: str
    bad: bool
    label: str


class Band(t.NamedTuple):
    """One wave, with either lines or a curve (the points of a polygon)."""

    y: float
    height: float
    title: str
    text: str
    word: t.Any
    x: float
    width: float
    loaded: float | None
    looks: Sequence[Look]
    lines: Sequence[Line]
    curve: str
    note: str


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
    scale = Scale(_busy(record, opened, end), LEFT, RIGHT)
    lines_left = MOST_LINES_IN_ALL
    bands: list[Band] = []
    y = TOP
    for wave, start in opened:
        hosts = {name: record["hosts"][name] for name in wave["hosts"] if name in record["hosts"]}
        as_lines = len(hosts) <= min(MOST_LINES, lines_left)
        lines_left -= len(hosts) if as_lines else 0
        band = _band(record, wave, start, hosts, scale, y, end, as_lines)
        bands.append(band)
        y += band.height + GAP
    return Timeline(WIDTH, y + BOTTOM, LEFT, RIGHT, scale.ticks(), scale.gaps(), bands)


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
        record: Record, wave: Record, opened: float, hosts: Mapping[str, Record], scale: Scale, y: float, end: float,
        as_lines: bool) -> Band:
    loaded, closed = (moment(wave.get(key)) for key in ("loaded", "closed"))
    x = scale.at(opened)
    last = scale.at(closed if closed is not None else end)
    word = WAVES.get(str(wave.get("state")), UNKNOWN_STATE)
    text = " · ".join(part for part in (
        number_of(len(hosts), "host"), f"{word.sign} {word.words}",
        f"opened {clock(wave['opened'])}", closed and f"took {duration(closed - opened)}", _pace(hosts)) if part)
    lines = [
        _line(record, name, host, opened, scale, y + HEAD + ROW * number, end)
        for number, (name, host) in enumerate(hosts.items())] if as_lines else []
    height = HEAD + (ROW * len(lines) if as_lines else CURVE) + 4
    return Band(
        y, height, f"Wave {wave.get('number')}: {wave.get('title')}", text, word, x, max(LEAST_BAR, last - x),
        None if loaded is None else scale.at(loaded), _looks(wave, scale), lines,
        "" if as_lines else _curve(hosts, scale, opened, last, y + HEAD, CURVE), _outcomes(record, hosts))


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


def _outcomes(record: Record, hosts: Mapping[str, Record]) -> str:
    counts: dict[t.Any, int] = {}
    for host in hosts.values():
        word = state_word(record, host)
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count} {word.words}" for word, count in counts.items())


def _line(
        record: Record, name: str, host: Record, opened: float, scale: Scale, y: float,
        end: float) -> Line:
    loaded, took = moment(host.get("loaded_at")), host.get("transition_seconds")
    ends = [moment(host.get(key)) for key in ("accepted_at", "back_at")]
    accepted, back = ends
    word = state_word(record, host)
    bars: list[Bar] = []
    last = opened
    if loaded is not None:
        seconds = took if isinstance(took, (int, float)) else 0
        bars.append(_bar("transition", scale, max(opened, loaded - seconds), loaded))
        stop = min([at for at in ends if at is not None] or [moment(host.get("trial_ends")) or end, end])
        bars.append(_bar("trial", scale, loaded, max(loaded, min(stop, end))))
        last = max(loaded, stop)
        if accepted is not None:
            until = back if back is not None else end
            bars.append(_bar("kept", scale, accepted, max(accepted, until)))
            last = max(accepted, until)
    failure = host.get("failure")
    parts = [word.words, duration(took) if loaded is not None and took is not None else ""]
    parts += [str(failure.get("code") or "failed")] if failure and not loaded else []
    short = name if len(name) <= MOST_LETTERS else f"{name[:MOST_LETTERS - 1]}…"
    x = scale.at(min(last, end))
    return Line(
        y, name, short, bars, word, bool(failure), x, " · ".join(part for part in parts if part),
        not bars and x > (LEFT + RIGHT) / 2)


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
