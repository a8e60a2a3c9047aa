# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook build and the module patch_build by ansible-playbook, with the real module on this machine.

SIMULATED are the headers of the kernel: their Makefile copies a module that gcc has made.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_builders import (
    SimulatedBuildHost,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.written_tasks import COLLECTION

RELEASE = "6.1.0-56-amd64"
LOCAL = {"hosts": {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}


@pytest.fixture
def host(tmp_path, build_module):
    """A build host with headers for RELEASE, and the source of a module beside the playbook."""
    simulated = SimulatedBuildHost(tmp_path / "host")
    simulated.put("tree/include/config/kernel.release", f"{RELEASE}\n")
    shutil.copyfile(build_module("source_simple", '-DNAME="fix"'), simulated.path("built.ko"))
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "Kbuild").write_text("obj-m := fix.o\n")
    (tmp_path / "module" / "fix.name").write_text("")
    return simulated


@pytest.fixture
def build(play, host, tmp_path):
    """build(*flags, **variables): a run of the playbook build for the kernel of the simulated headers."""
    tree = tmp_path / "tree"
    (tree / "ansible_collections" / "kernel").mkdir(parents=True)
    (tree / "ansible_collections" / "kernel" / "livepatch").symlink_to(COLLECTION)

    def run(*flags, playbook="kernel.livepatch.build", **variables):
        given = {
            "livepatch_src": "module", "livepatch_name": "fix", "livepatch_build_dir": host.build_dir,
            "livepatch_kernels": [{"source": host.tree, "release": RELEASE}], **variables}
        return play(playbook, {"localhost": {}}, *flags, variables=given, inventory=LOCAL, tree=tree)
    return run


def entries(tmp_path):
    return yaml.safe_load((tmp_path / "patches" / "bundle.yml").read_text())["patches"]


def test_a_patch_is_built_once(build, tmp_path, host):
    run = build(livepatch_cves=["CVE-2026-1111"], livepatch_version="2")
    assert run.code == 0, run.output
    assert run.lines[0].startswith(f"{RELEASE}: built: patches/{RELEASE}/fix.ko (kbuild, ")
    assert run.lines[1] == "1 kernel: 1 built"
    assert f"==> {RELEASE}: kbuild: " in run.output
    entry = entries(tmp_path)[f"{RELEASE}/fix.ko"]
    assert (entry["cves"], entry["version"], entry["provenance"]["tool"]) == (["CVE-2026-1111"], "2", "kbuild")
    stats = run.stats["livepatch_build"]
    assert (stats["ok"], stats["counts"]["built"], stats["kernels"][0]["kernel"]) == (True, 1, RELEASE)
    again = build(livepatch_cves=["CVE-2026-1111"], livepatch_version="2")
    assert (again.code, again.lines[1]) == (0, "1 kernel: 1 unchanged"), again.output
    assert "changed=0" in again.output


def test_a_kernel_that_is_refused_fails_the_run_and_no_other_kernel(build, tmp_path, host):
    other = host.path("other")
    shutil.copytree(host.tree, other)
    configuration = Path(other, ".config")
    configuration.write_text(configuration.read_text().replace("CONFIG_LIVEPATCH=y\n", ""))
    run = build(livepatch_kernels=[{"source": other, "release": RELEASE}, {"source": host.tree, "release": RELEASE}])
    assert run.code == 2, run.output
    assert f"{RELEASE}: refused: no-livepatch-config: {other}/.config has no CONFIG_LIVEPATCH=y" in run.lines[0]
    assert run.lines[-1] == "2 kernels: 1 built, 1 refused"
    assert list(entries(tmp_path)) == [f"{RELEASE}/fix.ko"]
    assert "kernel.livepatch" not in run.failed


def test_check_mode_builds_nothing(build, tmp_path, host):
    run = build("--check", "--diff")
    assert (run.code, run.lines) == (0, [f"{RELEASE}: planned: fix with kbuild", "1 kernel: 1 planned"]), run.output
    assert f"+  {RELEASE}/fix.ko:" in run.output
    assert not (tmp_path / "patches").exists() and "changed=1" in run.output


def test_a_build_that_fails_tells_why(build, host):
    host.put("fails", "fix.c:3:1: error: unknown type name 'x'")
    run = build()
    assert run.code == 2, run.output
    assert run.lines[0].startswith(f"{RELEASE}: failed: build-compile-error: The source does not compile: fix.c:3:1")
    (log,) = [line.rpartition(": ")[2] for line in run.lines if line.startswith("  log on the build host: ")]
    assert "unknown type name" in Path(log).read_text()
    assert run.stats["livepatch_build"]["kernels"][0]["log_path"] == log
    assert "Traceback" not in run.output


@pytest.mark.parametrize("variables, words", [
    ({"livepatch_kernels": ""}, "livepatch_kernels is not set"), ({"livepatch_src": ""}, "livepatch_src is not set"),
    ({"livepatch_src": "missing.patch"}, "src missing.patch is not on the controller"),
    ({"livepatch_kernel": "6.1"}, "Write livepatch_kernels")])
def test_a_wrong_variable_is_refused(build, variables, words):
    run = build(**variables)
    assert run.code == 2 and words in run.output, run.output


BACKGROUND = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Start the build
      kernel.livepatch.patch_build: &build
        src: module
        name: fix
        bundle: patches
        build_dir: "{{ livepatch_build_dir }}"
        kernel: "{{ livepatch_kernels[0] }}"
      async: 600
      poll: 0
      register: started
    - name: Wait for a moment and give up
      kernel.livepatch.patch_build: *build
      async: 1
      poll: 1
      register: waited
      failed_when: waited.code | default('') != 'build-unfinished'
    - name: Let the builder go on
      ansible.builtin.file:
        path: "{{ hold }}"
        state: absent
    - name: Wait for the end
      kernel.livepatch.patch_build: *build
      async: 600
      poll: 5
      register: ended
    - name: Show them
      ansible.builtin.debug:
        msg: "{{ [started.state, started.changed, waited.state, ended.state, started.job == ended.job] | to_json }}"
"""


def test_a_build_in_the_background_is_fetched_by_the_same_task(build, tmp_path, host):
    host.hold()
    (tmp_path / "background.yml").write_text(BACKGROUND)
    run = build(playbook="background.yml", hold=host.path("hold"))
    assert run.code == 0, run.output
    assert json.loads(run.lines) == ["running", True, "running", "built", True]
    assert (tmp_path / "patches" / RELEASE / "fix.ko").exists()
