# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball for Galaxy: what is in it, and that the README's first example works from a place with nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

COLLECTION = Path(__file__).resolve().parents[4]
NEEDED = ("docs", "meta", "playbooks", "plugins", "roles")
# Importers of hubs read the last two: what the sanity tests are to pass over, and the oldest Python of hosts. They run
# ansible-lint too.
BESIDE = (".ansible-lint", "CHANGELOG.md", "COPYING", "FILES.json", "LICENSES", "MANIFEST.json", "README.md",
          "REUSE.toml", "changelogs", "tests/config.yml", "tests/sanity")
FIRST_EXAMPLE = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def ansible(program, *arguments, cwd, collections):
    """Run a program of this ansible-core; it finds no collection elsewhere and asks no server."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *map(str, arguments)], cwd=cwd, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "HOME": str(cwd), "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1",
             "ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0"})
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def tarball(tmp_path_factory):
    """The built collection."""
    place = tmp_path_factory.mktemp("built")
    code, output = ansible(
        "ansible-galaxy", "collection", "build", COLLECTION, "--output-path", place, cwd=place, collections=place)
    assert code == 0, output
    [built] = place.glob("kernel-livepatch-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def installed(tarball, tmp_path_factory):
    """A directory of collections with the installed tarball and nothing else."""
    place = tmp_path_factory.mktemp("installed")
    code, output = ansible(
        "ansible-galaxy", "collection", "install", "--offline", "-p", place, tarball, cwd=place, collections=place)
    assert code == 0, output
    return place


def entries(tarball):
    with tarfile.open(tarball) as built:
        return {member.name for member in built.getmembers() if not member.isdir()}


def is_below(name, places):
    return any(name == place or name.startswith(f"{place}/") for place in places)


def test_the_tarball_has_what_a_run_needs_and_no_tests_or_settings_of_developers(tarball):
    found = entries(tarball)
    assert sorted(name for name in found if not is_below(name, (*NEEDED, *BESIDE))) == []
    assert [name for name in found if name.startswith("changelogs/fragments/")] == []
    assert {"README.md", "COPYING", "LICENSES/GPL-3.0-or-later.txt", "meta/runtime.yml"} <= found


def test_every_file_that_a_run_needs_is_in_the_tarball(tarball):
    files = (path for place in NEEDED for path in COLLECTION.joinpath(place).rglob("*") if path.is_file())
    names = {str(path.relative_to(COLLECTION)) for path in files if "__pycache__" not in path.parts}
    assert len(names) > 300
    assert sorted(names - entries(tarball)) == []


def write_example(installed, place):
    """Write the README's first example as a playbook for this machine."""
    readme = installed / "ansible_collections" / "kernel" / "livepatch" / "README.md"
    [play] = yaml.safe_load(FIRST_EXAMPLE.search(readme.read_text(encoding="utf-8")).group(1))
    assert [*play["tasks"][0]][1:] == ["kernel.livepatch.patch"]
    (place / "example.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")


def test_the_first_example_of_the_readme_is_understood(installed, tmp_path):
    write_example(installed, tmp_path)
    code, output = ansible(
        "ansible-playbook", "--syntax-check", "example.yml", cwd=tmp_path, collections=installed)
    assert (code, "playbook: example.yml" in output) == (0, True), output


def test_the_first_example_of_the_readme_runs_on_this_machine(installed, tmp_path, build_module):
    """The bundle has a build for no kernel that runs, so that the result is the same on each machine."""
    write_example(installed, tmp_path)
    bundle = tmp_path / "patches"
    bundle.mkdir()
    build = build_module("source_simple", '-DVERMAGIC="0.0.1-none SMP mod_unload "')
    (bundle / "fix.ko").write_bytes(build.read_bytes())
    host = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"here": host}}}), encoding="utf-8")
    code, output = ansible(
        "ansible-playbook", "-i", "hosts.yml", "--check", "-v", "example.yml", cwd=tmp_path, collections=installed)
    assert (code, "no-build" in output) == (0, True), output
