# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes results of honest hosts as the controller does; its half needs a newer Python than a host has."""

import json
import sys

CONTROLLER_PYTHON = (3, 10)


def taken(module, result):
    """A result as the controller hands it on; on an older Python, as it was sent."""
    sent = json.loads(json.dumps(result))
    if sys.version_info < CONTROLLER_PYTHON:
        return sent
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.answer import read_answer

    return read_answer(module, sent)


def assert_fits(module, result):
    """The controller takes the result of an honest host as it is."""
    answer = taken(module, result)
    assert {key: answer[key] for key in answer if key in result} == result
