# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the host that checks compare a patch with; each is read when a check first asks for it, and once."""


# Fact: what is said where the host does not tell it. A check that needs the fact is then left out.
SOURCES = {
}


class Facts:
    """None stands for what the host does not tell."""

    def __init__(self, host, description):
        self.host = host
        self.description = description
