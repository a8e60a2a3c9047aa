# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker ends with its run, and no sooner."""

from __future__ import annotations

import os
import threading

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util import orphan


def test_a_process_whose_parent_has_ended_ends(monkeypatch):
    monkeypatch.setattr(orphan, "LOOK_SECONDS", 0.001)
    left, status, parents = threading.Event(), [], iter([7, 7, 7, 1])

    def leave(code):
        status.append(code)
        left.set()
    with orphan.EndsWithRun(leave, lambda: next(parents)):
        assert left.wait(60)
    assert status == [1]


def test_a_process_with_its_parent_goes_on_and_the_watch_ends_with_the_task(monkeypatch):
    monkeypatch.setattr(orphan, "LOOK_SECONDS", 0.001)
    looks, looked = [], threading.Event()

    def parent():
        looks.append(1)
        if len(looks) > 5:
            looked.set()
        return os.getppid()
    watch = orphan.EndsWithRun(lambda code: looks.append("left"), parent)
    with watch:
        assert looked.wait(60)
    watch._thread.join(60)
    assert not watch._thread.is_alive() and "left" not in looks
