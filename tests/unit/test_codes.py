# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every stable code that the collection can return is in the guide, and the guide has no others.

The text of a finding is written once, in the tables of _findings: the guide's first paragraph on it is rendered from
there. Where a message changes, the test of it prints the paragraph that the guide must have.
"""

from __future__ import annotations

import ast
import re
import string
import textwrap
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building.failures import CAUSES
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.build import BUILD
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import FINDINGS as OF_HOSTS
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import REFUSALS
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.load_errors import ERRNO_CAUSES, LOG_CAUSES
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.fields import FAILURES
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import LEFT_OUT

CHECKOUT = Path(__file__).resolve().parents[2]
GUIDE = CHECKOUT / "docs" / "docsite" / "rst" / "guide_codes.rst"
FINDINGS = {**OF_HOSTS, **BUILD}
RAISED = ("LivepatchError", "CompressionError", "PatchFileError", "BundleError", "TaskError")


def codes_in_calls(source: str) -> set[str]:
    """The literal codes of errors that are made, and of failures that modules end with."""
    codes = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called in RAISED and node.args and isinstance(node.args[0], ast.Constant):
            codes.add(node.args[0].value)
        for word in node.keywords:
            if word.arg == "code" and isinstance(word.value, ast.Constant):
                codes.add(word.value.value)
    return codes


def test_a_code_in_a_call_is_seen():
    source = "raise LivepatchError('not-so', 'x')\nmodule.fail_json(msg='x', code='or-so')"
    assert codes_in_calls(source) == {"not-so", "or-so"}


def paragraph_on(code: str) -> str:
    """What the guide says first about a finding: its level, whether it can be ignored, its message."""
    level, ignorable, message = FINDINGS[code]
    parts = string.Formatter().parse(message)
    shown = "".join(text + (fact or "").upper() for text, fact, _format, _conversion in parts)
    words = f"{level.capitalize()}{', can be ignored' if ignorable else ''}. {shown}"
    return textwrap.fill(
        words if words.endswith(".") else f"{words}.", 130, initial_indent="    ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False)


def test_a_paragraph_is_rendered():
    assert paragraph_on("not-loaded") == "    Blocker. The patch NAME is not loaded. Load it with patch."
    assert paragraph_on("module-kept").endswith("its module stays loaded. WHY.")


@pytest.mark.parametrize("code", sorted(FINDINGS))
def test_the_guide_has_the_message_of_a_finding(code):
    found = re.search(rf"^``{code}``\n((?: {{4}}.*\n)+)", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found and found.group(1).rstrip("\n") == paragraph_on(code)


def levels_in(guide: str) -> dict[str, tuple[str, bool]]:
    """What the guide says first about each code that is said to have a level, and whether it can be ignored."""
    entries = re.findall(
        r"^``([a-z-]+)``\n {4}(Blocker|Warning|Note)(, can be ignored)?\. ", guide, re.MULTILINE)
    return {code: (level.lower(), bool(ignorable)) for code, level, ignorable in entries}


def test_a_level_in_the_guide_is_seen():
    guide = "``one``\n    Blocker. Bad.\n``two``\n    Blocker, can be ignored. Bad.\n``three``\n    No level.\n"
    assert levels_in(guide) == {"one": ("blocker", False), "two": ("blocker", True)}


def test_the_guide_tells_every_findings_level_and_whether_it_can_be_ignored():
    assert levels_in(GUIDE.read_text(encoding="utf-8")) == {
        code: (level, ignorable) for code, (level, ignorable, _message) in FINDINGS.items()}


def test_the_guide_has_every_code_and_no_other():
    returned = set(FINDINGS) | {code for _text, code, _why in LOG_CAUSES}
    returned |= {code for code, _why in [*ERRNO_CAUSES.values(), *REFUSALS.values()]}
    returned |= {cause.code for cause in CAUSES}
    returned |= {"load-refused", "removal-refused", LEFT_OUT[1], *FAILURES}
    for file in CHECKOUT.glob("plugins/**/*.py"):
        returned |= codes_in_calls(file.read_text(encoding="utf-8"))
    documented = re.findall(r"^``([a-z-]+)``$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(documented) == sorted(returned)


# The verbs that an advice in the guide begins with.
VERBS = (
    "Accept|Add|Allow|Ask|Boot|Build|Change|Check|Choose|Compress|Continue|Copy|Correct|Detach|Do|"
    "End|Enrol|Find|Free|Give|Have|Import|Install|Keep|Leave|Let|Load|Look|Make|Mount|Move|Name|"
    "Patch|Plan|Read|Rebuild|Reboot|Remove|Rename|Renew|Repair|Restore|Run|Save|See|Set|Sign|Start|"
    "Stop|Strip|Undo|Unload|Update|Use|Wait")
ADVICE = re.compile(rf"(?:^|[.,:;] )(?:{VERBS})\b|(?:,|\band|\bor|\bthen) (?:{VERBS.lower()})\b")
OF_THE_MESSAGE = re.compile(r"\b(?:WHY|HELP|ACTION|INSTEAD|REMEDY|MESSAGE)\.")  # which has the advice


def entries_without_advice(guide: str) -> list[str]:
    """The codes whose entries do not say what to do; a note only informs."""
    entries = re.findall(r"^``([a-z-]+)``\n((?: {4}.*\n|\n(?= {4}))+)", guide, re.MULTILINE)
    texts = {code: " ".join(text.split()) for code, text in entries}
    return [code for code, text in texts.items()
            if not (text.startswith("Note. ") or ADVICE.search(text) or OF_THE_MESSAGE.search(text))]


def test_an_entry_without_advice_is_seen():
    guide = (
        "``one``\n    It is broken.\n\n``two``\n    It is broken. Repair it.\n``three``\n    Note. It is so.\n"
        "``four``\n    Blocker. It is broken: WHY.\n``five``\n    It is broken.\n\n    Run again.\n")
    assert entries_without_advice(guide) == ["one"]


def test_the_guide_says_what_to_do_about_each_code():
    assert entries_without_advice(GUIDE.read_text(encoding="utf-8")) == []
