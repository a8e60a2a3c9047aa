# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook has one section with its variables: those of the argument_specs, which it and its roles read."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
GUIDES = CHECKOUT / "docs" / "docsite" / "rst"
COLLECTION = "kernel.livepatch."
VARIABLE = re.compile(r"(?<![\w.])livepatch_[a-z_]+\b(?!\()")

# The section of each playbook: the guide, and the beginning of the heading.
SECTIONS = {
    "awx": ("guide_awx.rst", "Variables of the playbook ``awx``"),
    "build": ("guide_build.rst", "Variables"),
    "preflight": ("guide_preflight.rst", "Variables"),
    "pull": ("guide_pull.rst", "Variables"),
    "rollback": ("guide_fleet.rst", "Variables of the playbook ``rollback``"),
    "rollout": ("guide_rollout.rst", "Variables"),
    "status": ("guide_fleet.rst", "Variables of the playbook ``status``"),
}
# The role and its entry point with the same variables as the playbook.
ENTRY_POINTS = {
    "awx": ("awx", "main"),
    "build": ("build", "main"),
    "preflight": ("preflight", "main"),
    "pull": ("pull", "main"),
    "rollback": ("rollback", "main"),
    "rollout": ("apply", "rollout"),
    "status": ("report", "status"),
}
# A guide that also has the variables of a role that no playbook is.
GUIDE_OF_REPORT = "guide_report.rst"
# What the playbook apply has no use for, since it makes no waves.
OF_WAVES = {
    f"livepatch_{name}" for name in (
        "waves", "failure_budget", "on_breach", "approve", "approved", "interactive", "longest_trial", "halt_file",
        "shard", "shard_dir", "shard_timeout")}
NO_DEFAULT = ("-", "\\-", "none", "computed", "derived", "required")


def tables(guide: str) -> dict[str, dict[str, str]]:
    """Return by heading the variables of its tables, each with its default as the table says it, in lower case."""
    found: dict[str, dict[str, str]] = {}
    lines = guide.splitlines()
    heading = ""
    for number, line in enumerate(lines):
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if line and re.fullmatch(r"([=\-~^])\1{2,}", below) and len(below) >= len(line):
            heading = line
        for name, default in _row(lines, number):
            found.setdefault(heading, {})[name] = default
    return found


def _row(lines: list[str], number: int) -> Iterator[tuple[str, str]]:
    """The variable and the default of the row that begins in this line, of a list-table or of a simple table."""
    entry = re.match(r"( *)\* - ``(livepatch_\w+)``$", lines[number])
    if entry:
        yield entry[2], _cell_of_list(lines, number, len(entry[1]))
    entry = re.match(r"``(livepatch_\w+)`` ", lines[number])
    borders = _borders_above(lines, number)
    if entry and len(borders) > 1:
        yield entry[1], _cell_of_columns(lines, number, borders[0])


def _cell_of_list(lines: list[str], number: int, indent: int) -> str:
    start = max(at for at in range(number) if ":header-rows: 1" in lines[at])
    return _cells(lines, number, indent)[_cells(lines, _next_row(lines, start, indent), indent).index("default")]


def _next_row(lines: list[str], number: int, indent: int) -> int:
    return next(at for at in range(number, len(lines)) if lines[at].startswith(f"{' ' * indent}* - "))


def _cells(lines: list[str], number: int, indent: int) -> list[str]:
    cells = [lines[number][indent + 4:].strip().lower()]
    for line in lines[number + 1:]:
        if line.startswith(f"{' ' * indent}  - "):
            cells.append(line[indent + 4:].strip().lower())
        elif line.startswith(" " * (indent + 4)):
            cells[-1] += f" {line.strip().lower()}"
        else:
            break
    return cells


def _borders_above(lines: list[str], number: int) -> list[int]:
    """The lines between this one and the blank line above that are borders of a simple table, the nearest first."""
    start = next((at for at in range(number, -1, -1) if not lines[at].strip()), 0)
    return [at for at in range(number, start, -1) if re.fullmatch(r"=+( +=+)+", lines[at])]


def _cell_of_columns(lines: list[str], number: int, border: int) -> str:
    head = lines[border - 1]
    columns = [match.span() for match in re.finditer("=+", lines[border])]
    start, end = next(span for span in columns if head[span[0]:span[1]].strip().lower() == "default")
    return lines[number][start:end].strip().lower()


def read(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def is_heading_of(playbook: str, heading: str) -> bool:
    return heading.startswith(SECTIONS[playbook][1])


@functools.cache
def documented(playbook: str) -> dict[str, str]:
    guide = tables((GUIDES / SECTIONS[playbook][0]).read_text(encoding="utf-8"))
    sections = [variables for heading, variables in guide.items() if is_heading_of(playbook, heading)]
    assert len(sections) == 1
    return sections[0]


def read_by(playbook: str) -> set[str]:
    """The public variables in a playbook and in the files of roles that it runs, without what it leaves for others."""
    files = {f"playbooks/{playbook}.yml"}
    while True:
        more = files | {name for file in files for name in _used_by(file)}
        if more == files:
            break
        files = more
    texts = ["\n".join(re.sub(r"(^|\s)#.*", "", line) for line in read(file).splitlines()) for file in files]
    used = {name for text in texts for name in VARIABLE.findall(text)}
    return used - {name for file in files for name in _artifacts(yaml.safe_load(read(file)))}


def _used_by(file: str) -> Iterator[str]:
    """The files that the tasks of a file run, and the variables of roles."""
    for words, task in _actions(yaml.safe_load(read(file))):
        if words in ("import_role", "include_role"):
            role = f"roles/{task['name'].removeprefix(COLLECTION)}"
            yield f"{role}/tasks/{task.get('tasks_from', 'main.yml')}"
            yield from (str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob(f"{role}/[dv]*/main.yml"))
        elif words in ("import_tasks", "include_tasks"):
            name = task if isinstance(task, str) else task["file"]
            if "{{" not in name:
                yield str(Path(file).parent / name)


def _actions(node: object) -> Iterator[tuple[str, object]]:
    """Each key of an action of Ansible's own, by its last word, with its arguments."""
    if isinstance(node, list):
        for entry in node:
            yield from _actions(entry)
    elif isinstance(node, dict):
        for key, value in node.items():
            if str(key).startswith("ansible.builtin."):
                yield key.rsplit(".", 1)[-1], value
            else:
                yield from _actions(value)


def _artifacts(node: object) -> set[str]:
    return {name for words, task in _actions(node) if words == "set_stats" for name in task["data"]}


def specified(role: str, entry_point: str) -> dict[str, dict]:
    """The options of one entry point in a role's argument_specs."""
    return yaml.safe_load(read(f"roles/{role}/meta/argument_specs.yml"))["argument_specs"][entry_point]["options"]


def default_in(option: dict) -> str:
    """A default of the argument_specs as a guide says it."""
    value = option["default"]
    if value in ([], {}):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value).lower()


@pytest.mark.parametrize("playbook", SECTIONS)
def test_section_has_every_variable_that_is_read_and_no_other(playbook):
    assert sorted(documented(playbook)) == sorted(read_by(playbook))


@pytest.mark.parametrize("playbook", SECTIONS)
def test_section_has_the_variables_of_the_argument_specs(playbook):
    assert sorted(documented(playbook)) == sorted(specified(*ENTRY_POINTS[playbook]))


@pytest.mark.parametrize("playbook", SECTIONS)
def test_defaults_are_those_of_the_argument_specs(playbook):
    for name, option in specified(*ENTRY_POINTS[playbook]).items():
        said = documented(playbook)[name].strip("`")
        if "default" in option:
            assert (name, said) == (name, default_in(option))
        else:
            assert (name, said in NO_DEFAULT, said == "required") == (name, True, option.get("required", False))


def test_apply_takes_the_variables_of_a_rollout_without_those_of_waves():
    assert sorted(specified("apply", "main")) == sorted(set(documented("rollout")) - OF_WAVES)
    assert read_by("apply") == read_by("rollout")


def test_the_guide_to_reports_has_the_variables_of_the_role():
    sections = list(tables(read(f"docs/docsite/rst/{GUIDE_OF_REPORT}")).values())
    assert [sorted(section) for section in sections] == [sorted(specified("report", "main"))]


SURVEY = re.compile(r"^   \* - (Text|Textarea|Integer|Multiple choice)\b(.*)\n((?:     .*\n)+)", re.MULTILINE)


def kind_of_question(option: dict) -> str:
    """The question of an AWX survey that fits an option of the argument_specs."""
    if option.get("type") == "bool" or "choices" in option:
        return "Multiple choice"
    if option.get("type") == "int":
        return "Integer"
    # AWX has no question for a dict, or for a list of dicts.
    return "Textarea" if option.get("type") == "dict" or option.get("elements") == "dict" else "Text"


def test_the_guide_to_awx_has_every_variable_with_the_question_that_fits():
    options = {
        # The playbook awx makes the surveys, and a host runs pull itself.
        name: option for playbook, entry_point in ENTRY_POINTS.items() if playbook not in ("awx", "pull")
        for name, option in specified(*entry_point).items()}
    found = [
        (name, row[1], "true" in row[2]) for row in SURVEY.finditer(read("docs/docsite/rst/guide_awx.rst"))
        for name in VARIABLE.findall(row[3])]
    assert sorted(found) == sorted(
        (name, kind_of_question(option), option.get("type") == "bool") for name, option in options.items())


def test_no_guide_has_a_table_of_variables_elsewhere():
    elsewhere = {
        (path.name, heading)
        for path in GUIDES.glob("*.rst") if path.name != GUIDE_OF_REPORT
        for heading in tables(path.read_text(encoding="utf-8"))
        if not any(path.name == SECTIONS[playbook][0] and is_heading_of(playbook, heading) for playbook in SECTIONS)}
    assert elsewhere == set()


def test_rows_of_both_kinds_of_tables_are_seen():
    guide = (
        "One\n---\n\n.. list-table::\n   :header-rows: 1\n\n   * - Variable\n     - Meaning\n     - Default\n"
        "   * - ``livepatch_a``\n     - Text\n       on two lines.\n     - 90\n\n"
        "``livepatch_c`` is no row.\n\nTwo\n---\n\n"
        "=============== ======= ====\nvariable        default text\n=============== ======= ====\n"
        "``livepatch_b`` 3       A b.\n=============== ======= ====\n")
    assert tables(guide) == {"One": {"livepatch_a": "90"}, "Two": {"livepatch_b": "3"}}


def test_private_variables_and_artifacts_are_no_variables_of_a_playbook():
    assert VARIABLE.findall("{{ livepatch_a }} __livepatch_b kernel.livepatch_c x.livepatch_d") == ["livepatch_a"]
    assert _artifacts([{"block": [{"ansible.builtin.set_stats": {"data": {"livepatch_x": 1}}}]}]) == {"livepatch_x"}
