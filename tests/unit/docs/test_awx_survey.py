# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX accepts the survey in the guide to it, and a rollout reads the answers that AWX sends."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.names import VARIABLES
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import (
    LONGEST_SOAK,
    ON_BREACH,
    rollout_options,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.schedule import largest_wave
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX
from ansible_collections.kernel.livepatch.tests import awx_job
from ansible_collections.kernel.livepatch.tests.awx_survey import accepts, problems

EXAMPLE = "For example: "


def questions():
    return {question["variable"]: question for question in awx_job.survey()["spec"]}


def test_awx_accepts_the_survey():
    assert problems(awx_job.survey()) == []


@pytest.mark.parametrize("broken", [
    {"type": "number"}, {"required": "true"}, {"question_name": None}, {"default": 7}, {"min": "1"},
    {"type": "multiplechoice"}, {"type": "multiplechoice", "choices": ["a"]}, {"default": "$encrypted$x"},
    {"variable": "livepatch_hosts"}])
def test_awx_refuses_a_broken_one(broken):
    survey = copy.deepcopy(awx_job.survey())
    survey["spec"][0].update(broken)
    assert problems(survey)


@pytest.mark.parametrize("default", ["", "patches/", "$encrypted$AESCBC$x"])
def test_a_question_for_text_can_be_one_for_a_password(default):
    """AWX keeps such an answer encrypted, and hands it over as plain text, as every other one."""
    survey = copy.deepcopy(awx_job.survey())
    survey["spec"][0].update(type="password", default=default)
    assert problems(survey) == [] and accepts(survey["spec"][0], "patches/")
    survey["spec"][0]["type"] = "text"
    assert bool(problems(survey)) == default.startswith("$encrypted$")


def test_each_question_is_for_a_variable_of_a_rollout():
    assert [name for name in questions() if name.removeprefix(PREFIX) not in VARIABLES] == []


@pytest.mark.parametrize("name", questions())
def test_the_default_of_a_question_is_an_answer_that_both_accept(name):
    question = questions()[name]
    assert accepts(question, question["default"])
    rollout_options({"livepatch_src": "patches/", name: question["default"]})


def test_a_rollout_with_all_defaults_is_a_rollout_without_answers():
    assert rollout_options(awx_job.survey_defaults()) == rollout_options({"livepatch_src": "patches/"})


@pytest.mark.parametrize("name", [name for name, question in questions().items() if accepts(question, "")])
def test_an_empty_answer_is_the_default_of_the_variable(name):
    assert rollout_options({"livepatch_src": "patches/", name: ""}) == rollout_options({"livepatch_src": "patches/"})


def test_awx_refuses_an_empty_answer_where_a_rollout_does():
    refused = [name for name, question in questions().items() if not accepts(question, "")]
    assert refused == ["livepatch_src", "livepatch_soak", "livepatch_on_breach"]


def test_the_longest_soak_that_awx_accepts_has_room_in_a_trial():
    most = questions()["livepatch_soak"]["max"]
    assert most <= LONGEST_SOAK
    chosen = rollout_options({"livepatch_src": "patches/", "livepatch_soak": most})
    assert largest_wave(chosen, 5, 1 << 20) >= 1


def test_the_choices_are_those_of_the_variable():
    assert questions()["livepatch_on_breach"]["choices"] == list(ON_BREACH)


@pytest.mark.parametrize("name", [
    name for name, question in questions().items() if "question_description" in question])
def test_an_example_is_an_answer_that_both_accept(name):
    question = questions()[name]
    begin, mark, example = question["question_description"].partition(EXAMPLE)
    assert (begin, mark) == ("", EXAMPLE) and accepts(question, example)
    plain = rollout_options({"livepatch_src": "patches/"})
    assert rollout_options({"livepatch_src": "patches/", name: example}) != plain
