# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changes a host, as far as anything tells."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import (
    MOST_PARENTS,
    actor_label,
    identify_actor,
)

UNNAMED = {"controller_user": None, "controller_node": None, "user": "root", "address": None}


def process(kernel, number, parent, **environment):
    kernel.put(f"/proc/{number}/status", f"Name:\tx\nPPid:\t{parent}\nCapEff:\t000001ffffffffff\n")
    kernel.put(f"/proc/{number}/environ", "".join(f"{key}={value}\0" for key, value in environment.items()))


def test_a_run_that_nothing_is_known_of_is_that_of_its_own_user(kernel):
    assert identify_actor(kernel) == UNNAMED


def test_the_controller_is_taken_at_its_word(kernel):
    assert identify_actor(kernel, {"user": "alice", "node": "control1"}) == dict(
        UNNAMED, controller_user="alice", controller_node="control1")


@pytest.mark.parametrize("controller", [
    {}, {"user": None}, {"user": 1, "node": ["x"]}, {"user": "", "node": {"x": "y"}}, {"other": "x"}])
def test_what_is_no_name_is_none(kernel, controller):
    assert identify_actor(kernel, controller) == UNNAMED


def test_names_are_short_and_control_no_terminal(kernel):
    who = identify_actor(kernel, {"user": "a\x1b[2J\nb\u202e\ud800", "node": "n" * 1000})
    assert who["controller_user"] == "a?[2J?b??"
    assert who["controller_node"] == "n" * 64


def test_the_login_s_user_is_told_whatever_they_have_become(kernel):
    kernel.put("/proc/self/loginuid", "1000")
    process(kernel, "self", 0, SUDO_USER="somebody")
    assert identify_actor(kernel)["user"] == "deploy"


@pytest.mark.parametrize("loginuid", ["4294967295", "", "-1"])
def test_without_a_login_sudo_s_word_is_taken(kernel, loginuid):
    kernel.put("/proc/self/loginuid", loginuid)
    process(kernel, "self", 0, SUDO_USER="deploy")
    assert identify_actor(kernel)["user"] == "deploy"


def test_a_user_without_a_name_is_a_number(kernel):
    kernel.put("/proc/self/loginuid", "54321")
    assert identify_actor(kernel)["user"] == "54321"


def test_where_the_login_came_from_is_asked_of_the_processes_above_sudo(kernel):
    process(kernel, "self", 40, SUDO_USER="deploy")
    process(kernel, 40, 30, SUDO_USER="deploy")
    process(kernel, 30, 20, SSH_CONNECTION="192.0.2.7 50000 192.0.2.1 22")
    process(kernel, 20, 1, SSH_CONNECTION="198.51.100.9 1 192.0.2.1 22")
    assert identify_actor(kernel)["address"] == "192.0.2.7"


@pytest.mark.parametrize("connection", ["", " ", "\x1b"])
def test_a_connection_that_makes_no_sense_is_none_or_harmless(kernel, connection):
    process(kernel, "self", 0, SSH_CONNECTION=connection)
    assert identify_actor(kernel)["address"] in (None, "?")


def test_processes_that_cannot_be_read_or_that_go_round_tell_nothing(kernel):
    process(kernel, "self", 40)
    process(kernel, 40, 40)
    asked = []
    real = kernel.read_bytes
    kernel.read_bytes = lambda path: asked.append(path) or real(path)
    assert identify_actor(kernel) == UNNAMED
    assert asked.count("/proc/40/environ") == MOST_PARENTS - 1
    kernel.forbidden = ("/proc/40",)
    assert identify_actor(kernel) == UNNAMED


@pytest.mark.parametrize("who, words", [
    ({"controller_user": "alice", "controller_node": "control1", "user": "root"}, "alice@control1"),
    ({"user": "deploy", "address": "192.0.2.7"}, "deploy from 192.0.2.7"), ({"user": "root"}, "root"),
    ({"address": "192.0.2.7", "user": None}, "192.0.2.7"), ({"user": None}, "an unknown user"),
])
def test_somebody_is_called_by_what_is_known(who, words):
    assert actor_label(dict(UNNAMED, **who)) == words
