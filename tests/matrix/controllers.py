# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of controllers: plugins, documentation and playbooks on one ansible-core, and runs of ansible-playbook."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.check.paths import CHECKOUT
from tests.matrix import environments, rows
from tests.matrix.rows import Failure, Row
from tests.matrix.versions import Controller

LOAD_PLUGINS = Path(__file__).with_name("load_plugins.py")
OTHERS_MODULE = re.compile(r"^  - (\w+)\.(\w+)\.(\w+)$", re.MULTILINE)
OWN = re.compile(r"kernel[./]livepatch(?![-])")
KINDS = ("module", "lookup", "filter", "callback", "role")
PLAYBOOKS = sorted(path.stem for path in (CHECKOUT / "playbooks").glob("*.yml"))
# The action plugins, and each playbook run by ansible-playbook against simulated hosts.
UNIT_TESTS = (
    "action", "filter", "lookup", *(f"playbooks/test_{name}" for name in (
        "argument_specs.py", "hostile_host_playbook.py",
        "rollout_playbook.py::test_a_clean_rollout_accepts_every_host_and_reports",
        "rollout_playbook.py::test_a_rollback_after_a_breach_has_the_same_run",
        "rollout_playbook.py::test_apply_patches_all_at_once_and_each_host_stands_for_itself",
        "preflight_playbook.py::test_the_run_leaves_an_artifact_and_a_report",
        "status_playbook.py::test_settings_of_others_do_not_break_the_summary",
        "rollback_playbook.py::test_the_options_reach_the_hosts",
        "report_playbook.py::test_the_role_reports_a_rollback_out_of_results",
        "build_playbook.py::test_a_patch_is_built_once",
        "awx_playbook.py::test_what_it_makes")))
UNIT_MINUTES, COMMAND_MINUTES = 60, 10


def fill(row: Row, controller: Controller) -> None:
    """Compute the cells of a row; raises Skip where this ansible-core cannot be had."""
    core = environments.install(controller, row)
    row.cells = [core.version, core.python]
    with collections() as tree, tempfile.TemporaryDirectory(prefix="kernel-livepatch-matrix-") as directory:
        log = Path(directory, "ansible.log")
        settings = {"ANSIBLE_COLLECTIONS_PATH": str(tree), "ANSIBLE_HOME": directory, "HOME": directory}
        row.add("plugins", lambda: _plugins(row, core, settings))
        row.add("documentation", lambda: _documentation(row, core, settings))
        row.add("playbooks", lambda: _playbooks(row, core, settings))
        # Each run of ansible-playbook in a test adds what it prints.
        row.add("unit tests", lambda: _unit_tests(row, core, {"ANSIBLE_LOG_PATH": str(log)}))
        row.printed += log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    row.add("deprecations", lambda: _deprecations(row))
    row.add("support", lambda: _support(controller, core))


@contextmanager
def collections() -> Iterator[Path]:
    """Yield a directory for ANSIBLE_COLLECTIONS_PATH, in which this checkout is.

    It also has empty stand-ins for the modules of other collections, which the checkout lists for ansible-lint.
    """
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-matrix-") as directory:
        namespace = Path(directory, "ansible_collections", "kernel")
        namespace.mkdir(parents=True)
        (namespace / "livepatch").symlink_to(CHECKOUT)
        listed = (CHECKOUT / ".ansible-lint").read_text(encoding="utf-8")
        for space, name, module in OTHERS_MODULE.findall(listed):
            modules = namespace.parent / space / name / "plugins" / "modules"
            modules.mkdir(parents=True, exist_ok=True)
            (modules / f"{module}.py").touch()
            galaxy = f"namespace: {space}\nname: {name}\nversion: 0.0.0\nauthors: [None]\nreadme: none\n"
            modules.parents[1].joinpath("galaxy.yml").write_text(galaxy, encoding="utf-8")
        yield Path(directory)


def _plugins(row: Row, core: environments.Core, settings: dict[str, str]) -> str:
    command = [core.programs / "python", LOAD_PLUGINS, settings["ANSIBLE_COLLECTIONS_PATH"]]
    return f"{rows.last_line(row.run('plugins', command, COMMAND_MINUTES, env=settings))} loaded"


def _documentation(row: Row, core: environments.Core, settings: dict[str, str]) -> str:
    read = 0
    for kind in KINDS:
        doc = [core.programs / "ansible-doc", "--type", kind, "--json"]
        ask = [*doc, "--list", "kernel.livepatch"]
        listed = documents(row.run("documentation", ask, COMMAND_MINUTES, env=settings))
        output = row.run("documentation", [*doc, *sorted(listed)], COMMAND_MINUTES, env=settings)
        found = {name for name, page in documents(output).items() if page.get("doc") or page.get("entry_points")}
        if found != set(listed) or not found:
            raise Failure(f"{kind}: no documentation of {', '.join(sorted(set(listed) - found)) or 'anything'}")
        read += len(found)
    return f"{read} read"


def documents(output: str) -> dict[str, dict]:
    """Return the JSON of ansible-doc; raises Failure for a warning about this collection, or where there is none.

    ansible-core also warns about collections of its own.
    """
    begin = re.search(r"^\{", output, re.MULTILINE)
    if not begin:
        raise Failure(rows.last_line(output) or "no output")
    found, end = json.JSONDecoder().raw_decode(output, begin.start())
    for warning in re.split(r"^(?=\[(?:WARNING|ERROR)\])", output[:begin.start()] + output[end:], flags=re.MULTILINE):
        # It is wrapped, also within words.
        if OWN.search("".join(warning.split())):
            raise Failure(warning)
    return found


def _playbooks(row: Row, core: environments.Core, settings: dict[str, str]) -> str:
    names = [f"kernel.livepatch.{name}" for name in PLAYBOOKS]
    command = [core.programs / "ansible-playbook", "-i", "localhost,", "--syntax-check", *names]
    shown = row.run("playbooks", command, COMMAND_MINUTES, env=settings).count("\nplaybook: ")
    if shown != len(names):
        raise Failure(f"{shown} of {len(names)} passed")
    return f"{shown} parsed"


def _unit_tests(row: Row, core: environments.Core, settings: dict[str, str]) -> str:
    command = [*core.pytest(), "--quiet"]
    tests = [f"tests/unit/plugins/{name}" for name in UNIT_TESTS]
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-matrix-") as examples:
        env = {**settings, "HYPOTHESIS_STORAGE_DIRECTORY": examples}
        return row.pytest("unit tests", [*command, *tests], UNIT_MINUTES, cwd=CHECKOUT, env=env)


def _deprecations(row: Row) -> str:
    found = rows.deprecations(row.printed)
    if found:
        raise Failure(f"{len(found)}, the first is: {found[0]}")
    return "none"


def _support(controller: Controller, core: environments.Core) -> str:
    environments.check_support(controller, core)
    return rows.today()
