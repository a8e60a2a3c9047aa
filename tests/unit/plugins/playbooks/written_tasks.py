# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of each play as they are written in playbooks and roles, with imports and includes followed."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

COLLECTION = Path(__file__).resolve().parents[4]
PLAYBOOKS = sorted(path.stem for path in (COLLECTION / "playbooks").glob("*.yml"))
ROLES = sorted(path.name for path in (COLLECTION / "roles").iterdir())
IN_PLAYBOOK = COLLECTION / "playbooks" / "any.yml"  # where the imports of a play are looked for
TASK_LISTS = ("pre_tasks", "tasks", "post_tasks", "handlers")
BLOCKS = ("block", "rescue", "always")
META = "ansible.builtin.meta"  # Ansible resolves no template in its name
# Files of tasks whose names are known at run time only: those of the collection's own among them.
AT_RUN_TIME = {
    "{{ item.file }}": ["user_tasks_done.yml"],
    "{{ __livepatch_before_file.file }}": ["before_done.yml"],
    "{{ __livepatch_after_file.file }}": ["after_done.yml"],
    "{{ __livepatch_file }}": ["stop.yml", "rollback.yml", "after.yml", "no_part.yml"],
    "{{ __livepatch_phase.file }}": ["user_tasks.yml", "look.yml", "accept.yml", "no_part.yml"]}
CHOSEN = re.compile(r"'(\w+\.yml)'")  # in a template that chooses between files


class Task(t.NamedTuple):
    """A task as it is written: its name with the variables of its imports, its keywords and its file."""

    name: str
    keywords: Mapping[str, t.Any]
    file: Path


def loaded(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def plays_of(playbook: str) -> list[dict[str, t.Any]]:
    return loaded(COLLECTION / "playbooks" / f"{playbook}.yml")


def tasks_of(play: Mapping[str, t.Any]) -> Iterator[Task]:
    """Every task of a play of a playbook, blocks, imports and includes as well as what is in them."""
    for role in play.get("roles", ()):
        yield from _of_role(role if isinstance(role, str) else role["role"], "main.yml", {})
    for key in TASK_LISTS:
        yield from _of_list(play.get(key, ()), IN_PLAYBOOK, {})


def _of_list(tasks: t.Any, file: Path, variables: Mapping[str, t.Any]) -> Iterator[Task]:
    for task in tasks:
        name = str(task.get("name", ""))
        for variable, value in variables.items() if META not in task else ():
            name = re.sub(rf"\{{\{{ *{variable} *\}}\}}", str(value), name)
        yield Task(name, task, file)
        inner = {**variables, **task.get("vars", {})}
        for key in BLOCKS:
            yield from _of_list(task.get(key, ()), file, inner)
        for action in ("import_tasks", "include_tasks"):
            if f"ansible.builtin.{action}" in task:
                included = task[f"ansible.builtin.{action}"]
                included = included if isinstance(included, str) else included["file"]
                for name in AT_RUN_TIME.get(included) or CHOSEN.findall(included) or [included]:
                    path = (file.parent / name).resolve()
                    yield from _of_list(loaded(path), path, inner)
        for action in ("import_role", "include_role"):
            if f"ansible.builtin.{action}" in task:
                role = task[f"ansible.builtin.{action}"]
                yield from _of_role(role["name"], role.get("tasks_from", "main.yml"), inner)


def _of_role(name: str, tasks_from: str, variables: Mapping[str, t.Any]) -> Iterator[Task]:
    path = COLLECTION / "roles" / name.removeprefix("kernel.livepatch.") / "tasks" / tasks_from
    yield from _of_list(loaded(path), path, variables)
