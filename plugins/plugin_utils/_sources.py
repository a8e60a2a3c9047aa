# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: where the patch file or the bundle is that a task's src names."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._errors import TaskError


def find_source(action: ActionBase, source: str) -> Path:
    """Where a src is: where every task's files are, or else below the directory that Ansible was started in.

    The last is for this collection's own playbooks, which have no files of the user's beside them. Raises TaskError.
    """
    expanded = os.path.expanduser(source)
    try:
        return Path(action._find_needle("files", expanded))
    except AnsibleError as error:
        path = Path.cwd() / expanded
        if path.exists():
            return path
        places = (
            "" if path == Path(expanded) else
            f", neither beside the playbook, nor in a directory files/, nor in {Path.cwd()}")
        raise TaskError(
            "no-such-file",
            f"src {source} is not on the controller{places}: correct it, or, if it is a file on the host, use the "
            "module with remote_src.") from error
