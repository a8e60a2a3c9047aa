# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline of a report: places in a drawing."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.time_scale import Scale
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.timeline import LEFT, RIGHT, WIDTH, timeline
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
            assert one.x >= LEFT - 0.01 and one.x + one.width <= RIGHT + 3.01
        assert [one.kind for one in line.bars] in ([], ["transition", "trial"], ["transition", "trial", "kept"])
        assert [one.x for one in line.bars] == sorted(one.x for one in line.bars)
    assert drawing.height > max(line.y for line in lines)
    assert drawing.width == WIDTH


def test_a_host_that_was_never_loaded_has_no_bar_and_says_why():
    drawing = timeline(examples.rollout(8, breach_in=1, stalled=1))
    stalled, well = drawing.bands[0].lines
    assert (stalled.bars, stalled.text, stalled.failed) == ([], "rolled back · transition-stalled", True)
    assert [one.kind for one in well.bars] == ["transition", "trial"]


def test_what_has_no_room_behind_it_is_said_before_it():
    made = examples.rollout(8, breach_in=3, stalled=4)
    last = made["waves"][2]
    last["closed"], made["ended"] = last["opened"], last["opened"]
    assert [line.before for line in timeline(made).bands[2].lines] == [True] * 4
    assert [line.before for line in timeline(examples.rollout(8, breach_in=1, stalled=1)).bands[0].lines] == [False] * 2


def test_large_waves_are_one_curve_each_that_only_rises():
    drawing = timeline(examples.rollout(5000))
    band = drawing.bands[-1]
    assert band.lines == [] and band.note == "2500 accepted"
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
    assert drawing.bands[0].x == LEFT
    assert drawing.bands[0].x + drawing.bands[0].width == pytest.approx(RIGHT)


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
