# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and files of this collection on a host, and the schema of each."""

STATE_DIRECTORY = "/var/lib/kernel-livepatch"
LEDGER = f"{STATE_DIRECTORY}/ledger.json"
RUN_DIRECTORY = "/run/kernel-livepatch"
STORE_DIRECTORY = "/var/lib/kernel-livepatch/patches"
