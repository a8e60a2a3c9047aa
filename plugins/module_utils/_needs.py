# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host half asks the controller for what it lacks, so that nothing crosses that is not needed."""


class Needs(Exception):
    """Ends the task for now; the controller answers and runs it again.

    `what` is a dict with one or more of: `description` (a digest: the full description of that build of the offer),
    `reading` (`path` and `sha256`: read this file of the host and describe it), `file` (a digest: send this image).
    """

    def __init__(self, **what):
        super().__init__(f"needs {', '.join(sorted(what))}")
        self.what = what
