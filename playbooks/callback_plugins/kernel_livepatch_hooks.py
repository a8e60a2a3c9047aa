# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible loads the callbacks that lie beside a playbook. Those of a collection have to be enabled by the user."""

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.callback.hooks import CallbackModule as Hooks


class CallbackModule(Hooks):
    CALLBACK_NAME = "kernel_livepatch_hooks"
