# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook pull, by ansible-playbook, and by ansible-pull from a git repository; the host is simulated."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.conftest import MODULES, SIMULATED, tree_with
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import pull_answers as answers

RELEASE = {"rings": ["1%", "10%", "50%", "100%"], "releases": [{"src": "/opt/patches", "up_to": 1}], "soak": 600,
           "trial": 3600}
# In the rings 0, 1, 2 and 3.
FIRST, SECOND, THIRD, LAST = "web37", "web14", "web3", "web1"
BACK, VERIFY = answers.BACK, answers.NONE_ENABLED


@pytest.fixture(scope="session")
def pull_collections(tmp_path_factory):
    return tree_with(tmp_path_factory.mktemp("pull_collections"), SIMULATED, (*MODULES, "patch"))


@pytest.fixture
def pull(play, pull_collections, tmp_path):
    """pull(host, release, {module: answer}): the end of a run."""
    def run(host, release, modules, *flags, **variables):
        (tmp_path / "release.yml").write_text(yaml.safe_dump({**RELEASE, **release}))
        return play("kernel.livepatch.pull", {host: modules}, *flags, variables=variables, tree=pull_collections)
    return run


def state(run):
    return run.stats["livepatch_pull"]["state"]


def test_a_host_of_a_released_ring_loads_the_patch_on_trial(pull):
    run = pull(SECOND, {}, {
        "patch_info": answers.info(), "patch_check": answers.check(), "patch": answers.patched("enabled")})
    assert (run.code, state(run), run.stats["livepatch_pull"]["ring"]) == (0, "on_trial", 1), run.output
    assert run.lines[0] == "ring 1: released up to ring 1"


def test_a_host_of_a_later_ring_is_not_asked_about_the_patch(pull):
    run = pull(THIRD, {}, {"patch_info": answers.info()})
    assert (run.code, state(run)) == (0, "waiting"), run.output


def test_a_host_accepts_after_its_soak(pull):
    run = pull(FIRST, {}, {
        "patch_info": answers.info(answers.trial(2900)), "patch_check": answers.LEASED,
        "patch": answers.patched("accepted")})
    assert (run.code, state(run)) == (0, "accepted"), run.output


def test_a_halt_reverts_a_host_on_trial_and_stops_one_that_has_not_begun(pull):
    modules = {"patch_info": answers.info(answers.trial()), "patch_rollback": BACK, "patch_verify": VERIFY}
    run = pull(FIRST, {"halt": "web is slow"}, modules)
    assert (run.code, state(run), run.stats["livepatch_pull"]["halt"]) == (0, "reverted", "web is slow"), run.output
    run = pull(SECOND, {"halt": "web is slow"}, {"patch_info": answers.info()})
    assert (run.code, state(run)) == (0, "halted"), run.output
    assert "ring 1: halted: web is slow" in run.lines


def test_a_failure_fails_the_host_with_its_code_and_leaves_an_artifact(pull):
    run = pull(FIRST, {}, {
        "patch_info": answers.info(), "patch_check": answers.check(),
        "patch": {"failed": True, "code": "transition-stalled", "msg": "held by nginx"}})
    assert (run.code, run.failed, state(run)) == (2, [FIRST], "failed"), run.output
    assert run.stats["livepatch_pull"]["failure"] == {"code": "transition-stalled", "message": "held by nginx"}


@pytest.mark.parametrize("module", ["patch_info", "patch_check"])
@pytest.mark.parametrize("how", ["unreachable", "hangs"])
def test_a_host_that_does_not_answer_ends_the_run(pull, module, how):
    run = pull(FIRST, {}, {"patch_info": answers.info(), "patch_check": answers.check(), module: how})
    assert run.code != 0 and "no-bound" not in run.output


@pytest.mark.parametrize("release", [{"halted": True}, {"rings": []}])
def test_a_release_that_is_wrong_changes_nothing(pull, release):
    run = pull(FIRST, release, {})
    assert (run.code, "release-invalid" in run.output) == (2, True), run.output


def test_a_misspelled_variable_and_a_second_host_are_refused(play, pull, pull_collections):
    run = pull(FIRST, {}, {}, livepatch_relaese="x")
    assert (run.code, "Write livepatch_release" in run.output) == (2, True), run.output
    run = play("kernel.livepatch.pull", {"a": {}, "b": {}}, tree=pull_collections)
    assert (run.code, "not-one-host" in run.output) == (2, True), run.output


def test_the_ring_can_be_given(pull):
    run = pull(LAST, {}, {"patch_info": answers.info(), "patch_check": answers.check("accepted")}, livepatch_ring=0)
    assert (run.code, state(run), run.stats["livepatch_pull"]["ring"]) == (0, "accepted", 0), run.output


def test_a_given_ring_that_the_release_does_not_have_fails_the_host(pull):
    run = pull(LAST, {}, {"patch_info": answers.info()}, livepatch_ring=4)
    assert (run.code, "livepatch_ring is 4" in run.output, "from 0 to 3" in run.output) == (2, True, True), run.output


def test_in_check_mode_the_plan_is_shown(pull):
    run = pull(FIRST, {}, {
        "patch_info": answers.info(), "patch_check": answers.check(), "patch": answers.patched("enabled")}, "--check")
    assert (run.code, "would be loaded on trial" in run.lines[1]) == (0, True), run.output


class Repository:
    """A git repository with a release, and a host that pulls from it."""

    def __init__(self, directory, collections):
        self.directory, self.collections = directory / "git", collections
        self.host, self.answers = directory / "host", directory / "host" / "checkout" / "answers.json"
        self.directory.mkdir()
        self.host.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        (self.directory / "local.yml").write_text(
            "- name: Patch this host\n  ansible.builtin.import_playbook: kernel.livepatch.pull\n")
        self.requests = directory / "requests"

    def _git(self, *words):
        subprocess.run(
            ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", *words], cwd=self.directory,
            check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull})

    def release(self, host_answers, **changed):
        """Commit a release, and with it what the simulated host answers."""
        (self.directory / "release.yml").write_text(yaml.safe_dump({**RELEASE, **changed}))
        (self.directory / "answers.json").write_text(json.dumps({"localhost": host_answers}))
        self._git("add", ".")
        self._git("commit", "--quiet", "-m", "release")

    def pull(self, name):
        """One run of ansible-pull on a host with this name."""
        program = Path(sys.executable).with_name("ansible-pull")
        return subprocess.run(
            [str(program), "-U", str(self.directory), "-d", str(self.host / "checkout"), "-e",
             json.dumps({"livepatch_ring_name": name, "ansible_python_interpreter": sys.executable})],
            cwd=self.host, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            env=dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(self.collections), ANSIBLE_NOCOLOR="1",
                     ANSIBLE_SHOW_CUSTOM_STATS="1", ANSIBLE_BECOME="false", HOME=str(self.host),
                     PATH=f"{program.parent}:{os.environ['PATH']}"))


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_ansible_pull_goes_through_a_release_from_a_git_repository(tmp_path, pull_collections):
    repository = Repository(tmp_path, pull_collections)

    def result(done):
        return json.loads(re.search(r'"livepatch_pull": (\{.*\})\}', done.stdout.split("\tRUN: ")[1])[1])
    loading = {"patch_info": answers.info(), "patch_check": answers.check(), "patch": answers.patched("enabled")}
    repository.release(loading)
    done = repository.pull(FIRST)
    assert (done.returncode, result(done)["state"], result(done)["ring"]) == (0, "on_trial", 0), done.stdout
    reverting = {"patch_info": answers.info(answers.trial()), "patch_rollback": BACK, "patch_verify": VERIFY}
    repository.release(reverting, halt="web is slow")
    done = repository.pull(FIRST)
    assert (done.returncode, result(done)["state"]) == (0, "reverted"), done.stdout
    repository.release(loading, halt=False)
    assert result(repository.pull(LAST))["state"] == "waiting"
