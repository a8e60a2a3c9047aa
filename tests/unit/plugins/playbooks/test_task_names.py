# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of a playbook can be read: each task has a name of its own that says in plain English what it does.

Each rule is a function that returns what is wrong, so that each is also shown what breaks it.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks import written_tasks
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.written_tasks import COLLECTION, PLAYBOOKS, ROLES

VERBS = {
    "Accept", "Build", "Check", "Clear", "Close", "Collect", "Continue", "Decide", "Fail", "Include", "Judge", "Live",
    "Load", "Make", "Patch", "Plan", "Publish", "Query", "Read", "Record", "Report", "Roll", "Run", "Show", "Start",
    "Stop", "Summarize", "Validate", "Verify", "Watch", "Write"}
FORBIDDEN = re.compile(
    r"""\b(?: way \s back | (?:take|taken|takes|taking|took) \s (?:it \s|them \s)? (?:back|out)
    | (?:bring|brings|bringing|brought) \s (?:\w+ \s)? (?:in|back) | turn(?:ed|s)? \s round | left \s going
    | (?:go|goes|going|gone|went) \s back | in \s the \s way | (?:speak|speaks|spoke) \s against | all \s that
    | what \s there \s is | what \s is \s there | nobody | somebody | by \s (?:itself|themselves)
    | (?:come|comes|coming|came) \s to | the \s answer | dear | at \s rest | gets? \s into | where \s .* \s should \s be
    | has \s to \s be \s told | all \s is \s well )\b""", re.VERBOSE | re.IGNORECASE)
TEXTS = sorted(
    path for folder in ("playbooks", "roles") for path in (COLLECTION / folder).rglob("*")
    if path.suffix in (".yml", ".md", ".j2"))


def badly_named(names: list[str]) -> list[str]:
    """A name begins with a verb and has an object; what is different each time has a value."""
    return [name for name in names if not (
        len(name.split()) > 2 and name.split()[0].strip(",") in VERBS and "{{" not in name and not name.endswith("."))]


def repeated(names: list[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def forbidden(texts: list[str]) -> list[str]:
    return [found[0] for text in texts for found in FORBIDDEN.finditer(" ".join(text.split()))]


RUN_ONCE = ("wave_end.yml", "stop.yml", "next_wave.yml", "accept.yml")  # in two places, and run once for each wave
NO_TASKS = {COLLECTION / "roles" / name for name in ("apply/tasks/no_part.yml", "pull/tasks/none.yml")}
RULES = (badly_named, repeated, forbidden)
# The roles too as a user has them in a play of their own.
PLAYS = {
    **{f"{playbook}: {play['name']}": play for playbook in PLAYBOOKS for play in written_tasks.plays_of(playbook)},
    **{f"role {role}": {"roles": [role]} for role in ROLES}}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("play", PLAYS)
def test_each_task_of_a_play_has_a_name_of_its_own(play, rule):
    tasks = list(written_tasks.tasks_of(PLAYS[play]))
    names = [task.name for task in tasks if task.file.name not in RUN_ONCE]
    names += {task.name for task in tasks if task.file.name in RUN_ONCE}
    assert names and rule(names) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_each_play_of_a_playbook_has_a_name_of_its_own(playbook, rule):
    assert rule([play["name"] for play in written_tasks.plays_of(playbook)]) == []


@pytest.mark.parametrize(("rule", "texts", "problems"), [
    (badly_named, ["", "Plan the waves"], [""]),
    (badly_named, ["Sum up", "Everything is loaded", "Watch host {{ one }}"], [
        "Sum up", "Everything is loaded", "Watch host {{ one }}"]),
    (repeated, ["Plan the waves", "Start the wave", "Plan the waves"], ["Plan the waves"]),
    (forbidden, ["Keep the answer", "Take it back"], ["the answer", "Take it back"]),
    (forbidden, ["See what the load came\n  to"], ["came to"]),
])
def test_a_rule_sees_what_breaks_it(rule, texts, problems):
    assert rule(texts) == problems


def test_no_file_of_tasks_is_left_out():
    seen = {task.file for play in PLAYS.values() for task in written_tasks.tasks_of(play)}
    files = set((COLLECTION / "roles").glob("*/tasks/*.yml"))
    assert {path for path in seen if path.is_file()} == files - NO_TASKS
    assert [written_tasks.loaded(path) for path in NO_TASKS & files] == [[]] * len(NO_TASKS)


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(COLLECTION)))
def test_playbooks_and_roles_are_in_plain_english(text):
    assert forbidden([text.read_text(encoding="utf-8")]) == []
