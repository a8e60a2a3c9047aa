# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated child process: its function is run at once, in this process."""

import json


class Hang(BaseException):
    """What a function does that does not end."""


class SimulatedChild:
    """As processes.Child. One that hangs ends when it is killed, or never if it is `stuck` in the kernel."""

    def __init__(self, function):
        self.killed = self.stuck = self.hangs = False
        self._value = None
        try:
            self._value = json.loads(json.dumps(function()))
        except Hang:
            self.hangs = True

    def poll(self):
        return not self.hangs

    def value(self):
        return self._value

    def kill(self):
        self.killed = True
        self.hangs = self.stuck

    def close(self):
        pass

    def reap(self):
        return not self.hangs
