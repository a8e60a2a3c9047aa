# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment of the guide to AWX. `make lint` gives it to the real ansible-builder."""

from __future__ import annotations

import pytest
import yaml

from tests import awx_job
from tests.check import execution_environment
from tests.check.errors import CheckError
from tests.check.paths import CHECKOUT, REQUIREMENTS

CONTAINERFILE = """\
ARG EE_BASE_IMAGE="quay.io/x:1"
ARG PYCMD="/usr/bin/python3"
ARG ANSIBLE_INSTALL_REFS="ansible-core>=2.16 ansible-runner>=2.4"
"""


@pytest.fixture
def definition():
    return yaml.safe_load(awx_job.example("# execution-environment.yml"))


def lines_of(path):
    return execution_environment.requirements(path.read_text(encoding="utf-8"))


def test_an_argument_that_the_image_would_lack_is_named(definition):
    definition["images"]["base_image"]["name"] = "quay.io/x:1"
    assert execution_environment.missing_arguments(definition, CONTAINERFILE) == []
    definition["images"]["base_image"]["name"] = "quay.io/x:2"
    assert execution_environment.missing_arguments(definition, CONTAINERFILE) == ["EE_BASE_IMAGE"]


def test_a_requirement_that_pip_refuses_is_an_error():
    execution_environment.check_libraries(["pyelftools>=0.29"])
    with pytest.raises(CheckError, match=r"^pip does not accept 'pyelftools >> 0\.29': "):
        execution_environment.check_libraries(["pyelftools >> 0.29"])


def test_what_ansible_builder_ends_with_is_in_the_error(tmp_path):
    with pytest.raises(CheckError, match=r"^sh ended with 3: last$"):
        execution_environment._run(["sh", "-c", "echo first; echo last; exit 3"], tmp_path)


def test_the_image_has_the_oldest_ansible_core_that_the_collection_takes(definition):
    runtime = yaml.safe_load(CHECKOUT.joinpath("meta", "runtime.yml").read_text(encoding="utf-8"))
    wanted = definition["dependencies"]["ansible_core"]["package_pip"]
    assert f"{wanted}.0" == f"ansible-core{runtime['requires_ansible']}"


def test_units_run_on_the_oldest_libraries_that_the_collection_takes():
    pins = dict(line.split("==") for line in lines_of(REQUIREMENTS / "oldest-core.txt"))
    floors = dict(line.split(">=") for line in lines_of(CHECKOUT / "meta" / "ee-requirements.txt"))
    assert {name: pins[name].removesuffix(".0") for name in floors} == floors


def test_the_guide_says_the_same_of_the_libraries():
    guide = " ".join(awx_job.GUIDE.read_text(encoding="utf-8").split())
    for line in lines_of(CHECKOUT / "meta" / "ee-requirements.txt"):
        name, floor = line.split(">=")
        assert f"``{name}`` ({floor} or later)" in guide
