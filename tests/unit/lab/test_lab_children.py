# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a lab: a failure shows what the tool wrote, and closing ends what is waited for."""

from __future__ import annotations

import threading

import pytest

from tests.lab.children import LOG_LINES_SHOWN, Children
from tests.lab.errors import LabError


def test_output_goes_to_the_log(tmp_path):
    Children().run(["sh", "-c", "echo out; echo err >&2"], tmp_path / "log")
    assert tmp_path.joinpath("log").read_text() == "out\nerr\n"


def test_failure_tells_status_and_the_last_lines(tmp_path):
    with pytest.raises(LabError) as caught:
        Children().run(["sh", "-c", f"seq 1000 {1000 + LOG_LINES_SHOWN}; exit 3"], tmp_path / "log")
    assert caught.value.code == "tool-failed"
    assert "status 3" in str(caught.value)
    assert str(1000 + LOG_LINES_SHOWN) in str(caught.value)
    assert "1000" not in str(caught.value)


def test_failure_without_output_says_so(tmp_path):
    with pytest.raises(LabError, match="no output"):
        Children().run(["false"], tmp_path / "log")


def test_close_ends_what_another_thread_waits_for(tmp_path):
    children = Children()
    child = children.start(["sleep", "600"], tmp_path / "log")
    statuses = []
    waiter = threading.Thread(target=lambda: statuses.append(children.wait(child)))
    waiter.start()
    children.close()
    waiter.join(timeout=10)
    assert statuses == [-9]


def test_closed_lab_starts_nothing(tmp_path):
    children = Children()
    children.close()
    with pytest.raises(LabError) as caught:
        children.run(["true"], tmp_path / "log")
    assert caught.value.code == "lab-closed"
