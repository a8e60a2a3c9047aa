# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that all modules share. PRIVATE to this collection: it can change at any time."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and predict changes without changing the host.
  diff_mode:
    description: Returns changes, or predicted changes, as a diff.
  platform:
    description: The supported systems.
    platforms: linux
    support: full
"""

    ACTION = r"""
options: {}
attributes:
  action:
    description: Has a part that runs on the controller.
    support: full
  async:
    description: >-
      Can be run in the background with C(async). The result of a host would then reach Ansible unchecked, so the task
      fails with the code V(bad-option).
    support: none
"""
