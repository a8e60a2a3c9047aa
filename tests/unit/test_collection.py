# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises that the tree as a whole keeps: headers, sizes, what host code may import, what is documented.

Each rule is a function from a file's text to the sentences that say what is wrong, so that each is also shown a
text that breaks it.
"""

from __future__ import annotations

import ast
import fnmatch
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
HEADER = """\
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
MOST_LINES_OF_A_FILE = 450
MOST_LINES_OF_A_FUNCTION = 60
HOST_IMPORTS = re.compile(r"ansible\.module_utils\b|ansible_collections\.kernel\.livepatch\.plugins\.module_utils\b")
# The packages are those of tests/check/requirements/host-python.txt that tests call.
HOST_TEST_IMPORTS = re.compile(r"(packaging|pytest|yaml)\b|ansible_collections\.kernel\.livepatch\b")
# All that is for playbooks of others: what has a page, and what ansible-doc lists.
PUBLIC = {
    "callback": ["hooks"],
    "module": ["patch", "patch_build", "patch_check", "patch_hook", "patch_info", "patch_rollback", "patch_verify",
               "patch_watch"],
    "filter": ["preflight_summary", "rollback_summary", "status_summary"],
    "lookup": ["bundle", "hosts", "patch_file"],
}
BLOCKS = ("DOCUMENTATION", "EXAMPLES", "RETURN")


def files(*patterns: str) -> list[str]:
    """Return the files that match, relative to the checkout; results of ansible-test are not part of the tree."""
    found = {path for pattern in patterns for path in CHECKOUT.glob(pattern) if path.is_file()}
    names = sorted(str(path.relative_to(CHECKOUT)) for path in found)
    return [name for name in names if not name.startswith("tests/output/")]


PYTHON = files("*.py", "playbooks/**/*.py", "plugins/**/*.py", "tests/**/*.py")
HOST_CODE = files("plugins/module_utils/**/*.py", "plugins/modules/*.py")
HOST_TESTS = files("tests/unit/plugins/module_utils/**/*.py", "tests/unit/plugins/modules/*.py")
MODULES = files("plugins/modules/*.py")
DOCUMENTED = [*MODULES, *files("plugins/filter/*.py", "plugins/lookup/*.py")]
HELPERS = files("plugins/module_utils/**/*.py", "plugins/plugin_utils/**/*.py", "plugins/doc_fragments/*.py")
YAML = files("*.yml", "meta/**/*.yml", "playbooks/**/*.yml", "roles/**/*.yml", "tests/**/*.yml")


def header(text: str) -> list[str]:
    """The licence comes first, after a shebang if there is one; an empty file has nothing to license."""
    body = text.split("\n", 1)[1] if text.startswith("#!") else text
    return [] if body.startswith(HEADER) or not text else ["the licence header is missing"]


# Ansible has a module's results documented in its own file, one by one.
RETURNED = re.compile(r'^RETURN = r""".*?^"""$', re.MULTILINE | re.DOTALL)


def size(text: str) -> list[str]:
    """Files and functions can be read in one go."""
    lines = len(RETURNED.sub("", text).splitlines())
    problems = [f"{lines} lines"] if lines > MOST_LINES_OF_A_FILE else []
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    lengths = ((function.name, function.end_lineno - function.lineno + 1) for function in functions)
    return problems + [f"{name}: {length} lines" for name, length in lengths if length > MOST_LINES_OF_A_FUNCTION]


def host_imports(text: str) -> list[str]:
    """A host has the standard library and what Ansible sends: its module_utils and the collection's own."""
    names = (name for node in ast.walk(ast.parse(text)) for name in imported(node))
    return [f"imports {name}" for name in names if not is_on_hosts(name)]


def host_test_imports(text: str) -> list[str]:
    """The oldest Python of hosts runs these tests, with the few packages that are pinned for it."""
    names = (name for node in ast.walk(ast.parse(text)) for name in imported(node))
    return [f"imports {name}" for name in names if not is_on_hosts(name) and not HOST_TEST_IMPORTS.match(name)]


def imported(node: ast.AST) -> list[str]:
    """Return the modules that an import statement names, nothing for any other statement."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    return []


def is_on_hosts(name: str) -> bool:
    """Python 3.6 knows no `annotations` in __future__, and Python 2 is not supported: nothing is imported from it."""
    top = name.split(".")[0]
    return bool(HOST_IMPORTS.match(name)) or (top in sys.stdlib_module_names and top != "__future__")


def documentation(text: str) -> list[str]:
    """All three blocks of documentation are there, and each is YAML that says something."""
    constants = {
        node.targets[0].id: node.value.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    return [f"{block} is missing or empty" for block in BLOCKS if not yaml.safe_load(constants.get(block, ""))]


def swallowed_errors(text: str) -> list[str]:
    """A task that fails is never passed over."""
    return ["uses ignore_errors"] if re.search(r"^\s*-?\s*ignore_errors\s*:", text, re.MULTILINE) else []


def unreasoned_ignores(text: str) -> list[str]:
    """An entry for ansible-test to ignore gives its reason."""
    return [f"no reason: {line}" for line in text.splitlines() if line.strip() and not re.search(r"#\s*\S", line)]


RULES = {
    header: [*PYTHON, *YAML],
    size: PYTHON,
    host_imports: HOST_CODE,
    host_test_imports: HOST_TESTS,
    documentation: DOCUMENTED,
    swallowed_errors: [*YAML, *files("plugins/**/*.py")],
    unreasoned_ignores: files("tests/sanity/ignore-*.txt"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_tree_keeps_rule(rule):
    problems = {name: rule((CHECKOUT / name).read_text(encoding="utf-8")) for name in RULES[rule]}
    assert {name: found for name, found in problems.items() if found} == {}


BREACHES = [
    (header, "#!/usr/bin/python\nimport os\n", ["the licence header is missing"]),
    (size, "x = 1\n" * 451, ["451 lines"]),
    (size, 'RETURN = r"""\n' + "x:\n" * 451 + '"""\n', []),
    (size, "def long():\n" + "    x = 1\n" * 60, ["long: 61 lines"]),
    (host_imports, "import os.path\nimport elftools\n", ["imports elftools"]),
    (host_imports, "def late():\n    from . import _kernel\n", ["imports ."]),
    (host_imports, "from ansible.module_utils_of_others import x\n", ["imports ansible.module_utils_of_others"]),
    (host_imports, "from __future__ import annotations\n", ["imports __future__"]),
    (
        host_imports,
        "from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.modinfo import x\n",
        ["imports ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.modinfo"],
    ),
    (host_test_imports, "import yaml\nfrom hypothesis import given\nimport pytest\n", ["imports hypothesis"]),
    (
        documentation,
        'DOCUMENTATION = "a: b"\nRETURN = "# later"\n',
        ["EXAMPLES is missing or empty", "RETURN is missing or empty"],
    ),
    (swallowed_errors, "- name: Try\n  ignore_errors: true\n", ["uses ignore_errors"]),
    (unreasoned_ignores, "plugins/a.py pep8\nplugins/b.py pep8  # a table\n", ["no reason: plugins/a.py pep8"]),
]


@pytest.mark.parametrize(("rule", "text", "problems"), BREACHES)
def test_rule_sees_breach(rule, text, problems):
    assert rule(text) == problems


def test_every_module_is_in_the_action_group():
    """The group is for defaults of the modules' options, so that internal actions are not in it."""
    runtime = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text(encoding="utf-8"))
    assert runtime["action_groups"]["livepatch"] == [Path(name).stem for name in MODULES] == PUBLIC["module"]


def names_in_ansible_doc(kind: str) -> list[str]:
    """The names that `ansible-doc --list` shows of this collection, which are those that get a page too."""
    tree = next(path for path in map(Path, sys.path) if (path / "ansible_collections/kernel/livepatch").exists())
    command = [str(Path(sys.executable).with_name("ansible-doc")), "-t", kind, "--list", "--json", "kernel.livepatch"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(tree)))
    return sorted(name.removeprefix("kernel.livepatch.") for name in json.loads(done.stdout))


@pytest.mark.parametrize("kind", PUBLIC)
def test_ansible_doc_lists_what_is_public_and_nothing_else(kind):
    assert names_in_ansible_doc(kind) == PUBLIC[kind]


def test_internal_actions_say_so_in_a_file_that_makes_no_page():
    """Ansible's sanity tests want documentation for them; ansible-doc lists none that is in a file of its own."""
    for action in files("plugins/action/_*.py"):
        name = Path(action).stem.removeprefix("_")  # as action-plugin-docs of ansible-test looks for it
        found = yaml.safe_load((CHECKOUT / f"plugins/modules/{name}.yml").read_text(encoding="utf-8"))["DOCUMENTATION"]
        assert (found["module"], found["short_description"].split()[0]) == (name, "[INTERNAL]")
    assert len(files("plugins/action/_*.py")) == len(files("plugins/modules/*.yml")) == 5


def documented_options(name: str) -> list[str]:
    """The options of a module in the order of ansible-doc, with those of its fragments."""
    module = importlib.import_module(f"ansible_collections.kernel.livepatch.plugins.modules.{name}")
    documentation = yaml.safe_load(module.DOCUMENTATION)
    options = set(documentation.get("options", {}))
    for fragment in documentation["extends_documentation_fragment"]:
        _collection, file, *part = fragment.removeprefix("kernel.").split(".")
        fragments = importlib.import_module(
            f"ansible_collections.kernel.livepatch.plugins.doc_fragments.{file}").ModuleDocFragment
        options |= set(yaml.safe_load(getattr(fragments, part[0].upper() if part else "DOCUMENTATION"))["options"])
    return sorted(options)


@pytest.mark.parametrize("name", PUBLIC["module"])
def test_what_the_controller_fills_in_comes_last(name):
    """Only `watch`, whose name is fixed, is later in the alphabet."""
    options = [option for option in documented_options(name) if option != "watch"]
    assert [option for option in options if option.startswith("_")] == []
    assert "via_controller" not in options[:-1]
    assert ("via_controller" in options) == (name not in ("patch_info", "patch_watch"))


def test_helpers_are_private():
    """A package is private by its name, and the files in it are with it."""
    assert [name for name in HELPERS if not Path(name).parts[2].startswith("_")] == []
    assert [name for name in HELPERS if len(Path(name).parts) > 4] == []


def test_what_git_ignores_is_in_no_built_collection():
    ignored = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    text = (CHECKOUT / ".gitignore").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    # A pattern that does not begin with a slash holds in every directory.
    places = lines + [f"tests/{line}" for line in lines if not line.startswith("/")]
    made = [place.strip("/").replace("*", "x") for place in places]
    assert len(made) > len(lines)
    assert [name for name in made if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)] == []


def test_nothing_is_looked_for_in_vain():
    assert {"plugins/modules/patch.py", "tests/unit/test_collection.py"} <= set(PYTHON)
    assert {"galaxy.yml", "meta/runtime.yml"} <= set(YAML)
    assert HOST_CODE and DOCUMENTED and HELPERS
