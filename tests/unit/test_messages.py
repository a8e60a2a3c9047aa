# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of the host half are plain English: what is wrong, then what to do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building.failures import CAUSES
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.image_file import MESSAGES as IMAGE_MESSAGES
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.build import BUILD
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import (
    WHY_NO_BOOT_SERVICE,
    WHY_NOT_LOADED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import FINDINGS as OF_HOSTS
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import REFUSALS
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import HELP
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.load_errors import ERRNO_CAUSES, LOG_CAUSES

FINDINGS = {**OF_HOSTS, **BUILD}
CHECKOUT = Path(__file__).resolve().parents[2]
MODULE_UTILS = CHECKOUT / "plugins" / "module_utils"
MOST_IN_100 = 1.5
RELATIVE = re.compile(r"\b(?:that|which|who|whom|whose|where|what)\b", re.IGNORECASE)
# A word stands for all its forms. What to write instead is in the comment.
FORBIDDEN = re.compile(r"\b(?:" + "|".join((
    r"ways? back",  # rollback
    r"t(?:ake|akes|aking|ook|aken)(?: \w+){0,2}? (?:out|back)",  # unload, remove, roll back
    r"br(?:ing|ings|inging|ought)(?: \w+){0,2}? (?:in|back)",  # load, restore
    r"turn(?:s|ed|ing)?(?: \w+){0,2}? r?ound",  # reverse
    r"left going",  # continues, in transition
    r"go(?:es|ing|ne)? back by", r"by (?:itself|themselves)",  # automatically
    r"in the way", r"sp(?:eaks?|oke) against",  # blocks, fails
    r"all that", r"what is there",  # name the thing
    r"nobody", r"somebody",  # the controller, another process
    r"c(?:ome|omes|ame|oming) to",  # becomes, ends as
    r"keep the answer", r"dear", r"at rest",
)) + r")\b", re.IGNORECASE)
# What stands for a whole sentence, or for its end.
ENDS = (".", "{why}", "{message}", "{line}")


def literal(node: ast.expr) -> str | None:
    """The text of an expression, {…} for what is only known when it runs; None where nothing of it is written there."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{…}" for part in node.values)
    if isinstance(node, ast.BinOp):
        return "".join(literal(side) or "{…}" for side in (node.left, node.right))
    return None


def messages_of_errors(source: str) -> list[str]:
    """What is passed to LivepatchError as its message, as far as it is written there."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [call.args[1] for call in calls
             if getattr(call.func, "id", "") == "LivepatchError" and len(call.args) > 1]
    texts = (literal(node) for node in named)
    return [text for text in texts if text]


ERRORS = sorted(
    {(file.name, text) for file in MODULE_UTILS.glob("**/*.py")
     for text in messages_of_errors(file.read_text(encoding="utf-8"))})
# Clauses within a message, after which it has its full stop.
CLAUSES = sorted({
    *WHY_NOT_LOADED.values(), *WHY_NO_BOOT_SERVICE.values(), *HELP.values(), *(why for _text, _code, why in LOG_CAUSES),
    *(why for _code, why in [*ERRNO_CAUSES.values(), *REFUSALS.values()]), *(cause.message for cause in CAUSES)})
MESSAGES = [*(message for _level, _ignorable, message in FINDINGS.values()), *IMAGE_MESSAGES.values()]
ALL = [*MESSAGES, *(text for _file, text in ERRORS), *CLAUSES]


def sentences(message: str) -> list[str]:
    return [sentence for sentence in re.split(r"(?<=[.}])\s+(?=[A-Z{])", message) if sentence]


def relative_in_100(texts: list[str]) -> float:
    words = re.findall(r"[A-Za-z][A-Za-z']*", " ".join(re.sub(r"\{[^}]*\}", " ", text) for text in texts))
    return 100 * sum(bool(RELATIVE.fullmatch(word)) for word in words) / len(words)


def test_literals_are_found():
    source = (
        'raise LivepatchError("a", "One." "Two.")\nreturn LivepatchError("b", f"{x} is {y}. Stop " "it.", z=1)\n'
        'raise LivepatchError(code, error.message)\nraise LivepatchError("c", "Not " + why)\nOther("d", "no")')
    assert messages_of_errors(source) == ["One.Two.", "{…} is {…}. Stop it.", "Not {…}"]
    assert len(ERRORS) > 40


@pytest.mark.parametrize("text", [
    "It takes the patch out.", "It was turned round.", "The way back.", "It goes by itself.", "Nobody.",
    "It came to that."])
def test_a_forbidden_phrase_is_seen(text):
    assert FORBIDDEN.search(text)


def test_sentences_are_split():
    assert sentences("{file} is old (5.10). Use a new one. {why}") == [
        "{file} is old (5.10).", "Use a new one.", "{why}"]


@pytest.mark.parametrize("message", ALL)
def test_a_message_is_plain(message):
    assert FORBIDDEN.findall(message) == []
    assert [sentence for sentence in sentences(message) if len(RELATIVE.findall(sentence)) > 1] == []


@pytest.mark.parametrize("message", MESSAGES)
def test_a_finding_ends_with_its_full_stop(message):
    assert message.endswith(ENDS)


@pytest.mark.parametrize(("file", "message"), ERRORS)
def test_an_error_ends_with_its_full_stop(file, message):
    assert message.endswith((".", "{…}")), file


@pytest.mark.parametrize("code", sorted(code for code, row in FINDINGS.items() if row[0] == "blocker"))
def test_a_blocker_says_what_is_wrong_and_then_what_to_do(code):
    assert len(sentences(FINDINGS[code][2])) > 1


@pytest.mark.parametrize(("file", "message"), [
    (file, message) for file, message in ERRORS if not message.endswith("{…}")])
def test_an_error_says_what_is_wrong_and_then_what_to_do(file, message):
    # The clause in front of the last full stop can have both.
    assert len(sentences(message)) > 1 or message.endswith("{…}."), file


def test_all_messages_have_few_relative_words():
    assert relative_in_100(ALL) <= MOST_IN_100
