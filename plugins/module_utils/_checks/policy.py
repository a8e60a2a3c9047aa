# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what the kernel lets in: privileges, switches, signatures."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.question import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._findings import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._interfaces import unsupported
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel import may_load_modules, modules_disabled


def permission(host, modules=True):
    """The findings that keep this process from changing patches; `modules` when modules go in or out as well."""
    if not may_load_modules(host):
        yield finding("not-permitted", "CAP_SYS_MODULE")
    if modules and modules_disabled(host):
        yield finding("module-loading-disabled", "kernel.modules_disabled")


def _interface(question):
    if question.interface is None:
        yield unsupported(question.host)


def _permission(question):
    return permission(question.host)


CHECKS = (
    Check(("livepatch-unsupported",), "change", (), _interface),
    Check(("not-permitted", "module-loading-disabled"), "change", (), _permission),
)
