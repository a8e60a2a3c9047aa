# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages for people are in plain English: few relative clauses, and the field's words.

`python3 tests/unit/docs/test_plain_english.py [CHECKOUT]` prints the table of all pages.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
MOST_RELATIVE_WORDS = 1.5  # in 100 words of prose
RELATIVE = ("that", "which", "who", "whom", "whose", "where", "what")
PAGES = (
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "roles/*/README.md", "tests/lab/README.md",
    "docs/docsite/rst/*.rst")

# Pages that have reached the goal. The list grows, and no page leaves it.
REACHED = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "docs/docsite/rst/guide_awx.rst",
    "docs/docsite/rst/guide_build.rst",
    "docs/docsite/rst/guide_bundles.rst",
    "docs/docsite/rst/guide_codes.rst",
    "docs/docsite/rst/guide_console.rst",
    "docs/docsite/rst/guide_first_patch.rst",
    "docs/docsite/rst/guide_fleet.rst",
    "docs/docsite/rst/guide_large_fleets.rst",
    "docs/docsite/rst/guide_matrix_results.rst",
    "docs/docsite/rst/guide_monitoring.rst",
    "docs/docsite/rst/guide_patches.rst",
    "docs/docsite/rst/guide_patching.rst",
    "docs/docsite/rst/guide_pipelines.rst",
    "docs/docsite/rst/guide_preflight.rst",
    "docs/docsite/rst/guide_proven.rst",
    "docs/docsite/rst/guide_report.rst",
    "docs/docsite/rst/guide_rollout.rst",
    "docs/docsite/rst/guide_rollout_results.rst",
    "docs/docsite/rst/guide_safety.rst",
    "docs/docsite/rst/guide_safety_results.rst",
    "docs/docsite/rst/guide_troubleshooting.rst",
    "docs/docsite/rst/guide_trust.rst",
    "docs/docsite/rst/guide_upgrade.rst",
    "docs/docsite/rst/guide_vendors.rst",
    "roles/apply/README.md",
    "roles/build/README.md",
    "roles/preflight/README.md",
    "roles/report/README.md",
    "roles/rollback/README.md",
    "tests/lab/README.md",
)

# What to write instead is in the comment. A word stands for all its forms where the pattern says so.
_TAKE, _BRING, _GO, _COME, _TURN = (
    "(?:take|takes|taking|took|taken)", "(?:bring|brings|bringing|brought)", "(?:go|goes|going|went|gone)",
    "(?:come|comes|coming|came)", "(?:turn|turns|turning|turned)")
_IT = r"(?:\s+\w+){0,2}?"
FORBIDDEN = (
    r"ways? back",                                  # rollback
    rf"{_TAKE}{_IT}\s+(?:out|back)\b",              # unload, roll back
    rf"{_BRING}{_IT}\s+(?:in|back)\b(?!\s+order)",  # load, restore
    rf"{_TURN}{_IT}\s+r?ound",                      # reverse
    r"left\s+going",                                # in transition
    rf"{_GO}\s+back\s+by",                          # revert automatically
    r"by\s+(?:itself|themselves)",                  # automatically, alone
    r"(?:in\s+the|in\s+its|in\s+a\s+patch's)\s+way",  # name the blocker
    r"(?:speak|speaks|spoke)\s+against",            # fails, is a failure
    r"all\s+that", r"what\s+is\s+there",            # name the thing
    r"nobody", r"somebody",                         # the controller, the operator
    rf"{_COME}\s+to",                               # becomes, ends as
    r"(?:keep|keeps|kept)\s+the\s+answer",          # continue with the result
    r"dear", r"at\s+rest",                          # slow, unchanged
)


def prose_of(text: str, suffix: str) -> str:
    """The sentences of a page; code, literals, directives, targets of links and comments are no prose."""
    return _prose_of_markdown(text) if suffix == ".md" else _prose_of_rst(text)


def _prose_of_markdown(text: str) -> str:
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"`[^`]*`", " ", text)
    text = re.sub(r"^\[[^\]]+\]: .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\](\([^)]*\)|\[[^\]]*\])", "]", text)
    return re.sub(r"^\|[-|: ]+\|$", "", text, flags=re.MULTILINE).replace("|", "\n")


def _prose_of_rst(text: str) -> str:
    kept, depth = [], None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if depth is not None and line.strip() and indent <= depth:
            depth = None
        if re.match(r"\s*\.\.(\s|$)", line) and depth is None:
            # The text of these directives is prose, that of the others is code, a comment or a target.
            prose = re.match(r"\s*\.\. (list-table|note|warning|tip|important)::", line)
            depth = None if prose else indent
            continue
        if depth is None and not re.match(r"\s*:[\w-]+:(\s|$)", line) and not re.match(r"[=~\- ]+$", line):
            kept.append(line)
    text = re.sub(r"``.*?``", " ", "\n".join(kept), flags=re.DOTALL)
    return re.sub(r":[\w-]+:`[^`]*`", " ", text)


def relative_words(prose: str) -> tuple[int, int]:
    """Return how many relative words and how many words the prose has."""
    words = re.findall(r"[A-Za-z][A-Za-z']*", prose)
    return sum(word.lower() in RELATIVE for word in words), len(words)


def forbidden_in(prose: str) -> list[str]:
    """Return the phrases that the collection's texts do without, as the page has them."""
    text = " ".join(prose.split())
    return [found.group() for pattern in FORBIDDEN for found in re.finditer(rf"\b{pattern}\b", text, re.IGNORECASE)]


def pages(checkout: Path) -> list[str]:
    found = {path for pattern in PAGES for path in checkout.glob(pattern)}
    return sorted(str(path.relative_to(checkout)) for path in found)


def read_prose(checkout: Path, page: str) -> str:
    return prose_of((checkout / page).read_text(encoding="utf-8"), Path(page).suffix)


def table(checkout: Path) -> str:
    """One line for each page: relative words in 100 words of prose, words of prose, forbidden phrases."""
    lines = [f"{'page':45} {'in 100':>6} {'words':>6}  forbidden"]
    for page in pages(checkout):
        prose = read_prose(checkout, page)
        count, words = relative_words(prose)
        lines.append(f"{page:45} {100 * count / max(words, 1):6.2f} {words:6}  {len(forbidden_in(prose)) or ''}")
    return "\n".join(lines)


@pytest.mark.parametrize("page", REACHED)
def test_page_has_few_relative_words(page):
    count, words = relative_words(read_prose(CHECKOUT, page))
    assert 100 * count <= MOST_RELATIVE_WORDS * words


def test_the_next_changelog_is_in_plain_english():
    """A release makes the page of the fragments."""
    fragments = sorted((CHECKOUT / "changelogs" / "fragments").glob("*.yml"))
    told = [value for file in fragments for value in yaml.safe_load(file.read_text(encoding="utf-8")).values()]
    prose = "\n".join(line for value in told for line in (value if isinstance(value, list) else [value]))
    count, words = relative_words(prose)
    assert 100 * count <= MOST_RELATIVE_WORDS * words
    assert forbidden_in(prose) == []


@pytest.mark.parametrize("page", REACHED)
def test_page_has_the_fields_words(page):
    assert forbidden_in(read_prose(CHECKOUT, page)) == []


def test_pages_are_found():
    assert set(REACHED) <= set(pages(CHECKOUT))
    print(f"\n{table(CHECKOUT)}")


def test_code_and_literals_are_no_prose():
    markdown = (
        "Say `that`, [it][that].\n\n```console\n$ echo that\n```\n\n| [who](what.md) | does |\n|---|---|\n    which\n"
        "[that]: where\n")
    assert prose_of(markdown, ".md").split() == ["Say", ",", "[it].", "[who]", "does"]
    rst = (
        "..\n  Copyright who\n\n.. _that:\n\nTitle\n=====\n\nSay ``that`` by :ref:`what <which>`.\n\n"
        ".. code-block:: console\n\n    $ that\n\nOne\n    two.\n\n"
        ".. list-table::\n   :widths: 1 2\n\n   * - ``who``\n     - Three.\n")
    assert prose_of(rst, ".rst").split() == ["Title", "Say", "by", ".", "One", "two.", "*", "-", "-", "Three."]


def test_relative_words_are_counted():
    assert relative_words("The patch that runs, and What it does. It's the host's.") == (2, 11)


@pytest.mark.parametrize(("text", "found"), [
    ("It takes the patch out.", ["takes the patch out"]),
    ("It is taken\nback.", ["taken back"]),
    ("This takes time.", []),
    ("A transition is turned round by itself.", ["turned round", "by itself"]),
    ("It is in the way of all\nthat.", ["in the way", "all that"]),
    ("Work at restoring. The dearth.", []),
    ("It comes to an end.", ["comes to"]),
])
def test_a_forbidden_phrase_is_seen(text, found):
    assert sorted(forbidden_in(text)) == sorted(found)


if __name__ == "__main__":
    print(table(Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT))
