# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that Galaxy shows have absolute links only, and each into this repository names a file in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
GALAXY = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
OWN = f"{GALAXY['repository']}/blob/main/"
PAGES = sorted(str(path.relative_to(CHECKOUT)) for pattern in ("README.md", "CHANGELOG.md", "roles/*/README.md")
               for path in CHECKOUT.glob(pattern))
INLINE = re.compile(r"\]\(([^)\s]*)\)")
DEFINED = re.compile(r"^\[([^\]]+)\]: (\S+)$", re.MULTILINE)
USED = re.compile(r"\[[^\]]+\]\[([^\]]+)\]")


def problems(text, base=CHECKOUT):
    """Return what is wrong with the links of a page in Markdown."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    defined = dict(DEFINED.findall(text))
    used = set(USED.findall(text))
    targets = [*INLINE.findall(text), *defined.values()]
    return [
        *(f"{target} is relative" for target in targets if not target.startswith(("https://", "#"))),
        *(f"{target} is not in the repository" for target in targets
          if target.startswith(OWN) and not Path(base, target[len(OWN):].partition("#")[0]).is_file()),
        *(f"[{name}] has no address" for name in sorted(used - set(defined))),
        *(f"[{name}] is not used" for name in sorted(set(defined) - used)),
    ]


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_work_on_galaxy(page):
    assert problems((CHECKOUT / page).read_text(encoding="utf-8")) == []


def test_every_page_that_galaxy_shows_is_looked_at():
    assert len(PAGES) == 2 + len([*CHECKOUT.glob("roles/*/")])


@pytest.mark.parametrize(("text", "problem"), [
    ("[a](docs/a.rst)", "docs/a.rst is relative"),
    ("[a][b]\n\n[b]: docs/a.rst", "docs/a.rst is relative"),
    (f"[a]({OWN}docs/none.rst)", f"{OWN}docs/none.rst is not in the repository"),
    ("[a][b]", "[b] has no address"),
    ("[b]: https://example.com/", "[b] is not used"),
])
def test_a_broken_link_is_seen(text, problem):
    assert problems(text) == [problem]


def test_addresses_of_galaxy_are_in_the_repository_that_they_name():
    documentation = GALAXY["documentation"]
    assert documentation.startswith(OWN)
    assert Path(CHECKOUT, documentation[len(OWN):]).is_file()
    assert GALAXY["issues"].startswith(GALAXY["repository"])
    assert GALAXY["homepage"].endswith(f"/{GALAXY['namespace']}/{GALAXY['name']}/")
