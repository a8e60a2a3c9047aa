# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changes this host, for people to read: nothing of it is proof, and nothing is decided by it."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable

MOST_CHARACTERS = 64  # characters of each part
MOST_PARENTS = 16
NO_LOGIN = str(2**32 - 1)  # what /proc/PID/loginuid says of what no login has started
UNKNOWN_ACTOR = {"controller_user": None, "controller_node": None, "user": None, "address": None}


def identify_actor(host, controller=None):
    """Who asks for a change; None for what is not known.

    Shape: `controller_user` and `controller_node` (of `controller`, a dict of `user` and `node`),
    `user` (whose login on this host it is), `address` (the ssh client's). Source: loginuid in proc(5), sudo(8), ssh(1).
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
    """A short text without anything that controls a terminal; None for what is no text, or empty."""
    if not isinstance(text, str) or not text:
        return None
    return printable(text[:MOST_CHARACTERS])


def actor_label(who):
    """What to call somebody in a sentence."""
    if who["controller_user"] and who["controller_node"]:
        return f"{who['controller_user']}@{who['controller_node']}"
    if who["user"] and who["address"]:
        return f"{who['user']} from {who['address']}"
    return who["user"] or who["address"] or "somebody"


def _login(host):
    """The name of the user who logged in, whatever they have become since; None where that is not known."""
    uid = host.read_or("/proc/self/loginuid", NO_LOGIN)
    return None if uid == NO_LOGIN or not uid.isdigit() else host.user_name(int(uid))


def _environments(host):
    """The environments of this process and of those that started it, as far as they can be read, nearest first.

    sudo takes ssh's words away from what it starts, and keeps them itself.
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
