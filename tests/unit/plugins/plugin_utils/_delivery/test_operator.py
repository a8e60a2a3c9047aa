# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs a playbook, also where the user has no name."""

from __future__ import annotations

import getpass
import os
import platform

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery import operator as operator_module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.operator import operator


def test_the_user_and_the_controller_are_named():
    assert operator() == {"user": getpass.getuser(), "node": platform.node()}


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 54321"), OSError("No username set"),
                                   ImportError("pwd")])
def test_a_user_without_a_name_is_a_number(monkeypatch, error):
    def getuser():
        raise error

    monkeypatch.setattr(operator_module.getpass, "getuser", getuser)
    assert operator()["user"] == str(os.getuid())
