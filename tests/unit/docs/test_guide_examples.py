# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides tell people to type: playbooks, modules, their options and variables, codes and files exist."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.metadata import _KEYS
from ansible_collections.kernel.livepatch.tests.unit.docs.test_playbook_variables import (
    COLLECTION,
    ENTRY_POINTS,
    VARIABLE,
    specified,
)

CHECKOUT = Path(__file__).resolve().parents[3]
GUIDES = sorted((CHECKOUT / "docs" / "docsite" / "rst").glob("guide_*.rst"))
EXAMPLES = CHECKOUT / "docs" / "examples"
NEWEST = ("guide_patches.rst", "guide_vendors.rst", "guide_pipelines.rst")
ROLES = {**ENTRY_POINTS, "apply": ("apply", "main")}
# Words with dashes in these guides that are programs, packages and the like.
NO_CODES = {
    "kpatch-build", "klp-build", "sign-file", "kpatch-patch", "kpatch-dnf", "kernel-devel", "patch-build"}


def blocks(text, kind):
    """The code blocks of a kind in a page in reStructuredText."""
    found = re.findall(rf"^( *)\.\. code-block:: {kind}\n\n((?:\1 +.*\n|\n)+)", text, re.MULTILINE)
    return [textwrap.dedent(block) for _indent, block in found]


def commands(text):
    """The commands behind a prompt, each as its words."""
    joined = "\n".join(blocks(text, "console")).replace("\\\n", " ")
    lines = re.findall(r"^[$#] (.*)$", joined, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def read(guide):
    return guide.read_text(encoding="utf-8")


def problems_of_command(words):
    """What does not exist of the playbook or the module that a command names."""
    if words[0] == "ansible-playbook":
        playbook = next((word.removeprefix(COLLECTION) for word in words if word.startswith(COLLECTION)), None)
        return _of_playbook(playbook, words) if playbook else []
    module = words[words.index("-m") + 1] if words[0] == "ansible" and "-m" in words else ""
    if not module.startswith(COLLECTION):
        return []
    given = words[words.index("-a") + 1] if "-a" in words else ""
    return _of_module(module, [pair.partition("=")[0] for pair in shlex.split(given)])


def _of_playbook(playbook, words):
    if playbook not in ROLES:
        return [f"{playbook} is no playbook"]
    given = [word for flag, word in itertools.pairwise(words) if flag == "-e"]
    names = [word.partition("=")[0] for word in given if not word.startswith("@")]
    return [f"{name} is no variable of {playbook}" for name in names if name not in specified(*ROLES[playbook])]


def options_of(module):
    """The options in the documentation of a module, with those of its fragments; None if there is no such module."""
    file = CHECKOUT / "plugins" / "modules" / f"{module.removeprefix(COLLECTION)}.py"
    if not file.is_file():
        return None
    documentation = yaml.safe_load(re.search(r'DOCUMENTATION = r"""\n(.*?)"""', read(file), re.DOTALL)[1])
    options = set(documentation["options"]) if "options" in documentation else set()
    fragments = read(CHECKOUT / "plugins" / "doc_fragments" / "_source.py")
    for name in documentation["extends_documentation_fragment"]:
        _start, _mark, part = name.removeprefix(COLLECTION).partition(".")
        if "_source" in name:
            found = re.search(rf'^ +{(part or "documentation").upper()} = r"""\n(.*?)"""', fragments, re.M | re.S)
            options |= set(yaml.safe_load(found[1])["options"])
    return options


def _of_module(module, given):
    options = options_of(module)
    if options is None:
        return [f"{module} is no module"]
    return [f"{name} is no option of {module}" for name in given if name not in options]


def modules_in(node):
    """Each module of this collection in a block of YAML, with its options."""
    if isinstance(node, list):
        for entry in node:
            yield from modules_in(entry)
    elif isinstance(node, dict):
        for key, value in node.items():
            if str(key).startswith(COLLECTION) and not isinstance(value, str):
                yield key, list(value or {})
            else:
                yield from modules_in(value)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_commands_name_playbooks_modules_and_variables_that_exist(guide):
    assert [problem for words in commands(read(guide)) if words for problem in problems_of_command(words)] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_tasks_name_options_that_exist(guide):
    found = [task for block in blocks(read(guide), "yaml") for task in modules_in(yaml.safe_load(block))]
    assert [problem for module, given in found for problem in _of_module(module, given)] == []


@pytest.mark.parametrize("guide", NEWEST)
def test_codes_in_a_guide_exist(guide):
    known = set(re.findall(r"^``([a-z-]+)``$", read(GUIDES[0].with_name("guide_codes.rst")), re.MULTILINE))
    said = set(re.findall(r"``([a-z]+(?:-[a-z]+)+)``", read(GUIDES[0].with_name(guide))))
    assert sorted(said - known - NO_CODES) == []


@pytest.mark.parametrize("guide", NEWEST)
def test_variables_in_a_guide_exist(guide):
    known = {name for role in ROLES.values() for name in specified(*role)} | {f"livepatch_{name}" for name in ROLES}
    said = set(VARIABLE.findall(read(GUIDES[0].with_name(guide))))
    assert sorted(said - known - {"livepatch_fix", "livepatch_hello"}) == []


def test_the_commands_of_the_guide_to_pipelines_are_those_of_the_pipelines():
    guide = read(GUIDES[0].with_name("guide_pipelines.rst"))
    rollouts = re.findall(r"``(ansible-playbook kernel\.livepatch\.rollout [^`]*)``", guide)
    assert len(rollouts) == 3
    pipelines = [(EXAMPLES / name).read_text(encoding="utf-8") for name in ("gitlab-ci.yml", "github-actions.yml")]
    for command in rollouts:
        assert f"- {command}\n" in pipelines[0]
        assert f": {command}\n" in pipelines[1] or "--check" in command


def test_the_guide_to_pipelines_has_every_rule_and_file_of_the_examples():
    guide = read(GUIDES[0].with_name("guide_pipelines.rst"))
    (playbook,) = yaml.safe_load((EXAMPLES / "check_bundle.yml").read_text(encoding="utf-8"))
    assert [rule for rule in playbook["vars"]["faults"] if f"``{rule}``" not in guide] == []
    for task in playbook["tasks"]:
        assert f"TASK [{task['name']}]" in guide
    (listing,) = [block for block in blocks(guide, "text") if "patches/ " in block]
    listed = set(re.findall(r"[\w.-]+\.(?:yml|cfg)\b", listing))
    for file in filter(Path.is_file, EXAMPLES.iterdir()):
        assert file.name in listed


def test_the_guide_to_bundles_has_every_key_of_bundle_yml_and_no_other():
    guide = read(GUIDES[0].with_name("guide_bundles.rst"))
    rows = re.findall(r"^   \* - ``(\w+)``\n     - (name or file|file)$", guide, re.MULTILINE)
    assert dict(rows) == {name: "file" if key.of_one_file else "name or file" for name, key in _KEYS.items()}


def test_the_key_of_the_guide_to_patches_is_made_as_it_says(tmp_path):
    guide = read(GUIDES[0].with_name("guide_patches.rst"))
    (settings,) = [block for block in blocks(guide, "ini") if "x509.cnf" in block]
    (tmp_path / "x509.cnf").write_text(settings)
    for words in commands(guide):
        if words[0] == "openssl":
            subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    shown = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", "module.der", "-noout", "-subject", "-ext",
         "extendedKeyUsage,keyUsage,basicConstraints"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "CN = Example live patches" in shown.replace("CN=", "CN = ")
    assert all(word in shown for word in ("Code Signing", "Digital Signature", "CA:FALSE"))


@pytest.mark.parametrize(("line", "problem"), [
    ("ansible-playbook kernel.livepatch.rolout -i fleet.yml", "rolout is no playbook"),
    ("ansible-playbook kernel.livepatch.status -e livepatch_waves=1", "livepatch_waves is no variable of status"),
    ("ansible all -m kernel.livepatch.patch_inf", "kernel.livepatch.patch_inf is no module"),
    ("ansible all -m kernel.livepatch.patch_rollback -a until=x",
     "until is no option of kernel.livepatch.patch_rollback")])
def test_a_wrong_command_is_seen(line, problem):
    (words,) = commands(f".. code-block:: console\n\n    $ {line}\n")
    assert problems_of_command(words) == [problem]


def test_a_wrong_option_in_a_block_is_seen():
    task = "        - kernel.livepatch.patch:\n            source: x\n            trial: 1\n"
    page = f"Text:\n\n    .. code-block:: yaml\n\n{task}"
    (block,) = blocks(page, "yaml")
    assert [_of_module(*task) for task in modules_in(yaml.safe_load(block))] == [
        ["source is no option of kernel.livepatch.patch"]]
