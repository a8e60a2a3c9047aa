# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Cohorts: hosts with the same kernel, and the same values of chosen variables."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import to_plain

LONGEST_VALUE = 200  # characters; facts are of hosts
_SHOWN_OF_BUILD = 12  # characters, as git shows of a commit

Value = t.TypeVar("Value")


class Cohort(t.NamedTuple):
    """The common properties of a cohort; two hosts are in one cohort when their Cohorts are equal.

    `values`: (name, value) for each name of `livepatch_cohort_by`; the value is None for a host without it.
    `build`: the build-id of the kernel if hosts run several builds of this release, and None otherwise.
    """

    kernel: str
    arch: str
    values: tuple[tuple[str, str | None], ...] = ()
    build: str | None = None

    def __str__(self) -> str:
        extra = [f"without {name}" if value is None else f"{name} {value}" for name, value in self.values]
        build = [f"build {self.build[:_SHOWN_OF_BUILD]}"] if self.build else []
        return ", ".join([f"{self.kernel} {self.arch}", *build, *extra])

    @property
    def sort_key(self) -> tuple[str, ...]:
        """The key for sorting; a missing value comes first."""
        return (self.kernel, self.arch, self.build or "", *(value or "" for _name, value in self.values))


def cohort_names(wanted: str | Sequence[str] | None) -> list[str]:
    """The names in `livepatch_cohort_by`: a list, or a text with commas or lines."""
    texts = [wanted] if isinstance(wanted, str) else wanted or []
    names = [name.strip() for text in texts for name in str(text).replace("\n", ",").split(",")]
    return list(dict.fromkeys(name for name in names if name))


def cohort_of(
        kernel: str, arch: str, names: Sequence[str], variables: Mapping[str, t.Any],
        build: str | None = None) -> Cohort:
    """The cohort of a host that runs this kernel; `variables` are its variables, as in `hostvars`."""
    values = ((name, find_variable(name, variables, _text)) for name in names)
    return Cohort(kernel, arch, tuple((printable(name), value and printable(value)) for name, value in values), build)


def find_variable(
        name: str, variables: Mapping[str, t.Any], read: Callable[[t.Any], Value] = to_plain) -> Value | None:
    """A variable, or else a fact, as `read` returns it; a dot leads into a dict; None for a missing one.

    A variable with a failing template counts as missing.
    """
    path = name.split(".")
    for keys in (path, ["ansible_facts", *path], ["ansible_facts", path[0].removeprefix("ansible_"), *path[1:]]):
        try:
            place: t.Any = variables
            for key in keys:
                place = place.get(key) if isinstance(place, Mapping) else None
            found = None if place is None else read(place)
        except Exception:
            continue
        if found is not None:
            return found
    return None


def _text(value: t.Any) -> str:
    return truncate(", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value), LONGEST_VALUE)
