# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module parameters: what crosses to the kernel, and what it could not read back."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.module_parameters import parameter_line
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

LINES = [
    ({}, ""),
    ({"count": 3}, "count=3"),
    ({"count": -1, "a": 2}, "a=2 count=-1"),
    ({"on": True, "off": False}, "off=N on=Y"),
    ({"text": "two words"}, 'text="two words"'),
    ({"text": ""}, "text="),
    ({"text": "a=b,c"}, "text=a=b,c"),
    ({"list": [1, 2, True]}, "list=1,2,Y"),
    ({"list": ["two words", "x"]}, 'list="two words,x"'),
    ({"list": []}, "list="),
    # In UTF-8 this letter ends in the byte 0xa0, a space to the kernel.
    ({"text": "\u00e0"}, 'text="\u00e0"'),
]
REFUSED = [
    {"text": 'a"b'}, {"text": "two\nlines"}, {"text": "nul\0"}, {"text": None}, {"text": {"a": 1}},
    {"list": ["a,b"]}, {"list": [["nested"]]}, {"list": [None]},
    {"": 1}, {"two words": 1}, {"a=b": 1}, {"--": 1}, {"a\nb": 1},
]


@pytest.mark.parametrize("parameters, line", LINES)
def test_one_line_for_the_kernel(parameters, line):
    assert parameter_line(parameters) == line


@pytest.mark.parametrize("parameters", REFUSED)
def test_what_the_kernel_could_not_read_back_is_refused(parameters):
    with pytest.raises(LivepatchError) as caught:
        parameter_line(parameters)
    assert caught.value.code == "bad-parameter"


def test_the_line_reaches_the_load(kernel, apply):
    apply(SimulatedPatch(), params={"count": 3, "text": "two words"})
    assert kernel.loads == [("fix", 'count=3 text="two words"')]


def test_a_bad_value_is_refused_before_anything_is_looked_at(kernel, apply):
    with pytest.raises(LivepatchError):
        apply(SimulatedPatch(), params={"text": "two\nlines"})
    assert kernel.loads == []
