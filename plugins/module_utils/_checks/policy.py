# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the kernel's policy: privileges, switches, signatures."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import (
    blacklisted_modules,
    ftrace_switch,
    in_container,
    may_load_modules,
    modules_disabled,
    signature_policy,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import unsupported


def permission(host, modules=True):
    """The findings that forbid this process to change patches; `modules` if it must also load or unload modules."""
    if not may_load_modules(host):
        yield finding("not-permitted", "CAP_SYS_MODULE", why="it lacks CAP_SYS_MODULE on the host itself")
    elif in_container(host):
        yield finding("not-permitted", "container", why="it is in a container with processes of its own")
    if modules and modules_disabled(host):
        yield finding("module-loading-disabled", "kernel.modules_disabled")


def _interface(context):
    if context.interface is None:
        yield unsupported(context.host)


def _permission(context):
    return permission(context.host, modules=context.loads())


def _unsigned(context):
    policy = signature_policy(context.host)
    if policy and context.description["signature"] is None:
        code = "signature-missing" if policy == "module.sig_enforce" else "locked-down"
        yield finding(code, context.description["name"], file=context.description["file"], policy=policy)


def _signing_key(context):
    if not context.facts.signer_known:
        signature = context.description["signature"]
        yield finding(
            "signature-key-unknown", context.description["name"], file=context.description["file"],
            policy=signature_policy(context.host),
            signer=signature["signer"] or signature["key_id"] or signature["serial"])


def _blacklisted(context):
    name = context.description["name"]
    if name in blacklisted_modules(context.host):
        yield finding("module-blacklisted", name, name=name)


def _ftrace(context):
    code = {"off": "ftrace-disabled", "dead": "ftrace-dead"}.get(ftrace_switch(context.host))
    if code and context.needs_ftrace():
        yield finding(code, "kernel.ftrace_enabled")


def _types(context):
    if context.description["btf"] and context.facts.strict_types:
        yield finding("btf-strict", context.description["name"], file=context.description["file"])


CHECKS = (
    Check(("livepatch-unsupported",), "change", (), _interface),
    Check(("not-permitted", "module-loading-disabled"), "change", (), _permission),
    Check(("signature-missing", "locked-down"), "load", (), _unsigned),
    Check(("signature-key-unknown",), "load", ("signer_known",), _signing_key),
    Check(("module-blacklisted",), "load", (), _blacklisted),
    Check(("ftrace-disabled", "ftrace-dead"), "load", (), _ftrace),
    Check(("btf-strict",), "fit", ("strict_types",), _types),
)
