# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of each module's result is what the module documents: every key, its type and its choices, and no more."""

from __future__ import annotations

import re

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.answer import read_answer
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import Flag, Items, Keys, Number, Text
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import SHAPES
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import (
    MODULES,
    documented,
    honest,
    is_of_failure_only,
)

# The keys of these are documented at another module, which the description names.
ELSEWHERE = ("holder", "lease", "blockers")


def type_of(kind):
    """The documented type of a kind."""
    if isinstance(kind, Number):
        return "int" if kind.whole else "float"
    return {Text: "str", Flag: "bool", Items: "list", Keys: "dict"}[type(kind)]


def differences(kinds, entries, where):
    """Every key that only one of the two has, with another type, or with other choices."""
    for key in sorted(set(kinds) ^ set(entries)):
        yield f"{where}{key} is only {'a shape' if key in kinds else 'documented'}"
    for key in sorted(set(kinds) & set(entries)):
        kind, entry = kinds[key], entries[key]
        if type_of(kind) != entry["type"]:
            yield f"{where}{key} is documented as {entry['type']}"
        if isinstance(kind, Text):
            yield from choices_differ(kind, entry, f"{where}{key}")
        if isinstance(kind, Items):
            kind = kind.entry
            if type_of(kind) != entry["elements"]:
                yield f"{where}{key} is documented with elements {entry['elements']}"
        if isinstance(kind, Keys) and ("contains" in entry or key not in ELSEWHERE):
            yield from differences({**kind.must, **kind.may}, entry["contains"], f"{where}{key}.")


def choices_differ(kind, entry, where):
    """Choices of a shape that the description does not name; one of a neighbouring key it refers to is named there."""
    text = " ".join(str(entry["description"]).split())
    named = set(re.findall(r"V\(([a-z_-]+)\)", text)) - {"none"} | ({"none"} if "V(none)" in text else set())
    if kind.choices and named and "RV(" not in text and not set(kind.choices) <= named:
        yield f"{where}: {sorted(set(kind.choices) - named)} not documented"


@pytest.mark.parametrize("module", MODULES)
def test_a_shape_is_what_is_documented(module):
    shape, entries = SHAPES[module], documented(module)
    of_failure = {key for key, entry in entries.items() if is_of_failure_only(entry)}
    others = {key: entry for key, entry in entries.items() if key not in of_failure}
    assert list(differences({**shape.success, **shape.may}, others, "")) == []
    assert list(differences(
        shape.failure, {key: entries[key] for key in of_failure if key != "code"}, "failure: ")) == []
    assert "code" in entries or module == "patch_info"


def test_differences_are_seen():
    kinds = {"a": Text(9, choices=("x", "y")), "b": Items(Text(9), 9), "c": Keys({"d": Number()}), "e": Flag()}
    entries = {
        "a": {"type": "str", "description": "V(x)."}, "b": {"type": "list", "elements": "int"},
        "c": {"type": "dict", "contains": {"d": {"type": "int"}, "f": {"type": "str"}}}, "g": {"type": "str"}}
    assert list(differences(kinds, entries, "")) == [
        "e is only a shape", "g is only documented", "a: ['y'] not documented", "b is documented with elements int",
        "c.f is only documented", "c.d is documented as int"]


def bounded(kind, where):
    """The texts and lists of a shape without a bound that a host can reach in one result."""
    if isinstance(kind, Text) and not 0 < kind.most <= 10_000:
        yield where
    if isinstance(kind, Items):
        if not 0 < kind.most <= 20_000:
            yield where
        yield from bounded(kind.entry, f"{where}[]")
    if isinstance(kind, Keys):
        for key, inner in [*kind.must.items(), *kind.may.items()]:
            yield from bounded(inner, f"{where}.{key}")


@pytest.mark.parametrize("module", MODULES)
def test_every_text_and_every_list_has_a_bound(module):
    shape = SHAPES[module]
    kinds = {**shape.success, **shape.may, **shape.failure}
    assert [where for key, kind in kinds.items()
            for where in bounded(kind, key)] == []


def truncated(kind):
    """The lists of a shape of which a part is kept."""
    if isinstance(kind, Items):
        if kind.keep:
            yield kind
        yield from truncated(kind.entry)
    if isinstance(kind, Keys):
        for inner in [*kind.must.values(), *kind.may.values()]:
            yield from truncated(inner)


def test_every_list_of_which_a_part_is_kept_has_a_name_for_the_warning():
    lists = [kind for shape in SHAPES.values() for inner in [*shape.success.values(), *shape.failure.values()]
             for kind in truncated(inner)]
    assert len(lists) > 10
    assert all(kind.title and kind.keep in ("first", "worst") for kind in lists)


@pytest.mark.parametrize("module", MODULES)
def test_the_documented_samples_fit(module):
    assert read_answer(module, honest(module)) == honest(module, failed=False)
