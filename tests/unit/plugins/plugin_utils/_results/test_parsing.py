# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failure that a host's result tells, also when the result has no reason or an empty one."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import failure_of


@pytest.mark.parametrize(("answer", "failure"), [
    ({"failed": True, "msg": "Task failed: gone"}, (None, "gone")),
    ({"failed": True, "msg": " "}, (None, "no reason given")),
    ({"failed": True, "msg": "Task failed: "}, (None, "no reason given")),
    ({"failed": True}, (None, "no reason given")),
    ({"failed": True, "msg": " ", "module_stderr": "sudo: no tty"}, (None, "no reason given (sudo: no tty)")),
    ({"unreachable": True, "msg": "first\nsecond", "module_stdout": "a\nb\n\n"}, (None, "first (b)")),
    ({"failed": True, "msg": "a\x1b[2Jb", "code": "x\x07y"}, ("x?y", "a?[2Jb")),
])
def test_every_failure_has_a_reason(answer, failure):
    assert failure_of(answer) == failure
