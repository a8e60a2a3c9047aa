# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.bounded import BoundedAction
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.host_action import HostAction


class ActionModule(BoundedAction, HostAction):
    """The controller's half of the module of this name."""
