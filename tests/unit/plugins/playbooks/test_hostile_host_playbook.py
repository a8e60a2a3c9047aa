# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that a hostile host adds to its result becomes a variable, a host or a part of the artifact.

The actions and Ansible are real, and the modules on the hosts are simulated.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import (
    MODULES,
    honest,
)

COLLECTION = Path(__file__).resolve().parents[4]
MODULE = Path(__file__).parent / "simulated" / "module_of_hostile_host.py"
EVIL = {
    "ansible_facts": {
        "livepatch_on_stall": "force", "livepatch_report_dir": "/tmp/owned", "ansible_connection": "owned",
        "discovered_interpreter_python": "/tmp/owned"},
    "_ansible_facts_cacheable": True,
    "add_host": {"host_name": "owned", "groups": ["owned"], "host_vars": {"x": "owned"}}, "add_group": "owned",
    "ansible_stats": {"data": {"owned": 1}, "aggregate": False, "per_host": False},
    "results": [{"ansible_facts": {"livepatch_src": "owned"}, "add_host": {"host_name": "owned"}}],
    "warnings": ["owned"], "_ansible_verbose_always": True, "owned": "owned"}
LOOK = {
    "hosts": "localhost", "gather_facts": False, "tasks": [{
        "name": "Show everything that is known of each host",
        "ansible.builtin.debug": {"msg": "{{ hostvars | dict2items | list }} {{ groups }}"}}]}


@pytest.fixture(scope="module")
def hostile_collections(tmp_path_factory):
    """A collection tree in which everything is this collection's own except the modules."""
    root = tmp_path_factory.mktemp("hostile")
    tree = root / "ansible_collections" / "kernel" / "livepatch"
    (tree / "plugins" / "modules").mkdir(parents=True)
    for name in ("roles", "playbooks", "galaxy.yml", "meta", "plugins/action", "plugins/filter", "plugins/lookup",
                 "plugins/plugin_utils", "plugins/module_utils", "plugins/doc_fragments"):
        (tree / name).symlink_to(COLLECTION / name)
    for name in MODULES:
        (tree / "plugins" / "modules" / f"{name}.py").write_text("#!/usr/bin/python\n" + MODULE.read_text())
    return root


@pytest.fixture
def run(play, hostile_collections, build_module, tmp_path):
    """run(plays, {host: what it prints}): the end of a run of these plays."""
    (tmp_path / "fix.ko").write_bytes(build_module("source_simple", '-DNAME="fix"').read_bytes())

    def run_plays(plays, printed, *flags, **variables):
        (tmp_path / "printed.json").write_text(json.dumps(printed))
        (tmp_path / "plays.yml").write_text(yaml.safe_dump(plays))
        hosts = {host: {"ansible_remote_tmp": f"{tmp_path}/of-{host}"} for host in printed}
        inventory = {"hosts": hosts, "vars": {
            "ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}}
        return play("plays.yml", printed, *flags, variables={"livepatch_src": "fix.ko", **variables},
                    inventory=inventory, tree=hostile_collections)
    return run_plays


def test_nothing_of_it_is_known_later(run):
    good = honest("patch_check", findings=[])
    run = run([{"import_playbook": "kernel.livepatch.preflight"}, LOOK], {
        "bad": json.dumps({**good, **EVIL}), "good": json.dumps(good)})
    assert run.code == 0, run.output
    assert "2 hosts: 2 compatible" in run.output
    assert "owned" not in run.output
    assert "force" not in run.output
    assert "owned" not in json.dumps(run.stats)


def test_a_host_that_answers_nothing_fails_and_is_not_patched(run):
    task = {"name": "Load the patch", "kernel.livepatch.patch": {"src": "fix.ko"}, "register": "answer"}
    run = run([{"hosts": "bad", "gather_facts": False, "tasks": [task]}], {"bad": "{}"})
    assert (run.code, run.failed) == (2, ["bad"]), run.output
    assert "malformed-result" in run.output
    # ansible-core 2.21 adds `changed` itself.
    assert re.search(r"malformed result: (changed|patch) is missing", run.output), run.output


def test_the_output_of_a_host_does_not_reach_the_terminal(run):
    tasks = [{"name": "Query the host", "kernel.livepatch.patch_info": {}}]
    answer = json.dumps({"failed": True, "msg": "\x1b[2Jmine\u202e", "\x1b]0;x": 1})
    run = run([{"hosts": "bad", "gather_facts": False, "tasks": tasks}], {
        "bad": f"\x1b[2J\u202e\n{answer}\n\x1b[2J"}, "-v")
    assert (run.code, run.failed) == (2, ["bad"]), run.output
    assert "mine" in run.output
    assert "\x1b" not in run.output and "\u202e" not in run.output
