# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes hosts a cohort."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from ansible.errors import AnsibleUndefinedVariable
from jinja2 import UndefinedError

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import Cohort, cohort_names, cohort_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import (
    cohort_dict,
    cohorts_of,
    kernel_build_of,
)

KERNEL = ("6.1.0-56-amd64", "x86_64")


@pytest.mark.parametrize(("wanted", "names"), [
    (None, []), ("", []), ([], []), ([""], []),
    ("ring", ["ring"]), ("ring, site", ["ring", "site"]), ("ring\nsite\n", ["ring", "site"]),
    (["ring", "site"], ["ring", "site"]), (["ring,site", "ring"], ["ring", "site"]),
])
def test_names_are_a_list_or_a_text(wanted, names):
    assert cohort_names(wanted) == names


@pytest.mark.parametrize(("name", "value"), [
    ("ring", "early"),
    ("distribution", "Debian"),
    ("ansible_distribution", "Debian"),
    ("dmi.vendor", "ACME"),
    ("dmi.absent", None),
    ("ring.deeper", None),
    ("absent", None),
    ("number", "0"),
    ("group_names", "web, front"),
])
def test_a_value_is_a_variable_or_a_fact(name, value):
    variables = {
        "ring": "early", "number": 0, "group_names": ["web", "front"],
        "ansible_facts": {"distribution": "Debian", "ring": "fact", "dmi": {"vendor": "ACME"}}}
    assert cohort_of(*KERNEL, [name], variables).values == ((name, value),)


@pytest.mark.parametrize("failure", [AnsibleUndefinedVariable, ZeroDivisionError, UndefinedError])
def test_a_variable_that_cannot_be_templated_is_not_there(failure):
    class Undefined(Mapping):
        def __getitem__(self, key):
            raise failure(key)

        def __iter__(self):
            return iter(())

        def __len__(self):
            return 0

    assert cohort_of(*KERNEL, ["ring"], Undefined()).values == (("ring", None),)
    assert cohort_of(*KERNEL, ["ring.deeper"], {"ring": Undefined()}).values == (("ring.deeper", None),)


def test_a_value_that_fails_when_it_is_looked_at_is_not_there():
    class Marker:  # what Ansible 2.19 gives for a template with something undefined in it
        def __str__(self):
            raise UndefinedError

    variables = {"ring": [Marker()], "site": Marker(), "ansible_facts": {"site": "fra"}}
    assert cohort_of(*KERNEL, ["ring", "site"], variables).values == (("ring", None), ("site", "fra"))


def test_hosts_are_alike_when_their_cohorts_are_equal():
    early = cohort_of(*KERNEL, ["ring"], {"ring": "early"})
    assert early == cohort_of(*KERNEL, ["ring"], {"ring": "early", "other": 1})
    assert len({early, cohort_of(*KERNEL, ["ring"], {"ring": "late"}), cohort_of(*KERNEL, [], {})}) == 3


def test_a_title_says_what_the_hosts_have_in_common():
    assert str(Cohort(*KERNEL)) == "6.1.0-56-amd64 x86_64"
    cohort = Cohort(*KERNEL, (("ring", "early"), ("site", None)))
    assert str(cohort) == "6.1.0-56-amd64 x86_64, ring early, without site"


def test_builds_of_a_kernel_split_its_cohort_where_there_are_several():
    kernels = dict.fromkeys("abc", KERNEL) | {"d": ("6.12.9", "x86_64")}
    same = cohorts_of(kernels, (), {}, {"a": "0a" * 20, "b": "0a" * 20, "c": "0a" * 20, "d": "0b" * 20})
    assert [(str(cohort), hosts) for cohort, hosts in same] == [
        ("6.1.0-56-amd64 x86_64", ["a", "b", "c"]), ("6.12.9 x86_64", ["d"])]
    several = cohorts_of(kernels, (), {}, {"a": "0a" * 20, "b": "0b" * 20, "c": None})
    assert [(str(cohort), hosts) for cohort, hosts in several] == [
        ("6.1.0-56-amd64 x86_64", ["c"]), ("6.1.0-56-amd64 x86_64, build 0a0a0a0a0a0a", ["a"]),
        ("6.1.0-56-amd64 x86_64, build 0b0b0b0b0b0b", ["b"]), ("6.12.9 x86_64", ["d"])]
    assert [cohort_dict(cohort)["build"] for cohort, _hosts in several] == [None, "0a" * 20, "0b" * 20, None]


@pytest.mark.parametrize("told", [None, "", 5, [], "a" * 10_000])
def test_a_build_id_that_is_none_is_not_taken(told):
    assert kernel_build_of({"kernel_build_id": told}) is None
