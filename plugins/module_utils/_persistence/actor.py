# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identifies who changes this host, for people to read. It is no proof, and no decision depends on it."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable

MOST_CHARACTERS = 64  # characters of each part
MOST_PARENTS = 16
NO_LOGIN = str(2**32 - 1)  # /proc/PID/loginuid of a process outside any login
UNKNOWN_ACTOR = {"controller_user": None, "controller_node": None, "user": None, "address": None}


def identify_actor(host, controller=None):
    """Who asks for a change; unknown values are None.

    Shape: `controller_user` and `controller_node` (of `controller`, a dict of `user` and `node`),
    `user` (of the login on this host), `address` (the ssh client's). Source: loginuid in proc(5), sudo(8), ssh(1).
    """
    controller = controller or {}
    environments = list(_environments(host))
    connection = _nearest(environments, "SSH_CONNECTION")
    return {
        "controller_user": printable_name(controller.get("user")),
        "controller_node": printable_name(controller.get("node")),
        "user": printable_name(_login(host) or _nearest(environments, "SUDO_USER") or host.user_name(host.user_id())),
        "address": printable_name(connection.split()[0] if connection and connection.split() else None),
    }


def printable_name(text):
    """A short text without terminal control characters; None for an empty text and for other types."""
    if not isinstance(text, str) or not text:
        return None
    return printable(text[:MOST_CHARACTERS])


def actor_label(who):
    """The name of an actor in a sentence."""
    if who["controller_user"] and who["controller_node"]:
        return f"{who['controller_user']}@{who['controller_node']}"
    if who["user"] and who["address"]:
        return f"{who['user']} from {who['address']}"
    return who["user"] or who["address"] or "an unknown user"


def _login(host):
    """The name of the user who logged in, also after sudo or su; None if it is not known."""
    uid = host.read_or("/proc/self/loginuid", NO_LOGIN)
    return None if uid == NO_LOGIN or not uid.isdigit() else host.user_name(int(uid))


def _environments(host):
    """The readable environments of this process and of its ancestors, nearest first.

    sudo removes ssh's variables from its child's environment, and keeps them in its own.
    """
    process = "self"
    for _generation in range(MOST_PARENTS):
        text = (host.read_bytes_or(f"/proc/{process}/environ") or b"").decode("utf-8", "replace")
        yield dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)
        parent = re.search(r"^PPid:\s*(\d+)", host.read_or(f"/proc/{process}/status", ""), re.MULTILINE)
        if not parent or parent.group(1) in ("0", "1"):
            return
        process = parent.group(1)


def _nearest(environments, name):
    return next((environment[name] for environment in environments if environment.get(name)), None)
