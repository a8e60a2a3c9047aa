# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When waves may start: days, hours, time zones, changes of the clock, freezes."""

from __future__ import annotations

import json
import random
import zoneinfo
from datetime import date, datetime, timedelta, timezone

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import window as module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.window import (
    HORIZON,
    closed_window,
    parse_window,
    window_notes,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import Values

NIGHTS = {"days": "mon-fri", "hours": "22:00-06:00", "timezone": "Europe/Berlin"}


@pytest.fixture(autouse=True)
def zones():
    if not zoneinfo.available_timezones():
        pytest.skip("this machine has no time zones")


def window(given):
    return parse_window(Values({"livepatch_window": given}))


def at(text):
    """Seconds since 1970 of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def utc(seconds):
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize("given", [
    NIGHTS, [NIGHTS], json.dumps(NIGHTS), json.dumps([NIGHTS]),
    "days: mon-fri; hours: 22:00-06:00; timezone: Europe/Berlin",
    "days: mon-fri\r\nhours: 22:00-06:00\r\ntimezone: Europe/Berlin\r\n",
    {"days": ["monday", "tue, Wed", "THU", "fri"], "hours": ["22-6"], "timezone": "Europe/Berlin", "freezes": []}])
def test_a_window_is_a_dict_a_list_or_text(given):
    found = window(given)
    assert [(rule.days, rule.hours, rule.freezes) for rule in found.rules] == [
        (frozenset(range(5)), ((1320, 360),), ())]
    # 2026-11-27 is a Friday; Berlin is an hour ahead of UTC.
    assert found.is_open(at("2026-11-27 21:00")) and not found.is_open(at("2026-11-27 20:59"))


@pytest.mark.parametrize("given", [None, "", {}, [], "{}", "[]"])
def test_without_a_window_waves_may_always_start(given):
    found = window(given)
    assert (found.rules, found.is_open(at("2026-11-28 03:00")), str(found)) == ((), True, "")
    assert window_notes(found, at("2026-11-28 03:00"), [1], 300) == [] and closed_window(found, 0) is None


@pytest.mark.parametrize(("given", "sentence"), [
    ({"day": "mon"}, "has the unknown key 'day'. Give a dict such as {days: mon-fri"),
    ("mon-fri", "is 'mon-fri'. Give a"), (["mon"], "has 'mon' in it. Give a dict"), (3, "is 3. Give a dict"),
    ("{days: mon}", "begins with { and is no JSON"),
    *(({"days": days}, f"has {days!r} in days. Give days such as mon, or mon-fri")
      for days in ("mo", "mon-", "mon-xyz", "-fri", "1", "mon-tue-wed")),
    *(({key: value, "freezes": []}, f"has {value!r} in {key}. Give some, or leave {key} out for all of them.")
      for key in ("days", "hours") for value in ("", " , ", [], None, [""])),
    ([NIGHTS, {}], "has {} in it. Give a dict"), ({"timezone": ""}, "has the unknown time zone ''. Give a name"),
    ({"timezone": None}, "has the unknown time zone None. Give a name"),
    ({"days": 1}, "has 1 in days. Give a text in quotes"), ({"hours": 79200}, "has 79200 in hours. Give a text"),
    ({"freezes": {"a": 1}}, "has {'a': 1} in freezes. Give a text in quotes"),
    *(({"hours": hours}, f"has {hours!r} in hours. Give hours such as 08:00-17:30")
      for hours in ("8", "08:00", "24:00-06:00", "8:60-9", "8:00-25:00", "8:00-24:01", "08:00-08:00", "a-b", "8:0-9")),
    *(({"freezes": days}, f"has {days!r} in freezes. Give days such as 2026-12-24")
      for days in ("2026-13-01", "2026-12-24 to 2026-12-23", "24.12.2026", "2026-12-24 2026-12-25", "christmas")),
    ({"timezone": "Europe/Berln"}, "has the unknown time zone 'Europe/Berln'. Write Europe/Berlin"),
    ({"timezone": "../etc/passwd"}, "has the unknown time zone"), ({"timezone": 3}, "has the unknown time zone 3"),
    ({"timezone": "Europe"}, "has the unknown time zone 'Europe'"), ({"timezone": "\0"}, "has the unknown time zone"),
])
def test_what_is_no_window_is_refused(given, sentence):
    with pytest.raises(TaskError) as caught:
        window(given)
    assert caught.value.code == "bad-option" and f"livepatch_window {sentence}" in caught.value.message


def test_a_controller_without_time_zones_says_what_to_install(monkeypatch):
    def absent(name):
        raise zoneinfo.ZoneInfoNotFoundError(name)
    monkeypatch.setattr(module.zoneinfo, "ZoneInfo", absent)
    monkeypatch.setattr(module.zoneinfo, "available_timezones", set)
    with pytest.raises(TaskError, match=r"Install the package tzdata, .* or set timezone to UTC") as caught:
        window(NIGHTS)
    assert caught.value.code == "no-time-zones"
    assert window({"hours": "8-17"}).is_open(at("2026-11-28 08:00"))


@pytest.mark.parametrize(("given", "moment", "is_open", "changes"), [
    # Over midnight, the hours belong to the day on which they begin.
    (NIGHTS, "2026-11-27 21:30", True, "2026-11-28 05:00"), (NIGHTS, "2026-11-28 04:59", True, "2026-11-28 05:00"),
    (NIGHTS, "2026-11-28 05:00", False, "2026-11-30 21:00"), (NIGHTS, "2026-11-29 23:00", False, "2026-11-30 21:00"),
    (NIGHTS, "2026-11-30 03:00", False, "2026-11-30 21:00"),
    ({"hours": "8-17"}, "2026-11-28 07:59", False, "2026-11-28 08:00"),
    ({"hours": "8-17"}, "2026-11-28 16:59", True, "2026-11-28 17:00"),
    ({"hours": "8-12, 13-17"}, "2026-11-28 12:00", False, "2026-11-28 13:00"),
    ({"hours": "22:00-24:00"}, "2026-11-28 23:59", True, "2026-11-29 00:00"),
    ({"hours": "22:00-00:00"}, "2026-11-28 23:59", True, "2026-11-29 00:00"),
    ({"days": "sat-sun"}, "2026-11-28 00:00", True, "2026-11-30 00:00"),
    ({"days": "sun-mon"}, "2026-11-28 12:00", False, "2026-11-29 00:00"),
    ({"days": "mon-sun"}, "2026-11-28 12:00", True, None),
    ([{"days": "sat-sun"}, {"days": "fri", "hours": "20-24"}], "2026-11-27 20:00", True, "2026-11-30 00:00"),
    # Freezes have their first and last day, on the clock of the window.
    ({"freezes": "2026-11-28"}, "2026-11-28 00:00", False, "2026-11-29 00:00"),
    ({"freezes": "2026-11-28"}, "2026-11-27 23:59", True, "2026-11-28 00:00"),
    ({"freezes": "2026-12-20 to 2027-01-03"}, "2027-01-03 23:59", False, "2027-01-04 00:00"),
    ({"freezes": ["2026-11-28/2026-11-29", "2026-11-30..2026-12-01"]}, "2026-11-28 12:00", False, "2026-12-02 00:00"),
    ({"freezes": "2026-11-28", "timezone": "Asia/Tokyo"}, "2026-11-27 15:00", False, "2026-11-28 15:00"),
    ({**NIGHTS, "freezes": "2026-11-28"}, "2026-11-27 22:00", True, "2026-11-27 23:00"),
    ([{"days": "mon-fri", "freezes": "2026-11-28"}, {"days": "sat-sun"}], "2026-11-28 12:00", False,
     "2026-11-29 00:00"),
    ({"freezes": "2026-01-01 to 2029-01-01"}, "2026-11-28 12:00", False, None),
    # Clocks in Berlin are set forward on 2026-03-29 at 01:00 UTC, and back on 2026-10-25 at 01:00 UTC.
    ({"hours": "02:30-05:00", "timezone": "Europe/Berlin"}, "2026-03-29 00:30", False, "2026-03-29 01:00"),
    ({"hours": "02:30-05:00", "timezone": "Europe/Berlin"}, "2026-03-29 01:30", True, "2026-03-29 03:00"),
    ({"hours": "22:00-02:30", "timezone": "Europe/Berlin"}, "2026-03-29 00:30", True, "2026-03-29 01:00"),
    ({"hours": "02:00-03:00", "timezone": "Europe/Berlin"}, "2026-03-29 00:30", False, "2026-03-30 00:00"),
    ({"hours": "02:00-03:00", "timezone": "Europe/Berlin"}, "2026-10-25 00:30", True, "2026-10-25 02:00"),
    ({"hours": "22:00-02:30", "timezone": "Europe/Berlin"}, "2026-10-25 00:20", True, "2026-10-25 00:30"),
    ({"hours": "22:00-02:30", "timezone": "Europe/Berlin"}, "2026-10-25 00:40", False, "2026-10-25 01:00"),
    ({"hours": "22:00-02:30", "timezone": "Europe/Berlin"}, "2026-10-25 01:10", True, "2026-10-25 01:30"),
])
def test_a_window_opens_and_closes(given, moment, is_open, changes):
    found = window(given)
    assert found.is_open(at(moment)) is is_open
    assert utc(found.closes(at(moment)) if is_open else found.opens(at(moment))) == changes


@pytest.mark.parametrize("seed", range(40))
def test_the_next_change_is_the_first_one(seed):
    """Every minute until then is as it is now, in random windows around changes of the clock."""
    chance = random.Random(seed)
    zone = chance.choice(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
    begin = chance.choice(["2026-03-28", "2026-03-07", "2026-10-24", "2026-10-31", "2026-04-04", "2026-10-03"])
    hours = ["{:02}:{:02}-{:02}:{:02}".format(*(chance.choice((first, second)) for first, second in (
        (1, 22), (30, 0), (2, 6), (15, 45)))) for _time in range(chance.randint(1, 2))]
    days = chance.sample(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], chance.randint(3, 7))
    freezes = [str(date.fromisoformat(begin) + timedelta(days=chance.randint(0, 3)))] if chance.random() < 0.4 else []
    found = window({"hours": hours, "days": days, "timezone": zone, "freezes": freezes})
    now = at(begin) + 60 * chance.randint(0, 1440)
    for _change in range(6):
        is_open = found.is_open(now)
        change = found.closes(now) if is_open else found.opens(now)
        assert change > now and found.is_open(change) is not is_open
        assert all(found.is_open(moment) is is_open for moment in range(int(now), int(change), 60))
        now = change


def test_a_closed_window_says_when_it_opens():
    found = window({**NIGHTS, "freezes": "2026-12-24 to 2026-12-26"})
    assert closed_window(found, at("2026-11-28 12:00")) == (
        "livepatch_window is closed (mon-fri 22:00-06:00 Europe/Berlin) until 2026-11-30T21:00:00Z (2026-11-30 22:00 "
        "CET)")
    assert closed_window(found, at("2026-12-24 22:00")) == (
        "livepatch_window is closed by the freeze 2026-12-24 to 2026-12-26 until 2026-12-28T21:00:00Z "
        "(2026-12-28 22:00 CET)")
    assert closed_window(window({"freezes": "2026-01-01 to 2029-01-01"}), at("2026-11-28 12:00")) == (
        f"livepatch_window is closed by the freeze 2026-01-01 to 2029-01-01 for the next {HORIZON} days")
    assert closed_window(found, at("2026-11-27 21:30")) is None


HOUR = window({"hours": "8-9"})
OPEN = "Waves start in livepatch_window only (8-9 UTC), which is open until 2026-11-28T09:00:00Z."


@pytest.mark.parametrize(("time", "waves", "soak", "notes"), [
    ("08:00", [1, 2, 3], 300, []), ("08:00", [], 300, None), ("08:00", [2, 3], 1800, []), ("08:30", [1], 1800, []),
    ("08:59", range(1, 500), 0, []),
    ("08:31", [2], 1800, ["Wave 2 ends after that at the earliest. A wave that has started is finished."]),
    ("08:00", [1, 2, 3], 3000, [
        "Not all waves can start before then. Wave 3 and later ones need another run.",
        "Wave 2 ends after that at the earliest. A wave that has started is finished."]),
    ("08:00", [1, 2, 3], 3600, ["Not all waves can start before then. Wave 2 and later ones need another run."]),
])
def test_a_plan_says_how_far_an_open_window_goes(time, waves, soak, notes):
    assert window_notes(HOUR, at(f"2026-11-28 {time}"), list(waves), soak) == ([] if notes is None else [OPEN, *notes])


def test_a_plan_says_that_the_window_is_closed_or_has_no_end():
    assert window_notes(HOUR, at("2026-11-28 12:00"), [1], 300) == [
        "No wave starts now: livepatch_window is closed (8-9 UTC) until 2026-11-29T08:00:00Z."]
    assert window_notes(window({"days": "mon-sun"}), at("2026-11-28 12:00"), [1], 300) == [
        "Waves start in livepatch_window only (mon-sun UTC), which is open."]


def test_a_date_of_yaml_is_a_freeze():
    found = window({"freezes": [date(2026, 12, 24)]})
    assert not found.is_open(at("2026-12-24 12:00")) and found.is_open(at("2026-12-25 00:00"))
