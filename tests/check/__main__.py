# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the project's checks: `python3 -m tests.check VERB`, from the checkout. Standard library only."""

from __future__ import annotations

import sys

from tests.check.cli import main

sys.exit(main(sys.argv[1:]))
