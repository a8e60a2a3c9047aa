# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples for monitoring, read by promtool and ansible-inventory.

Grafana is not run: Prometheus checks the queries of its dashboard, and its layout is checked here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ansible.release
import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.metrics import FAMILIES
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.metrics import FAMILIES_OF_FLEET

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples" / "monitoring"
GUIDE = EXAMPLES.parents[1] / "docsite" / "rst" / "guide_monitoring.rst"
ALERTS = EXAMPLES / "prometheus_alerts.yml"
DASHBOARD = EXAMPLES / "grafana_dashboard.json"
INVENTORY = EXAMPLES / "states.constructed.yml"
METRIC = re.compile(r"kernel_livepatch_\w+")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here")
# The facts of each host in the cache: gathered, and set by patch_info.
CACHE = {
    "web1": {"ansible_local": {"livepatch": {"state": "accepted", "drift": [], "quarantined": []}}},
    "web2": {"livepatch": {"state": "on_trial", "drift": ["other-build"], "quarantined": None}},
    "web3": {"ansible_local": {"livepatch": {"state": "unpatched", "drift": None, "quarantined": ["fix"]}}},
    "web4": {"ansible_distribution": "Debian"}}
# Of the playbook status, all hosts by way of one exporter. The patch of web1 is disabled, and that of web2 has no
# effect. web4 was on trial when its file was written, and web5 still has the trial after its end.
OF_FLEET = [
    {"series": f'kernel_livepatch_patch_{metric}{{instance="controller",host="{host}",name="fleet",version="1",'
               f'build_id="bb"{state}}}', "values": f"{value}x60"}
    for host, metric, state, value in (
        ("web1", "functions", "", 0), ("web1", "state", ',state="disabled"', 1),
        ("web2", "functions", "", 0), ("web2", "state", ',state="accepted"', 1),
        ("web3", "functions", "", 1), ("web3", "state", ',state="accepted"', 1))]
OF_FLEET += [
    {"series": f'kernel_livepatch_{metric}_timestamp_seconds{{instance="controller",host="{host}"{name}}}',
     "values": f"{value}x60"}
    for host, metric, name, value in (
        ("web4", "trial_end", ',name="fleet"', 600), ("web4", "updated", "", 300),
        ("web5", "trial_end", ',name="fleet"', 600), ("web5", "updated", "", 1700))]
# A host that crashed with a patch, one whose trial is over, and one with a patch that has no effect.
RULE_TEST = {
    "rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [{
        "interval": "1m",
        "input_series": [
            {"series": 'kernel_livepatch_patch_quarantined{instance="a",name="fix",why="crashed-on-trial"}',
             "values": "1x60"},
            {"series": 'kernel_livepatch_trial_end_timestamp_seconds{instance="b",name="fix"}', "values": "600x60"},
            {"series": 'kernel_livepatch_patch_functions{instance="c",name="fix",version="1",build_id="aa"}',
             "values": "0x60"},
            {"series": 'kernel_livepatch_patch_state{instance="c",name="fix",version="1",build_id="aa",'
                       'state="accepted"}', "values": "1x60"},
            *OF_FLEET],
        "alert_rule_test": [
            {"eval_time": "20m", "alertname": "LivepatchTrialNotEnded", "exp_alerts": []},
            {"eval_time": "30m", "alertname": "LivepatchTrialNotEnded", "exp_alerts": [
                {"exp_labels": {"severity": "critical", "instance": "b", "name": "fix"}, "exp_annotations": {
                    "summary": "The trial of fix on b is over, and the host has not reverted"}},
                {"exp_labels": {"severity": "critical", "instance": "controller", "host": "web5", "name": "fleet"},
                 "exp_annotations": {
                    "summary": "The trial of fleet on web5 is over, and the host has not reverted"}}]},
            {"eval_time": "30m", "alertname": "LivepatchQuarantined", "exp_alerts": [
                {"exp_labels": {
                    "severity": "critical", "instance": "a", "name": "fix", "why": "crashed-on-trial"},
                 "exp_annotations": {
                    "summary": "a crashed with fix (crashed-on-trial)",
                    "description": "Find the cause of the crash before another host loads this build."}}]},
            {"eval_time": "30m", "alertname": "LivepatchWithoutEffect", "exp_alerts": [
                {"exp_labels": {
                    "severity": "warning", "instance": "c", "name": "fix", "version": "1", "build_id": "aa"},
                 "exp_annotations": {"summary": "fix has no function in effect on c"}},
                {"exp_labels": {
                    "severity": "warning", "instance": "controller", "host": "web2", "name": "fleet", "version": "1",
                    "build_id": "bb"},
                 "exp_annotations": {"summary": "fleet has no function in effect on web2"}}]}]}]}


def expressions() -> list[str]:
    """The queries of the dashboard."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def promtool(*words: str) -> None:
    done = subprocess.run(["promtool", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", [ALERTS.read_text(encoding="utf-8"), *expressions()])
def test_an_example_uses_metrics_that_exist(text):
    found = set(METRIC.findall(text))
    assert found
    assert found <= {*FAMILIES, *FAMILIES_OF_FLEET}


def test_the_guide_has_every_metric():
    assert set(METRIC.findall(GUIDE.read_text(encoding="utf-8"))) >= {*FAMILIES, *FAMILIES_OF_FLEET}


@needs_promtool
def test_prometheus_reads_the_alert_rules():
    promtool("check", "rules", str(ALERTS))


@needs_promtool
def test_prometheus_raises_the_alerts_when_it_should(tmp_path):
    test = tmp_path / "test.yml"
    test.write_text(yaml.safe_dump(RULE_TEST))
    promtool("test", "rules", str(test))


@needs_promtool
def test_prometheus_reads_the_queries_of_the_dashboard(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(expressions())]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_the_panels_of_the_dashboard_have_places_and_the_chosen_data_source():
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    (variable,) = dashboard["templating"]["list"]
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _y in cells) < 24
        taken |= cells
        assert panel["datasource"]["uid"] == f"${{{variable['name']}}}"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_ansible_groups_hosts_by_the_facts_in_its_cache(tmp_path):
    is_new = tuple(map(int, ansible.release.__version__.split(".")[:2])) >= (2, 19)
    (tmp_path / "facts").mkdir()
    for host, facts in CACHE.items():
        content = {"__payload__": json.dumps(facts)} if is_new else facts
        (tmp_path / "facts" / f"{'s1_' if is_new else ''}{host}").write_text(json.dumps(content))
    (tmp_path / "fleet.yml").write_text(yaml.safe_dump({"all": {"hosts": dict.fromkeys(CACHE)}}))
    command = Path(sys.executable).with_name("ansible-inventory")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    output = subprocess.run(
        [command, "-i", "fleet.yml", "-i", INVENTORY, "--list"], check=True, capture_output=True, cwd=tmp_path,
        env={**environment, "ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": "facts"}).stdout
    groups = {name: group["hosts"] for name, group in json.loads(output).items() if "hosts" in group}
    assert groups == {
        "state_accepted": ["web1"], "state_on_trial": ["web2"], "state_unpatched": ["web3"], "drifted": ["web2"],
        "quarantined": ["web3"], "ungrouped": ["web4"]}
