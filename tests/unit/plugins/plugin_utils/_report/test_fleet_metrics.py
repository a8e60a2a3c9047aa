# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of hosts and of a fleet, read by the Prometheus client library and by Prometheus' own tool."""

from __future__ import annotations

import copy
import shutil
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.metrics import (
    FAMILIES,
    host_metrics,
    metrics_text,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.metrics import fleet_metrics
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import honest

NOW = 1000000000
PARSERS = [parse_openmetrics, parse_prometheus]
NAME = 'odd "name" \\ with\nlines'


def answer(build_id="aa" * 20, name="fix"):
    """A result of patch_info with a value for each metric."""
    result = copy.deepcopy(honest("patch_info"))
    info = result["livepatch"]
    (patch,) = info["patches"]
    patch.update(name=name, build_id=build_id, state="enabled")
    patch["metadata"]["expires"] = "2027-01-31"
    info["trial"].update(name=name, seconds_left=60)
    info["journal"][0]["patches"] = [{"name": name, "build_id": build_id, "transition_seconds": 0.25}]
    return result


def samples(text, parse):
    """The samples of a text: name, labels, value."""
    return [(sample.name, sample.labels, sample.value) for family in parse(text) for sample in family.samples]


@pytest.mark.parametrize("parse", PARSERS)
def test_the_text_of_a_host_has_every_family_and_is_read_as_written(parse):
    written = host_metrics(answer(name=NAME)["livepatch"], NOW)
    text = metrics_text(written)
    assert samples(text, parse) == [(one["name"], one["labels"], one["value"]) for one in written]
    assert [(family.name, family.documentation, family.type) for family in parse(text)] == [
        (name, words, "gauge") for name, words in FAMILIES.items()]


@pytest.mark.parametrize("parse", PARSERS)
def test_two_builds_of_one_name_are_told_apart(parse):
    text = fleet_metrics({"a": answer("aa" * 20), "b": answer("bb" * 20)}, NOW)
    found = [labels for name, labels, _value in samples(text, parse) if name == "kernel_livepatch_patch_state"]
    assert [(labels["host"], labels["name"], labels["build_id"]) for labels in found] == [
        ("a", "fix", "aa" * 20), ("b", "fix", "bb" * 20)]


@pytest.mark.parametrize("parse", PARSERS)
def test_each_host_has_its_verdict_and_hosts_without_a_result_nothing_else(parse):
    odd = {"changed": False, "livepatch": {
        "kernel": {"release": "6.1", "arch": "x86_64"}, "interface": "none", "patches": []}}
    text = fleet_metrics({"a": answer(), "b": {"unreachable": True}, "c": {}, "odd": odd}, NOW)
    verdicts = {labels["host"]: labels["verdict"] for name, labels, _value in samples(text, parse)
                if name == "kernel_livepatch_host_verdict"}
    assert verdicts == {"a": "on_trial", "b": "unreachable", "c": "no_result", "odd": "unsupported"}
    assert {labels["host"] for name, labels, _value in samples(text, parse)
            if name != "kernel_livepatch_host_verdict"} == {"a", "odd"}


SPOILED = [
    lambda info: info["patches"][0]["objects"][0].pop("functions"), lambda info: info["patches"][0].update(objects=5),
    lambda info: info["patches"][0].update(metadata="x"), lambda info: info["patches"][0].update(version=1.1),
    lambda info: info["patches"][0].update(build_id=["aa"]), lambda info: info.update(kept=[["x"]]),
    lambda info: info["journal"][0].update(patches=[{}]), lambda info: info.update(journal=[{}]),
    lambda info: info["journal"][0]["patches"][0].update(transition_seconds="1"),
    lambda info: info["kernel"].update(build_id={"a": 1}),
    lambda info: info.update(quarantined=[{"name": "x", "why": 5}])]


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("spoil", SPOILED)
def test_a_result_in_another_shape_costs_no_other_host_its_metrics(parse, spoil):
    spoiled = answer()
    spoil(spoiled["livepatch"])
    found = samples(fleet_metrics({"a": answer(), "odd": spoiled}, NOW), parse)
    assert [labels["verdict"] for name, labels, _value in found if labels["host"] == "odd"] == ["on_trial"]
    assert len([name for name, labels, _value in found if labels["host"] == "a"]) > len(FAMILIES) // 2


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here")
def test_the_linter_of_prometheus_finds_nothing():
    text = fleet_metrics({"a": answer(), "b": answer("bb" * 20)}, NOW)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, check=False, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
