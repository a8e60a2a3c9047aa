# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Checks early that Ansible can read the user's task files: a later error would end the run."""

from __future__ import annotations

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.helpers import load_list_of_blocks
from ansible.playbook.task import Task
from ansible.playbook.task_include import TaskInclude
from ansible.vars.manager import VariableManager

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import bad_option

LONGEST = 300  # characters


def check_user_tasks(path: str, option: str, task: Task, loader: DataLoader) -> None:
    """Read the tasks of an option as if `task` included them. Raises TaskError `bad-option`."""
    try:
        _read(path, task, loader)
        return
    except AnsibleParserError as error:
        why = truncate(" ".join(str(error).split()), LONGEST)
    except TypeError:  # ansible-core 2.16
        why = "it imports a missing file"
    except AnsibleError:
        return  # an import may depend on the run; a host that cannot run it has failed
    raise bad_option(option, f"has {path}, which Ansible cannot read as tasks ({why})", "correct the file")


def _read(path: str, task: Task, loader: DataLoader) -> None:
    tasks = loader.load_from_file(path) or []
    if not isinstance(tasks, list):
        raise AnsibleParserError("it is not a list of tasks")
    include = TaskInclude.load({"include_tasks": path}, block=task._parent, role=task._role, loader=loader)
    load_list_of_blocks(
        tasks, play=task.get_play(), parent_block=include, role=task._role, loader=loader,
        variable_manager=VariableManager(loader=loader))
