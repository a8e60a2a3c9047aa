# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example repository of docs/examples: the commands of its pipelines run, over made-up patches and simulated hosts.

`pip` and `ansible-galaxy` would ask servers, so they are stand-ins. git and ansible-playbook are the real ones.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.conftest import simulate_fleet

CHECKOUT = Path(__file__).resolve().parents[4]
EXAMPLES = CHECKOUT / "docs" / "examples"
KERNELS = ("6.1.0-57-amd64", "5.10.0-46-amd64")
SIGNER = "Example live patches"
HOSTS = ("web1", "web2", "web3")


@pytest.fixture(scope="session")
def signed(tmp_path_factory):
    """signed(bytes, common name): the module with a signature as the kernel's sign-file appends it."""
    place = tmp_path_factory.mktemp("signed")

    def sign(module, name=SIGNER):
        key, certificate = place / f"{name}.key", place / f"{name}.pem"
        if not key.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-subj", f"/CN={name}", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        (place / "module").write_bytes(module)
        der = subprocess.run(
            ["openssl", "cms", "-sign", "-binary", "-noattr", "-nocerts", "-md", "sha256", "-outform", "DER",
             "-in", place / "module", "-signer", certificate, "-inkey", key], check=True, capture_output=True).stdout
        return module + der + struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, len(der)) + b"~Module signature appended~\n"
    return sign


@pytest.fixture
def module(build_module):
    """module(name, release, *flags): the bytes of a made-up patch that replaces all others and can be unloaded."""
    def make(name, release, *flags, source="source_simple"):
        words = (f'-DNAME="{name}"', f'-DVERMAGIC="{release} SMP preempt mod_unload modversions "')
        return build_module(source, *words, *(flags or ("-DREPLACE=true", "-DEXIT"))).read_bytes()
    return make


def add(repository, path, content, **entry):
    """Put a file into the bundle, and its entry into bundle.yml unless it is None."""
    file = repository / "patches" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    described = repository / "patches" / "bundle.yml"
    patches = yaml.safe_load(described.read_text())["patches"] if described.exists() else {}
    whole = {
        "sha256": hashlib.sha256(content).hexdigest(), "provenance": {"tool": "kbuild"}, "cves": ["CVE-2026-1234"]}
    patches[path] = {key: value for key, value in {**whole, **entry}.items() if value is not None}
    described.write_text(yaml.safe_dump({"patches": patches}))


@pytest.fixture
def repository(tmp_path, module, signed):
    """A checkout of the example repository with a bundle that is as it should be."""
    place = tmp_path / "checkout"
    shutil.copytree(EXAMPLES, place)
    for release in KERNELS:
        add(place, f"{release}/fix.ko", signed(module("fix", release)))
    hosts = {group: {"hosts": {name: {} for name in names}} for group, names in (
        ("canaries", HOSTS[:1]), ("others", HOSTS[1:]))}
    (place / "fleet.yml").write_text(yaml.safe_dump({"all": {"children": hosts}}))
    (place / "known_hosts").write_text("")
    return place


@pytest.fixture
def shell(repository, fleet_collections, tmp_path):
    """shell(command): its exit code and output in the checkout, as a runner of a pipeline runs it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pip", "ansible-galaxy"):
        (programs / name).write_text(f'#!/bin/sh\necho "simulated: {name} $*"\n')
        (programs / name).chmod(0o755)
    (programs / "ansible-playbook").symlink_to(Path(sys.executable).with_name("ansible-playbook"))

    def run(command, cwd=repository, **more):
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path), "CI": "true", "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(fleet_collections), "ANSIBLE_LOCALHOST_WARNING": "0",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        done = subprocess.run(
            ["sh", "-ec", command], cwd=cwd, env={**environment, **more}, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout
    return run


def faults(output):
    """The messages of the asserts that failed."""
    return re.findall(r'^failed: .*"msg": "([^"]+)"\}$', output, re.MULTILINE)


def test_a_bundle_as_it_should_be_passes(shell):
    code, output = shell("ansible-playbook check_bundle.yml")
    assert (code, faults(output)) == (0, []), output
    assert f'"msg": "source, signed by {SIGNER}: cmdline_proc_show"' in output


def test_each_fault_of_a_file_is_named_with_the_file(repository, shell, module, signed):
    one = KERNELS[0]
    for number, (name, content, entry) in enumerate([
            ("no_patch", signed(module("no_patch", one, "-DEXIT", source="plain")), {}),
            ("no_exit", signed(module("no_exit", one, "-DREPLACE=true")), {}),
            ("stacked", signed(module("stacked", one, "-DEXIT")), {}),
            ("unsigned", module("unsigned", one), {}),
            ("foreign", signed(module("foreign", one), "Another key"), {}),
            ("no_digest", signed(module("no_digest", one)), {"sha256": None}),
            ("no_provenance", signed(module("no_provenance", one)), {"provenance": None}),
            ("no_cves", signed(module("no_cves", one)), {"cves": None}),
            ("expired", signed(module("expired", one)), {"expires": "2020-01-31"})]):
        add(repository, f"{number}/{name}.ko", content, **entry)
    (repository / "patches" / "no_entry.ko").write_bytes(signed(module("no_entry", one)))
    (repository / "patches" / "at_run_time.ko").write_bytes(
        signed(module("at_run_time", one, "-DREPLACE=true", source="source_allocated")))
    code, output = shell("ansible-playbook check_bundle.yml")
    found = dict(line.split(": ") for line in faults(output))
    assert code == 2
    assert {key: set(paths.split(", ")) for key, paths in found.items()} == {
        "is no live patch": {"0/no_patch.ko"},
        "cannot be unloaded": {"1/no_exit.ko", "at_run_time.ko"},
        "makes its tables at run time": {"at_run_time.ko"},
        "does not replace earlier patches": {"0/no_patch.ko", "2/stacked.ko", "at_run_time.ko"},
        "is not signed": {"3/unsigned.ko"},
        "is signed by another key": {"4/foreign.ko"},
        "has no entry in bundle.yml": {"no_entry.ko", "at_run_time.ko"},
        "has no sha256": {"5/no_digest.ko"},
        "has no provenance": {"6/no_provenance.ko"},
        "names no CVE": {"7/no_cves.ko"},
        "has expired": {"8/expired.ko"},
    }
    playbook, = yaml.safe_load((EXAMPLES / "check_bundle.yml").read_text())
    assert set(playbook["vars"]["faults"]) - set(found) == {"is another build of a name that hosts can have"}


def test_a_kernel_without_a_build_and_one_with_two_patches_are_named(repository, shell, module, signed):
    policy = repository / "policy.yml"
    policy.write_text(policy.read_text() + "  - 6.12.118+deb13-amd64 x86_64\n")
    add(repository, "other.ko", signed(module("other", KERNELS[1])))
    code, output = shell("ansible-playbook check_bundle.yml")
    assert (code, faults(output)) == (2, [
        f"{KERNELS[1]} x86_64 has {KERNELS[1]}/fix.ko, other.ko", "6.12.118+deb13-amd64 x86_64 has no build"]), output


def test_versions_of_one_patch_are_no_fault(repository, shell, module, signed):
    for version in ("fix_2", "fix_3"):
        add(repository, f"{version}.ko", signed(module(version, KERNELS[0])))
    code, output = shell("ansible-playbook check_bundle.yml")
    assert (code, faults(output)) == (0, []), output


@pytest.mark.parametrize(
    "damage", [lambda image: image[:2000], lambda image: image + b"x"], ids=["shorter", "longer"])
def test_a_damaged_file_ends_the_check(repository, shell, damage):
    file = repository / "patches" / KERNELS[0] / "fix.ko"
    file.write_bytes(damage(file.read_bytes()))
    code, output = shell("ansible-playbook check_bundle.yml")
    assert (code, "has the sha256 digest" in output) == (2, True), output


def jobs_of_gitlab():
    """The scripts of the jobs, each with those that it extends and the default before them."""
    content = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())
    jobs = {name: {**content[job["extends"]], **job} for name, job in content.items()
            if isinstance(job, dict) and "script" in job}
    assert {job["stage"] for job in jobs.values()} == set(content["stages"])
    variables = content["variables"]
    return {name: ("\n".join(content["default"]["before_script"] + job["script"]), variables, job)
            for name, job in jobs.items()}


def jobs_of_github():
    """The commands of the jobs; a checkout of another branch is the only other step in front of them."""
    content = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
    return {name: (
        "\n".join(step["run"] for step in job["steps"] if "run" in step), {**content["env"], "SSH_KEY": "simulated"},
        job) for name, job in content["jobs"].items()}


def commit(shell, repository, tmp_path):
    """Make the checkout one of a branch, with the target branch `main` on a server of its own."""
    git = "git -c user.name=a -c user.email=a@example.com"
    code, output = shell(
        f"git init -q -b main && {git} add . && {git} commit -qm 'Add the bundle' && "
        f"git clone -q --bare . {tmp_path}/server && git remote add origin {tmp_path}/server")
    assert code == 0, output


def rebuild(repository, module, signed):
    """A build of a patch that is changed and keeps its name, as in a merge request."""
    changed = module("fix", KERNELS[0], "-DREPLACE=true", "-DEXIT", '-DBUILD="2"')
    add(repository, f"{KERNELS[0]}/fix.ko", signed(changed))


def test_the_check_of_gitlab_compares_with_the_target_branch(repository, shell, tmp_path, module, signed):
    commit(shell, repository, tmp_path)
    script, variables, job = jobs_of_gitlab()["check-bundle"]
    assert "merge_request_event" in job["rules"][0]["if"]
    code, output = shell(script, **variables, CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")
    assert (code, faults(output)) == (0, []), output
    shell("git worktree remove target")
    rebuild(repository, module, signed)
    code, output = shell(script, **variables, CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")
    assert (code, faults(output)) == (
        2, [f"is another build of a name that hosts can have: fix for {KERNELS[0]}"]), output


def test_the_check_of_github_compares_with_the_target_branch(repository, shell, module, signed):
    script, variables, job = jobs_of_github()["check-bundle"]
    first, second = (step for step in job["steps"] if "uses" in step)
    assert ("with" in first, second["with"]) == (False, {"ref": "${{ github.base_ref }}", "path": "target"})
    shutil.copytree(repository / "patches", repository / second["with"]["path"] / "patches")
    code, output = shell(script, **variables)
    assert (code, faults(output)) == (0, []), output
    rebuild(repository, module, signed)
    code, output = shell(script, **variables)
    assert (code, faults(output)) == (
        2, [f"is another build of a name that hosts can have: fix for {KERNELS[0]}"]), output


def hurry(repository):
    """No soak: the simulated hosts have nothing to wait for."""
    options = repository / "rollout_options.yml"
    given = yaml.safe_load(options.read_text())
    options.write_text(yaml.safe_dump({**given, "livepatch_soak": 0, "livepatch_looks": 1}))


@pytest.mark.parametrize("jobs", [jobs_of_gitlab, jobs_of_github])
def test_a_pipeline_patches_the_canaries_and_then_the_fleet(jobs, repository, shell, tmp_path):
    hurry(repository)
    simulate_fleet(repository, {name: {"kernel": KERNELS[0]} for name in HOSTS})
    (tmp_path / "key").write_text("simulated")
    states = {}
    order = [name for name in ("plan", "canaries", "fleet") if name in jobs()]
    for name in order:
        script, variables, _job = jobs()[name]
        code, output = shell(script, **variables, **({} if "SSH_KEY" in variables else {
            "ANSIBLE_PRIVATE_KEY_FILE": str(tmp_path / "key")}))
        assert code == 0, output
        assert '"outcome": "planned"' in output or '"outcome": "complete"' in output, output
        states[name] = sorted(file.name for file in (repository / "fleet").glob("*") if file.read_text() == "accepted")
        assert list((repository / "reports").glob("livepatch-rollout-*.html"))
    assert [states[name] for name in order] == [[], ["web1"], list(HOSTS)][-len(order):]


def test_a_pipeline_ends_with_the_exit_code_of_a_failed_wave(repository, shell):
    hurry(repository)
    simulate_fleet(repository, {name: {"kernel": KERNELS[0], "load": "failed"} for name in HOSTS})
    script, variables, job = jobs_of_github()["canaries"]
    code, output = shell(script, **variables)
    assert (code, '"ok": false' in output) == (2, True), output
    upload = job["steps"][-1]
    assert (upload["if"], upload["with"]["path"]) == ("always()", "reports/")
    assert list((repository / "reports").glob("livepatch-rollout-*.json"))


@pytest.mark.parametrize("jobs", [jobs_of_gitlab, jobs_of_github])
def test_every_job_installs_what_the_collection_needs(jobs):
    needed = (CHECKOUT / "meta" / "ee-requirements.txt").read_text()
    libraries = set(re.findall(r"^[a-z]+", needed, re.MULTILINE))
    assert libraries
    for script, _variables, _job in jobs().values():
        assert {"ansible-core", *libraries} <= set(re.search(r"^pip install (.*)$", script, re.MULTILINE)[1].split())
        assert "ansible-galaxy collection install -r requirements.yml" in script
    (collection,) = yaml.safe_load((EXAMPLES / "requirements.yml").read_text())["collections"]
    assert collection["name"] == "kernel.livepatch"
