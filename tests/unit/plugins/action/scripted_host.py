# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that follows a script, for tests of the controller's half of `patch`."""

from __future__ import annotations

from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import honest

DESCRIPTION = {"file": "fix.ko", "name": "fix", "release": "6.1.0-56-amd64", "arch": "x86_64", "sha256": "a" * 64,
               "size": 3, "build_id": "bb", "objects": [], "padding": "x"}
OPERATOR = {"user": "alice", "node": "control1"}
CALLED_WITH = {"module_args": {
    "src": "fix.ko", "via_controller": {"offer": {"builds": []}, "operator": OPERATOR, "fresh": False}}}
DONE = honest("patch", changed=True, findings=[], invocation=CALLED_WITH)


class ScriptedCache:
    """A parse cache that knows one description and one image."""

    def __init__(self, directory):
        self.directory = directory
        self.read = []

    def describe_checked(self, path, check):
        check("c" * 64)
        return dict(DESCRIPTION, file=path.name)

    def keyrings(self):
        return []

    def find_description(self, sha256):
        return DESCRIPTION if sha256 in self.read else None

    def describe_bytes(self, content, name):
        self.read.append(DESCRIPTION["sha256"])
        return dict(DESCRIPTION, file=name, size=len(content))

    def image_path(self, sha256):
        assert sha256 == DESCRIPTION["sha256"]
        image = self.directory / "image"
        image.write_bytes(b"ELF")
        return image

    def enclosure(self, sha256):
        assert sha256 == DESCRIPTION["sha256"]
        return "RUxG"


class CacheOfLargeImages(ScriptedCache):
    """The same with an image too large for an option."""

    def enclosure(self, sha256):
        return None


def sent(module, call):
    """The arguments of one call of the module."""
    return module._execute_module.call_args_list[call].kwargs["module_args"]


def told(module, call):
    """What the controller's half fills in, in one call of the module."""
    return sent(module, call)["via_controller"]
