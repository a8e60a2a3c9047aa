# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions in the form of PEP 440 are ordered as packaging.version orders them."""

from __future__ import annotations

import itertools
import random

from packaging.version import InvalidVersion, Version

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.version_order import (
    compare_versions,
    version_keys,
)

PARTS = (
    ("", "1!", "v"), ("1", "1.0", "1.1", "1.10", "2026.11"), ("", "a1", "-beta.2", "rc", "c3", ".pre4", "preview"),
    ("", ".post1", "-2", "rev3", "-r4"), ("", ".dev0", "-dev", "_dev12"), ("", "+1", "+local", "+local.1-2", "+0a"))
OF_NO_SUCH_FORM = ("", "klp", "1.0-el8", "1..0", "1.0+", "6.1.0-56-amd64", "1 0", "1.0rc1rc2", "!1", "1.x")


def test_the_order_is_that_of_packaging():
    versions = ["".join(parts) for parts in itertools.product(*PARTS)]
    pairs = random.Random(13).choices(versions, k=40_000)
    for one, other in zip(pairs[::2], pairs[1::2], strict=True):
        first, second = Version(one), Version(other)
        assert compare_versions(one, other) == (first > second) - (first < second), (one, other)


def test_the_form_is_that_of_packaging():
    for version in OF_NO_SUCH_FORM:
        try:
            Version(version)
        except InvalidVersion:
            # Beside such a version, part by part: the epoch, two numbers and the end.
            assert len(version_keys([version, "1.0"])[1]) == 4, version
        else:
            raise AssertionError(version)
