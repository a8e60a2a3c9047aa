# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-test sanity`, on the newest ansible-core and on the oldest."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from check import environments, packages
from check.collection_tree import collection_tree
from check.environments import HOST_PYTHON, NEWEST_CORE, OLDEST_CORE, Environment
from check.paths import cache_dir
from check.run import Run

GET_PIP = Path(__file__).with_name("get_pip.py")


def run_sanity(run: Run) -> None:
    """Run every sanity test on both versions."""
    packages.ensure(run)
    for name, environment in (("sanity", NEWEST_CORE), ("sanity-oldest-core", OLDEST_CORE)):
        title = f"Sanity on {environment.title}"
        if environments.available(environment):
            _run_on(run, name, title, environment)
        else:
            run.skip(name, title, f"no Python {' or '.join(environment.pythons)} here")


def _run_on(run: Run, name: str, title: str, environment: Environment) -> None:
    programs = environments.ensure(run, environment)
    home = _home(environments.site_packages(run, environment))
    path = ":".join(map(str, [programs, *_host_interpreter(), *_path_without_shims()]))
    command = [str(programs / "ansible-test"), "sanity", "--venv", "--requirements", "--junit", "--color", "no"]
    with collection_tree() as collection:
        variables = run.variables(HOME=str(home), PATH=path)
        result = run.command(title, command, cwd=collection, env=variables, causes="ERROR: ")
        written = collection / "tests" / "output" / "junit"
        if written.is_dir():
            shutil.copytree(written, run.reports / name)
    run.account(name, title, result)


def _home(core: Path) -> Path:
    """Return the home directory for ansible-test: its caches stay out of the caller's own.

    ansible-test brings pip into its environments with a script from ci-files.testing.ansible.com. Where that
    site cannot be reached, nothing runs; so a script that uses Python's own ensurepip takes its place.
    """
    home = cache_dir() / "ansible-test"
    cached = home / ".ansible" / "test" / "cache"
    cached.mkdir(mode=0o700, parents=True, exist_ok=True)
    for version in _pip_versions(core):
        script = cached / f"get_pip_{version.replace('.', '_')}.py"
        if not script.exists():
            shutil.copyfile(GET_PIP, script)
    for settings in (".pip", ".config/pip"):
        _share(Path.home() / settings, home / settings)
    return home


def _pip_versions(core: Path) -> set[str]:
    """Return the versions of pip that this ansible-test brings in, from its own source."""
    source = (core / "ansible_test" / "_internal" / "python_requirements.py").read_text(encoding="utf-8")
    return set(re.findall(r"'(\d+(?:\.\d+)+)'", source[source.index("pip_version") :]))


def _share(settings: Path, link: Path) -> None:
    """Let pip find the caller's settings (a mirror, a certificate) below the other home directory too."""
    if settings.is_dir() and not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(settings)


def _host_interpreter() -> list[Path]:
    """Return where hosts' oldest Python is: ansible-test compiles for it only when it is on PATH."""
    found = environments.available(HOST_PYTHON)
    return [found.parent] if found else []


def _path_without_shims() -> list[str]:
    """Return PATH without pyenv's shims: they exist for every version but only run the chosen ones."""
    return [entry for entry in os.environ["PATH"].split(":") if not entry.rstrip("/").endswith("/shims")]
