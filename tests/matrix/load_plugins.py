# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads every plugin as Ansible does, and imports every other file: `python load_plugins.py COLLECTIONS`.

Runs in an environment with ansible-core alone. The last line of its output is the number of files. A deprecation
warning of Python about a file of this collection is an error.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

from ansible.plugins import loader

NAME = "kernel.livepatch"
LOADERS = {kind: f"{kind}_loader" for kind in ("action", "callback", "filter", "lookup")}


def main(root: Path) -> int:
    loader.init_plugin_loader([str(root)])
    plugins = root / "ansible_collections" / "kernel" / "livepatch" / "plugins"
    files = sorted(plugins.rglob("*.py"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for file in files:
            load(file.relative_to(plugins))
    problems = [f"{warning.filename}: {warning.message}" for warning in caught if is_own(warning, root)]
    print(*problems, sep="\n")
    print(len(files))
    return 1 if problems else 0


def load(file: Path) -> None:
    """Load a plugin by its name; raises ValueError where Ansible finds none."""
    kind = file.parts[0]
    if kind in LOADERS:
        options = {} if kind == "filter" else {"class_only": True}
        if getattr(loader, LOADERS[kind]).get(f"{NAME}.{file.stem}", **options) is None:
            raise ValueError(f"Ansible does not find the {kind} plugin {NAME}.{file.stem}")
    elif kind == "modules" and loader.module_loader.find_plugin(f"{NAME}.{file.stem}") is None:
        raise ValueError(f"Ansible does not find the module {NAME}.{file.stem}")
    importlib.import_module(".".join(("ansible_collections", NAME, "plugins", *file.with_suffix("").parts)))


def is_own(warning: warnings.WarningMessage, root: Path) -> bool:
    """Whether it is a deprecation in a file of this collection."""
    own = {str(root), str(Path(root, "ansible_collections/kernel/livepatch").resolve())}
    deprecation = issubclass(warning.category, (DeprecationWarning, PendingDeprecationWarning, SyntaxWarning))
    return deprecation and warning.filename.startswith(tuple(own))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
