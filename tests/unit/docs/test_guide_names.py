# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in the guides exist: modules and their options, playbooks, variables, codes, paths on a host, other guides."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.module_utils._init import systemd
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.build_options import BUILD_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import paths

CHECKOUT = Path(__file__).resolve().parents[3]
GUIDES = {path.stem: path.read_text(encoding="utf-8") for path in (CHECKOUT / "docs/docsite/rst").glob("*.rst")}
SECTIONS = yaml.safe_load((CHECKOUT / "docs/docsite/extra-docs.yml").read_text(encoding="utf-8"))["sections"]
LABEL = "ansible_collections.kernel.livepatch.docsite."
CODES = set(re.findall(r"^``([a-z-]+)``$", GUIDES["guide_codes"], re.MULTILINE))

# Literals in the form of a code: programs, files, reasons and outcomes.
NO_CODES = {
    "ansible-builder", "ansible-doc", "ansible-galaxy", "ansible-inventory", "ansible-navigator",
    "ansible-playbook", "ansible-pull", "ansible-runner", "ansible-sign", "apt-get", "asleep-in-function",
    "clean-shutdown", "crashed-after-boot", "crashed-on-trial", "in-transition", "kernel-devel", "kernel-livepatch",
    "kgraft-patch", "klp-build", "kpatch-build", "kpatch-core", "kpatch-dnf", "kpatch-patch", "sign-file",
    "systemd-run", "truncated-truncated-truncated", "unreliable-stack"}
OF_HOST = {
    *paths.FILES, *paths.DIRECTORIES, systemd.KEPT, systemd.WANTED, f"{systemd.RUNNING}/{systemd.UNIT}",
    BUILD_DIRECTORY, f"{systemd.RUNNING}/kernel-livepatch-"}  # the last before a star
# A digest, or the beginning of one and dots.
OF_STORE = re.compile(rf"{paths.STORE_DIRECTORY}/(?:DIGEST|[0-9a-f]+\.*)\.(?:ko|json)")
# In a table of results, after the sentence of a test.
PARAMETERS_OF_TESTS = re.compile(r"^     - .+ \(``[^`]+``\)$", re.MULTILINE)
# Patches, and misspelled variables.
MADE_UP = ("livepatch_cve_", "livepatch_fix", "livepatch_hello", "livepatch_rolback_to", "livepatch_wave")


def literals(text: str) -> list[str]:
    return re.findall(r"``([^`]+)``", text)


def unknown_codes(text: str) -> set[str]:
    """Literals such as ``no-build`` that the guide to codes does not have."""
    codes = {word for word in literals(PARAMETERS_OF_TESTS.sub("", text)) if re.fullmatch(r"[a-z]+(-[a-z]+)+", word)}
    return codes - CODES - NO_CODES


def unknown_names(text: str) -> set[str]:
    """Names of this collection that no file has."""
    names = set(re.findall(r"\bkernel\.livepatch\.(\w+)\b(?!\.docsite)", re.sub(re.escape(LABEL) + r"\w+", "", text)))
    return {name for name in names if not any(CHECKOUT.glob(f"plugins/*/{name}.py"))
            and not Path(CHECKOUT, f"playbooks/{name}.yml").is_file() and not Path(CHECKOUT, f"roles/{name}").is_dir()}


def wrong_options(text: str) -> list[str]:
    """Options in commands of `ansible` that the module does not have, or values that it does not take."""
    joined = re.sub(r"\\\n\s*", "", text)
    problems = []
    for module, arguments in re.findall(r"-m kernel\.livepatch\.(\w+) +-a (\"[^\"]*\"|'[^']*'|\S+)", joined):
        known = options_of(module)
        for word in shlex.split(arguments.strip("\"'`")):
            option, _equals, value = word.partition("=")
            choices = known.get(option, {}).get("choices")
            if option not in known or (choices and value not in choices):
                problems.append(f"{module}: {word}")
    return problems


def options_of(module: str) -> dict[str, dict]:
    """The documented options of a module, with those of its fragments."""
    package = "ansible_collections.kernel.livepatch.plugins"
    documentation = yaml.safe_load(importlib.import_module(f"{package}.modules.{module}").DOCUMENTATION)
    options = dict(documentation.get("options", {}))
    for fragment in documentation["extends_documentation_fragment"]:
        file, *part = fragment.removeprefix("kernel.livepatch.").split(".")
        fragments = importlib.import_module(f"{package}.doc_fragments.{file}").ModuleDocFragment
        options.update(yaml.safe_load(getattr(fragments, part[0].upper() if part else "DOCUMENTATION"))["options"])
    return options


def unknown_paths(text: str) -> set[str]:
    """Paths of this collection on a host that no code uses."""
    places = r"(?<![\w.])/(?:var/lib|run|etc/systemd/system)/(?:[\w.-]+/)*kernel-livepatch[\w./-]*"
    found = {path.rstrip("./") for path in re.findall(places, text)}
    return {path for path in found if path not in OF_HOST and not OF_STORE.fullmatch(path)}


def unknown_variables(text: str) -> set[str]:
    """Variables of playbooks that no argument_specs and no artifact has."""
    known = set()
    for specs in CHECKOUT.glob("roles/*/meta/argument_specs.yml"):
        for entry_point in yaml.safe_load(specs.read_text(encoding="utf-8"))["argument_specs"].values():
            known |= set(entry_point["options"])
    for file in [*CHECKOUT.glob("roles/*/tasks/*.yml"), *CHECKOUT.glob("playbooks/*.yml")]:
        known |= set(re.findall(r"(?<![\w.])livepatch_\w+", file.read_text(encoding="utf-8")))
    names = set(re.findall(r"(?<![\w./-])livepatch_[a-z_]+\b", text))
    return {name for name in names - known if not name.startswith(MADE_UP[0]) and name not in MADE_UP}


@pytest.mark.parametrize("page", sorted(GUIDES))
def test_a_page_names_only_what_exists(page):
    text = GUIDES[page]
    assert (unknown_codes(text), unknown_names(text), wrong_options(text), unknown_paths(text),
            unknown_variables(text)) == (set(), set(), [], set(), set())


@pytest.mark.parametrize(("look", "text"), [
    (unknown_codes, "It says ``no-bild``."),
    (unknown_names, "$ ansible-playbook kernel.livepatch.rolout"),
    (unknown_paths, "# rm -r /var/lib/kernel-livepatch/ledger"),
    (unknown_variables, "-e livepatch_sauk=3"),
    (wrong_options, "$ ansible all -m kernel.livepatch.patch -a stat=absent"),
    (wrong_options, "$ ansible all -m kernel.livepatch.patch \\\n    -a \"name=x state=gone\""),
])
def test_what_does_not_exist_is_seen(look, text):
    assert len(look(text)) == 1


def test_every_page_is_in_the_table_of_contents_and_every_guide_in_the_readme():
    listed = [page for section in SECTIONS for page in section["toctree"]]
    assert sorted(listed) == sorted(GUIDES)
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    guides = next(section["toctree"] for section in SECTIONS if section["title"] == "Guides")
    assert [page for page in guides if f"[{page}]: https://" not in readme or f"][{page}]" not in readme] == []


def test_each_page_has_its_label():
    assert [page for page, text in GUIDES.items() if f"\n.. _{LABEL}{page}:\n" not in text] == []


def yaml_blocks(page: str) -> list[str]:
    """The blocks of YAML in a page."""
    blocks = re.findall(r"^\.\. code-block:: yaml\n\n((?:(?: {4}.*)?\n)+)", GUIDES[page], re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in blocks]


@pytest.mark.parametrize("page", [page for page in sorted(GUIDES) if yaml_blocks(page)])
def test_yaml_in_a_page_can_be_read_and_its_tasks_have_options_that_exist(page):
    for block in yaml_blocks(page):
        for task in tasks_in(yaml.safe_load(block)):
            for module in [name for name in task if name.startswith("kernel.livepatch.")]:
                given = task[module] or {}
                assert sorted(set(given) - set(options_of(module.rpartition(".")[2]))) == []


def tasks_in(node: object) -> list[dict]:
    """Each dictionary in the data that runs a module of this collection."""
    if isinstance(node, list):
        return [task for entry in node for task in tasks_in(entry)]
    if not isinstance(node, dict):
        return []
    inner = [task for entry in node.values() for task in tasks_in(entry)]
    return [*([node] if any(str(key).startswith("kernel.livepatch.patch") for key in node) else []), *inner]


def untitled(text: str) -> list[str]:
    """Labels that links without a text of their own cannot use, because no title follows."""
    lines = text.splitlines()
    titled = [number for number, line in enumerate(lines) if re.fullmatch(r"([=\-~^])\1{2,}", line)]
    return [line for number, line in enumerate(lines)
            if line.startswith(f".. _{LABEL}") and number + 3 not in titled]


def test_a_label_without_a_title_is_seen():
    assert untitled(f".. _{LABEL}a:\n\nTitle\n=====\n\n.. _{LABEL}b:\n\nText.\n") == [f".. _{LABEL}b:"]


@pytest.mark.parametrize("page", sorted(GUIDES))
def test_a_title_follows_each_label(page):
    assert untitled(GUIDES[page]) == []


@pytest.mark.parametrize("half", ["module_utils", "plugin_utils"])
def test_the_readme_lists_each_package_of_the_architecture(half):
    readme = CHECKOUT.joinpath("README.md").read_text(encoding="utf-8")
    (listing,) = re.findall(rf"^plugins/{half} .*\n((?:  _.*\n)+)", readme, re.MULTILINE)
    rows = re.findall(r"^  ((?:_\w+(?:, )?)+)", listing, re.MULTILINE)
    listed = [name for row in rows for name in row.split(", ")]
    assert sorted(listed) == sorted(path.name for path in CHECKOUT.joinpath("plugins", half).glob("_[a-z]*"))


def test_the_readme_names_everything_that_a_playbook_can_use():
    readme = CHECKOUT.joinpath("README.md").read_text(encoding="utf-8")
    plugins = [path.stem for kind in ("modules", "lookup", "filter", "callback")
               for path in CHECKOUT.glob(f"plugins/{kind}/[a-z]*.py")]
    playbooks = [path.stem for path in CHECKOUT.glob("playbooks/*.yml")]
    missing = [name for name in {*plugins, *playbooks} if f"`kernel.livepatch.{name}`" not in readme]
    roles = [path.name for path in CHECKOUT.glob("roles/*") if path.is_dir()]
    missing += [name for name in roles if not re.search(rf"`(?:kernel\.livepatch\.)?{name}`", readme)]
    assert sorted(missing) == []
