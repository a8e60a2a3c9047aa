# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline of a report: places in a drawing."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.time_scale import Scale
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.timeline import (
    CURVE,
    MARK_LETTER,
    MOST_LETTERS,
    NAME_LETTER,
    ROW,
    timeline,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.vocabulary import duration, moment
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import example_records as examples


def test_time_goes_on_from_left_to_right_and_long_pauses_are_left_out():
    scale = Scale([(0, 100), (100, 300), (90_000, 90_300)], 0, 600)
    places = [scale.at(second) for second in (-5, 0, 100, 300, 40_000, 90_000, 90_300, 99_999)]
    assert places == sorted(places)
    assert (places[0], places[1], places[3], places[-1]) == (0, 0, 285, 600)
    assert [gap.text for gap in scale.gaps()] == ["1 d 55 min left out"]
    assert places[5] - places[3] == 30


def test_short_pauses_stay():
    scale = Scale([(0, 300), (315, 600)], 0, 600)
    assert scale.gaps() == []
    assert scale.at(300) == pytest.approx(300)


def test_a_moment_is_a_scale_too():
    scale = Scale([(5, 5)], 0, 600)
    assert (scale.at(5), scale.gaps()) == (0, [])
    assert len(scale.ticks()) == 1


def test_many_pauses_leave_room_for_what_was_done():
    scale = Scale([(number * 10_000, number * 10_000 + 10) for number in range(50)], 0, 600)
    assert 590 <= scale.at(490_010) <= 600.001
    assert scale.at(10) > scale.at(0)


@pytest.mark.parametrize("hours", [0.001, 0.01, 0.1, 1, 10, 100, 1000])
def test_ticks_stand_apart(hours):
    ticks = Scale([(1_000_003, 1_000_003 + hours * 3600)], 0, 700).ticks()
    assert 1 <= len(ticks) <= 11
    assert all(after.x - before.x >= 60 for before, after in itertools.pairwise(ticks))


def test_every_bar_is_inside_and_in_order():
    drawing = timeline(examples.rollout(40, breach_in=3, unreachable=1, stalled=2))
    lines = [line for band in drawing.bands for line in band.lines]
    assert len(lines) == 20  # of the three waves that were opened
    for line in lines:
        for one in line.bars:
            assert one.x >= drawing.left - 0.01 and one.x + one.width <= drawing.right + 3.01
        assert [one.kind for one in line.bars] in (
            ["failed"], ["transition", "trial"], ["transition", "trial", "kept"])
        assert [one.x for one in line.bars] == sorted(one.x for one in line.bars)
    assert drawing.height > max(line.y for line in lines)


def test_a_host_that_stalled_has_a_bar_in_its_wave_and_says_why_behind_it():
    drawing = timeline(examples.rollout(8, breach_in=1, stalled=1))
    band = drawing.bands[0]
    stalled, well = band.lines
    assert (stalled.text, stalled.failed) == ("rolled back · transition-stalled", True)
    [drawn] = stalled.bars
    assert (drawn.kind, drawn.x) == ("failed", band.x)
    # It had answered when all hosts of the wave had.
    assert drawn.x + drawn.width == pytest.approx(band.loaded) == stalled.end
    assert [one.kind for one in well.bars] == ["transition", "trial"]


def test_a_host_that_was_never_asked_to_load_has_no_bar():
    made = examples.rollout(8, breach_in=1, stalled=1)
    made["hosts"][made["waves"][0]["hosts"][0]]["failure"]["step"] = "before"
    line = timeline(made).bands[0].lines[0]
    assert (line.bars, line.end) == ([], timeline(made).bands[0].x)


def test_a_transition_that_tasks_still_hold_is_drawn_to_the_end():
    made = examples.rollout(2)
    name = made["waves"][0]["hosts"][0]
    made["hosts"][name].update(state="waiting", accepted_at=None, transition_seconds=None, blockers=[examples.BLOCKER])
    transition, trial = timeline(made).bands[0].lines[0].bars
    assert (transition.kind, trial.kind) == ("transition", "trial")
    assert transition.width > 100 and trial.width == 3.0


LONG = "frankfurt-production-payments-gateway.eu-central-1.compute.internal.example.com"


@pytest.mark.parametrize("stem", ["a", LONG, "x" * 253])
def test_no_name_and_no_mark_is_cut_or_covered(stem):
    made = examples.rollout(12, breach_in=3, stalled=2, unreachable=1)
    names = {name: f"{number}{stem}" for number, name in enumerate(made["hosts"])}
    made["hosts"] = {names[name]: host for name, host in made["hosts"].items()}
    for wave in made["waves"]:
        wave.update(hosts=[names[name] for name in wave["hosts"]], title=f"group {stem}")
    drawing = timeline(made)
    lines = [line for band in drawing.bands for line in band.lines]
    assert sorted("".join(line.names) for line in lines) == sorted(names.values())
    assert all("".join(line.texts).replace(" ", "") == line.text.replace(" ", "") for line in lines)
    for line in lines:
        assert all(4 + NAME_LETTER * len(text) <= drawing.left for text in line.names)
        assert all(line.end + MARK_LETTER * (2 + len(text)) <= drawing.width for text in line.texts)
    for band in drawing.bands:
        assert "".join(band.titles).endswith(stem[-40:])
        places = [(line.y, line.y + line.height) for line in band.lines]
        assert all(before[1] == after[0] for before, after in itertools.pairwise(places))
        assert places[-1][1] <= band.y + band.height
    assert drawing.left <= 12 + NAME_LETTER * MOST_LETTERS


def test_a_name_of_one_line_takes_one_row():
    assert {line.height for line in timeline(examples.rollout(2)).bands[0].lines} == {ROW}


def test_every_state_of_a_large_wave_has_its_line():
    made = examples.rollout(300)
    states = ("accepted", "enabled", "on_trial", "waiting", "reverting", "rolled_back", "unchanged", "unknown")
    for number, name in enumerate(made["waves"][-1]["hosts"]):
        made["hosts"][name]["state"] = states[number % len(states)]
    drawing = timeline(made)
    band = drawing.bands[-1]
    assert len(band.notes) == len(states) and band.height > CURVE + band.head
    assert all(4 + NAME_LETTER * len(note) <= drawing.left for note in band.notes)


def test_large_waves_are_one_curve_each_that_only_rises():
    drawing = timeline(examples.rollout(5000))
    band = drawing.bands[-1]
    assert band.lines == [] and band.notes == ["2500 accepted"]
    points = [tuple(map(float, point.split(","))) for point in band.curve.split()]
    assert len(points) < 80
    assert [x for x, _y in points] == sorted(x for x, _y in points)
    heights = [y for _x, y in points[:-1]]
    assert heights == sorted(heights, reverse=True)


def test_labels_of_looks_do_not_cover_each_other():
    drawing = timeline(examples.rollout(5000, breach_in=4, unreachable=60, stalled=220))
    for band in drawing.bands:
        labelled = [look.x for look in band.looks if look.label]
        assert labelled and all(after - before >= 36 for before, after in itertools.pairwise(labelled))


def test_nothing_is_drawn_where_nothing_was_begun():
    assert timeline(examples.planned(8)) is None


def test_a_rollout_that_is_not_over_ends_with_what_is_known():
    made = dict(examples.rollout(8, waits_before=2), ended=None)
    drawing = timeline(made)
    assert len(drawing.bands) == 1
    assert drawing.bands[0].x == drawing.left
    assert drawing.bands[0].x + drawing.bands[0].width == pytest.approx(drawing.right)


@pytest.mark.parametrize("seconds, text", [
    (0, "0 s"), (0.42, "0.42 s"), (1.0, "1 s"), (9.99, "10 s"), (59.6, "1 min"), (300, "5 min"), (5400, "1 h 30 min"),
    (90061, "1 d 1 h"), (-1, "-"), (None, "-"), ("soon", "-"), (True, "-"), (float("nan"), "-"), (float("inf"), "-")])
def test_times_are_worded(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("text, seconds", [
    ("1970-01-01T00:01:00Z", 60), ("1970-01-01T01:01:00+01:00", 60), ("1970-01-01T00:01:00", 60), ("soon", None),
    (None, None), (7, None)])
def test_times_are_read(text, seconds):
    assert moment(text) == seconds
