# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts and numbers in the guides are those of the code, and of the pages of results."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._console import commands, installation, manual
from ansible_collections.kernel.livepatch.plugins.module_utils._engine import insertion
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.build import BUILD
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import (
    private_directory,
    write_private,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._init import systemd
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import TAINTS
from ansible_collections.kernel.livepatch.plugins.module_utils._outputs import writer
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import paths
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.program import FLAGS
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.host_action import LARGEST_OUTPUT
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.offer import SMALL_OFFER
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import rollout_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.schedule import largest_wave
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.build import summarize_builds

CHECKOUT = Path(__file__).resolve().parents[3]
GUIDES = CHECKOUT / "docs" / "docsite" / "rst"


def read(page: str) -> str:
    return (GUIDES / f"{page}.rst").read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The rows of all list-tables of a page, as the text of their cells."""
    found = []
    for row in re.findall(r"^   \* - ?(.*\n(?:     .*\n)*)", text, re.MULTILINE):
        cells = re.split(r"^     - ?", row, flags=re.MULTILINE)
        found.append([" ".join(cell.split()) for cell in cells])
    return found


def test_rows_of_a_table_are_read():
    text = "   * - One\n       two\n     -\n     - ``three``\n   * - Four\n     - Five\n"
    assert rows(text) == [["One two", "", "``three``"], ["Four", "Five"]]


# Security and trust

def test_files_on_a_host_have_the_modes_in_the_guide(tmp_path):
    directory = private_directory(str(tmp_path / "one"))
    write_private(f"{directory}/file", lambda stream: stream.write(b""))
    modes = [f"{path.stat().st_mode & 0o7777:04o}" for path in (Path(directory), Path(directory, "file"))]
    of_paths = {row[0]: row[1] for row in rows(read("guide_trust")) if len(row) == 3}
    kept = f"``{paths.STATE_DIRECTORY}``, ``{paths.STORE_DIRECTORY}``"
    assert [of_paths[kept], of_paths["all files in them"]] == modes
    assert of_paths[f"``{paths.RUN_DIRECTORY}`` and its files"] == ", ".join(modes)
    assert of_paths[f"``{paths.TRIAL_ENDED}``"] == modes[1]
    assert of_paths[f"``{systemd.KEPT}``"] == f"{systemd.MODE:04o}"
    assert of_paths[f"``{systemd.WANTED}``"] == "link"


def test_the_files_for_others_have_the_modes_in_the_guide():
    of_paths = {row[0]: row[1] for row in rows(read("guide_trust")) if len(row) == 3}
    command, page = (f"``{directory}/{name}``" for directory, name in (
        (installation.COMMANDS_DIRECTORY, installation.COMMAND), (installation.MANUAL_DIRECTORY, installation.MANUAL)))
    assert (of_paths[command], of_paths[page]) == ("0755", "0644")
    assert of_paths[f"``{writer.METRICS}``, ``{writer.FACTS}``"] == f"{writer.MODE:04o}"


def test_the_removal_in_the_guide_names_every_file_that_a_host_gets():
    console, playbook = read("guide_upgrade").split(".. code-block:: yaml")
    written = (
        systemd.KEPT, paths.STATE_DIRECTORY, paths.CONFIGURATION,
        f"{installation.COMMANDS_DIRECTORY}/{installation.COMMAND}",
        f"{installation.MANUAL_DIRECTORY}/{installation.MANUAL}",
        f"{paths.METRICS_DIRECTORIES[0]}/{writer.METRICS}", f"{paths.FACTS_DIRECTORIES[0]}/{writer.FACTS}")
    assert [path for path in written if not re.search(rf"^    # rm .*{re.escape(path)}\b", console, re.MULTILINE)] == []
    assert [path for path in written if f"            - {path}\n" not in playbook] == []


def test_the_exit_codes_of_the_console_are_those_in_the_guide():
    codes = {row[0] for row in rows(read("guide_console")) if row[0].isdigit()}
    assert codes == {str(code) for code in (commands.DONE, commands.FAILED, commands.WRONG_USE, installation.NOT_ROOT)}
    assert codes == {code for code, _text in manual.EXIT_STATUS}


def test_the_directories_for_metrics_and_facts_are_those_in_the_guide():
    page = read("guide_monitoring")
    for path in (*paths.METRICS_DIRECTORIES, *paths.FACTS_DIRECTORIES, paths.CONFIGURATION):
        assert f"``{path}``" in page


def test_the_program_runs_with_the_flags_in_the_guide():
    assert f"``python {' '.join(FLAGS)}``" in read("guide_trust")


def test_the_host_half_has_a_network_connection_for_health_checks_only():
    imports = re.compile(r"^\s*(?:from|import) (?:socket|ssl|urllib\.request|http)\b", re.MULTILINE)
    files = [*CHECKOUT.glob("plugins/module_utils/**/*.py"), *CHECKOUT.glob("plugins/modules/*.py")]
    found = {file.stem for file in files if imports.search(file.read_text(encoding="utf-8"))}
    found |= {file.stem for file in files if "module_utils.urls" in file.read_text(encoding="utf-8")}
    assert found == {"url"}


def test_the_bound_of_an_output_is_that_in_the_guide():
    assert f"bounds the output ({LARGEST_OUTPUT >> 20} MB)" in read("guide_trust")


def test_the_number_of_the_taints_is_that_of_their_bits():
    text = read("guide_troubleshooting")
    bits = {letter: 1 << bit for bit, (letter, _meaning) in enumerate(TAINTS)}
    for letter in "KOE":
        assert re.search(rf"\b{letter}\s\({bits[letter]}\)", text)
    assert str(sum(bits[letter] for letter in "KOE")) in text


# Interfaces of kernels

@pytest.mark.parametrize("page", ["guide_interfaces", "guide_codes"])
def test_the_tries_while_the_kernel_is_busy_are_those_in_the_guide(page):
    text = " ".join(read(page).split())
    assert re.search(rf"{insertion.MOST_ATTEMPTS} times within {insertion.LONGEST_RETRY} seconds", text)


# Build patch files

def test_the_guide_to_builds_has_every_finding_before_a_build():
    named = {code for row in rows(read("guide_build")) for code in re.findall(r"``([a-z-]+)``", row[-1])}
    assert sorted(set(BUILD) - named) == []


def test_the_guide_to_builds_has_the_artifact_and_its_verdicts():
    text = read("guide_build")
    summary = summarize_builds(["6.1"], [{}])
    names = [*summary["counts"], *summary["kernels"][0], *(key for key in summary if key != "lines")]
    assert [name for name in names if f"``{name}``" not in text] == []


# Large fleets

def test_a_fork_makes_room_for_the_hosts_in_the_guide():
    options = rollout_options({"livepatch_src": "patches/"})
    assert f"at {largest_wave(options, 1)} hosts for each fork" in read("guide_large_fleets")
    for forks in (5, 50):
        assert largest_wave(options, forks) == largest_wave(options, 1) * forks
    assert f"at most {largest_wave(options, 5)} hosts at once" in read("guide_large_fleets")


def test_a_large_bundle_is_as_large_as_in_the_guide():
    assert f"descriptions above {SMALL_OFFER >> 10} KiB" in read("guide_large_fleets")


def test_figures_in_the_guide_to_large_fleets_are_rows_of_the_results():
    figures = {row[0].replace("``", "") for row in rows(read("guide_speed_results"))}
    section = read("guide_large_fleets").partition("Costs of the controller")[2]
    named = re.findall(r"^- ``([^`]*)``", section, re.MULTILINE)
    assert len(named) == 5
    assert [name for name in named if name not in figures] == []


def test_the_settings_are_a_configuration_that_ansible_reads():
    block = re.search(r"code-block:: ini\n\n((?: {4}.*\n|\n)+)", read("guide_large_fleets"))[1]
    parser = configparser.ConfigParser()
    parser.read_string(re.sub(r"^ {4}", "", block, flags=re.MULTILINE))
    assert (parser["connection"]["pipelining"], parser["defaults"]["forks"]) == ("true", "50")
    assert "ControlPersist" in parser["ssh_connection"]["ssh_args"]


# What is proven on which kernel

SEEN = ("real", "files only", "simulated", "never")
OF_KERNELS = [row for row in rows(read("guide_proven")) if row[1] in SEEN]


def outcomes() -> dict[tuple[str, str], set[str]]:
    """By test file and kernel: the outcomes in the page of results."""
    kernels, found = [], {}
    for row in rows(read("guide_kernels_results")):
        if row[:2] == ["Test file", "Case"]:
            kernels = row[2:]
        for kernel, outcome in zip(kernels, row[2:], strict=True):
            found.setdefault((row[0], kernel), set()).add(outcome)
    return found


def test_a_behaviour_seen_on_real_kernels_names_its_tests_and_others_name_none():
    assert {row[1] for row in OF_KERNELS} == set(SEEN)
    assert [row for row in OF_KERNELS if (row[1] == "real") != bool(row[2] and row[3])] == []


@pytest.mark.parametrize("row", [row for row in OF_KERNELS if row[1] == "real"], ids=lambda row: row[0])
def test_a_kernel_is_named_if_a_test_of_the_behaviour_has_passed_on_it(row):
    seen = outcomes()
    kernels = {kernel for _file, kernel in seen}
    files = re.findall(r"``(\w+)``", row[3])
    assert {file for file, _kernel in seen} >= set(files)
    passed = {kernel for kernel in kernels if any("passed" in seen[file, kernel] for file in files)}
    assert set(row[2].split(", ")) <= passed
    assert not any("failed" in seen[file, kernel] for file in files for kernel in kernels)


def test_every_file_of_the_suite_has_an_outcome_on_a_kernel():
    suite = {path.stem.removeprefix("test_") for path in Path(CHECKOUT, "tests/lab/suite").glob("test_*.py")}
    assert suite - {file for (file, _kernel), seen in outcomes().items() if "passed" in seen} == set()
