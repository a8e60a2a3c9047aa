# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option watch: its defaults, its bounds, and texts that no ledger can keep."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._health.watch_options import MOST_CHECKS, watch_options
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import failure

DEFAULT = {"interval": 10, "failures": 2, "kernel_warnings": True, "min_calls": 0, "functions": [],
           "health_checks": []}


@pytest.mark.parametrize("option", [
    None, {}, {"interval": None, "failures": None, "kernel_warnings": None, "health_checks": None}])
def test_without_the_option_a_host_watches_everything_but_health_checks(option):
    assert watch_options(option) == DEFAULT


def test_checks_are_kept_as_words():
    checks = [{"command": "a 'b c'"}, {"url": "http://localhost/x", "timeout": 3}, {"unit": "web", "name": "w"}]
    assert watch_options({"health_checks": checks})["health_checks"] == [
        {"name": "a b c", "kind": "command", "what": ["a", "b c"], "timeout": 10},
        {"name": "http://localhost/x", "kind": "url", "what": ["http://localhost/x"], "timeout": 3},
        {"name": "w", "kind": "unit", "what": ["web"], "timeout": 10}]


@pytest.mark.parametrize("option, words", [
    ({"interval": 0}, "watch: interval is 0. Give 1 to 300."),
    ({"interval": 301}, "interval is 301"),
    ({"failures": 0}, "failures is 0. Give 1 to 100."),
    ({"failures": 101}, "failures is 101"),
    ({"min_calls": -1}, "watch: min_calls is -1. Give 0 to 1000000000."),
    ({"health_checks": [{"command": "true"}] * (MOST_CHECKS + 1)}, "Give at most 50"),
    ({"health_checks": [{"command": ["true", "\udc80"]}]}, "a text that is not UTF-8"),
    ({"health_checks": [{"tasks": "x.yml"}]}, "has tasks"),
])
def test_what_makes_no_sense_is_refused(option, words):
    error = failure(watch_options, option)
    assert (error.code, words in error.message) == ("bad-option", True)
