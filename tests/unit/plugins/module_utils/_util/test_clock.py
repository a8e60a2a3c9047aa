# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a condition: soon noticed, seldom asked."""

from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until


def test_what_is_true_already_is_not_waited_for(kernel):
    assert poll_until(kernel, lambda: "yes", 10) == "yes"
    assert kernel.now() == 0


def test_a_change_is_noticed_within_fifty_milliseconds_at_first(kernel):
    assert poll_until(kernel, lambda: kernel.now() >= 5, 10) is True
    assert 5 <= kernel.now() <= 5.05


def test_a_late_change_is_noticed_within_a_tenth_of_a_second(kernel):
    assert poll_until(kernel, lambda: kernel.now() >= 60, 90) is True
    assert 60 <= kernel.now() <= 60.1


def test_a_quick_change_is_noticed_within_milliseconds(kernel):
    poll_until(kernel, lambda: kernel.now() >= 0.01, 10)
    assert kernel.now() < 0.016


def test_it_asks_a_last_time_when_the_time_is_over(kernel):
    assert poll_until(kernel, lambda: kernel.now() >= 1, 1) is True
    assert poll_until(kernel, lambda: False, 1) is False
    assert 2 <= kernel.now() < 2.001


def test_it_asks_ten_times_a_second_at_most_after_a_while(kernel):
    asked = []
    poll_until(kernel, lambda: asked.append(1), 90)
    assert 1200 <= len(asked) <= 1220
