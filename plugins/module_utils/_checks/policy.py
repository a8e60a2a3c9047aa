# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what the kernel lets in: privileges, switches, signatures."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import (
    blacklisted_modules,
    ftrace_switch,
    may_load_modules,
    modules_disabled,
    signature_policy,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import unsupported


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
    return permission(question.host, modules=question.loads())


def _unsigned(question):
    policy = signature_policy(question.host)
    if policy and question.description["signature"] is None:
        code = "signature-missing" if policy == "module.sig_enforce" else "locked-down"
        yield finding(code, question.description["name"], file=question.description["file"], policy=policy)


def _signing_key(question):
    if not question.facts.signer_known:
        signature = question.description["signature"]
        yield finding(
            "signature-key-unknown", question.description["name"], file=question.description["file"],
            policy=signature_policy(question.host),
            signer=signature["signer"] or signature["key_id"] or signature["serial"])


def _blacklisted(question):
    name = question.description["name"]
    if name in blacklisted_modules(question.host):
        yield finding("module-blacklisted", name, name=name)


def _ftrace(question):
    code = {"off": "ftrace-disabled", "dead": "ftrace-dead"}.get(ftrace_switch(question.host))
    if code:
        yield finding(code, "kernel.ftrace_enabled")


def _types(question):
    if question.description["btf"] and question.facts.strict_types:
        yield finding("btf-strict", question.description["name"], file=question.description["file"])


CHECKS = (
    Check(("livepatch-unsupported",), "change", (), _interface),
    Check(("not-permitted", "module-loading-disabled"), "change", (), _permission),
    Check(("signature-missing", "locked-down"), "load", (), _unsigned),
    Check(("signature-key-unknown",), "load", ("signer_known",), _signing_key),
    Check(("module-blacklisted",), "load", (), _blacklisted),
    Check(("ftrace-disabled", "ftrace-dead"), "load", (), _ftrace),
    Check(("btf-strict",), "fit", ("strict_types",), _types),
)
