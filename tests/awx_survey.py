# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX's rules for surveys, as data, from AWX at e21dd0a (October 2024):

    awx/api/views/__init__.py, JobTemplateSurveySpec._validate_spec_data: a survey
    awx/main/models/mixins.py, SurveyJobTemplateMixin._survey_element_validation: an answer
    awx/main/constants.py, SURVEY_TYPE_MAPPING: the type of a default
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

OF_SURVEY = {"name": str, "description": str, "spec": list}
OF_QUESTION = {"type": str, "question_name": str, "variable": str, "required": bool}
DEFAULTS = {
    "text": str, "textarea": str, "password": str, "multiplechoice": str, "multiselect": str, "integer": int,
    "float": (float, int)}
WITH_CHOICES = ("multiplechoice", "multiselect")
LIMITS = ("min", "max")
# The type of an answer.
ANSWERS = {**DEFAULTS, "multiselect": list}
RESERVED = "$encrypted$"  # the begin of a default that only a password can have


def problems(survey: Mapping[str, t.Any]) -> list[str]:
    """What AWX refuses in a survey."""
    found = [f"{key}" for key, kind in OF_SURVEY.items() if not isinstance(survey.get(key), kind)]
    if found or not survey["spec"]:
        return found or ["spec is empty"]
    names = [question.get("variable") for question in survey["spec"]]
    found += [f"{name} twice" for name in set(names) if names.count(name) > 1]
    for question in survey["spec"]:
        found += [f"{names}: {key}" for key, kind in OF_QUESTION.items() if not isinstance(question.get(key), kind)]
        found += [f"{names}: {key}" for key in LIMITS if not isinstance(question.get(key), (int, type(None)))]
        kind, default = question.get("type"), question.get("default", "")
        if kind not in DEFAULTS:
            found.append(f"type {kind}")
            continue
        if default != "" and not isinstance(default, DEFAULTS[kind]):
            found.append(f"default {default}")
        if kind in WITH_CHOICES:
            lines = default.splitlines() if isinstance(default, str) else [default]
            found += [f"choice {line}" for line in lines if line not in question.get("choices", ())]
            found += ["several defaults"] if kind == "multiplechoice" and len(lines) > 1 else []
            found += [] if "choices" in question else ["no choices"]
        if kind != "password" and str(default).startswith(RESERVED):
            found.append("reserved")
    return found


def accepts(question: Mapping[str, t.Any], answer: t.Any) -> bool:
    """Whether AWX takes an answer; an answer that is not given at all is another matter."""
    kind, least, most = question["type"], question.get("min"), question.get("max")
    if isinstance(answer, bool) or not isinstance(answer, ANSWERS[kind]):
        return False
    if kind == "multiplechoice":
        return answer in question["choices"]
    if kind == "multiselect":
        return all(one in question["choices"] for one in answer)
    size = len(answer) if isinstance(answer, str) else answer
    return (least is None or size >= least) and (most is None or size <= most)
