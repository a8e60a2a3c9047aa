# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The OpenVEX document of a status: what is known of each host and CVE, and nothing more (github.com/openvex/spec).

`fixed` is what the host has verified in effect, for good. `affected` is what no live patch closes, or what a build of
the bundle would close. Everything else is `under_investigation`. That a host is `not_affected` cannot be known here.
"""

from __future__ import annotations

import json
import typing as t
import uuid
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.causes import (
    builds_for,
    coverage_of_host,
    later_versions,
    part_for,
    parts_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.cves import Statement, statements

Record = Mapping[str, t.Any]
Claim = tuple[str, str, str, str]  # CVE, status, notes, action
Patches = Sequence[tuple[Record, Sequence[Record]]]  # of livepatch_src, each with its parts_of()

CONTEXT = "https://openvex.dev/ns/v0.2.0"
TOOLING = "Ansible collection kernel.livepatch"
NOT_KNOWN = "under_investigation"
IN_EFFECT = ("covered", "on_trial")  # of coverage_of_host


def openvex(record: Record) -> dict[str, t.Any] | None:
    """The document, None if there is nothing to state. The same record gives the same document."""
    products: dict[Claim, list[dict[str, t.Any]]] = {}
    patches = [(patch, parts_of(patch)) for patch in record.get("patches") or ()]
    for name, host in sorted(record["hosts"].items()):
        product = _product(name, host)
        for claim in _claims(patches, host):
            products.setdefault(claim, []).append(product)
    if not products:
        return None
    stated = [_statement(claim, products[claim]) for claim in sorted(products)]
    when = record.get("ended") or record["started"]
    identity = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([record["id"], when, stated], sort_keys=True))
    operator = record.get("operator") or {}
    return {
        "@context": CONTEXT, "@id": f"urn:uuid:{identity}",
        "author": f"{operator.get('user') or 'unknown'} on {operator.get('node') or 'unknown'}",
        "timestamp": when, "version": 1, "tooling": TOOLING, "statements": stated}


def _statement(claim: Claim, products: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    cve, status, notes, action = claim
    stated = {"vulnerability": {"name": cve}, "products": products, "status": status, "status_notes": notes}
    return {**stated, "action_statement": action} if action else stated


def _product(name: str, host: Record) -> dict[str, t.Any]:
    """A host, with its kernel as the component: of two hosts with one kernel, one can be fixed and one not."""
    product: dict[str, t.Any] = {"@id": f"urn:kernel-livepatch:host:{_quote(name)}"}
    if host.get("kernel"):
        qualifiers = {"arch": host.get("arch"), "build_id": host.get("kernel_build_id")}
        known = "&".join(f"{key}={_quote(value)}" for key, value in qualifiers.items() if value)
        product["subcomponents"] = [{"@id": f"pkg:generic/linux@{_quote(host['kernel'])}{'?' * bool(known)}{known}"}]
    return product


def _quote(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _claims(patches: Patches, host: Record) -> Iterator[Claim]:
    """What is stated of one host, each CVE once: what the host says itself, and else what the bundle says of it."""
    said = {one.cve: one for one in statements(host)}
    for one in said.values():
        yield _own_claim(one)
    others: dict[str, Claim] = {}
    everything = [part for _patch, parts in patches for part in parts]
    for patch, parts in patches:
        part = part_for(patch, parts, host) if "patches" in host else None
        for cve in patch.get("cves") or ():
            if cve not in said:
                claim = _bundle_claim(cve, patch, part, host, everything)
                others[cve] = min(others.get(cve, claim), claim, key=lambda found: _ORDER.index(found[1]))
    yield from others.values()


_ORDER = ("fixed", NOT_KNOWN, "affected")  # of several patches with one CVE, the best for the host counts


def _own_claim(said: Statement) -> Claim:
    patch = _words(said.patch) if said.patch else "A live patch"
    if said.kind == "closed":
        return said.cve, "fixed", f"{patch} is enabled, and each of its functions is in effect.", ""
    if said.kind == "open":
        return (said.cve, "affected", f"No live patch closes it: {said.why}.",
                "Reboot into a kernel with the fix.")
    if said.kind == "on_trial":
        return said.cve, NOT_KNOWN, f"{patch} is in effect on trial, and the host reverts unless it is accepted.", ""
    return said.cve, NOT_KNOWN, f"{patch} is enabled, and its verification failed: {said.why}.", ""


def _bundle_claim(
        cve: str, patch: Record, part: Record | None, host: Record, everything: Sequence[Record]) -> Claim:
    """What is known of a host that does not tell of a CVE, from a patch of livepatch_src with builds that close it.

    `part`: the builds of the patch that close what the one for the host's kernel closes. `everything`: all parts.
    """
    if "patches" not in host:
        return cve, NOT_KNOWN, "The host could not be queried.", ""
    if part is None:
        return cve, NOT_KNOWN, f"There is no build of {patch['name']} for the kernel of the host.", ""
    if cve not in part["cves"]:
        return cve, NOT_KNOWN, f"The build of {patch['name']} for the kernel of the host does not close it.", ""
    kind = coverage_of_host(part, host)
    later = [one for one in later_versions(part, everything) if coverage_of_host(one, host) in IN_EFFECT
             ] if kind == "missing" else []
    if later:  # the older one must not be loaded over it
        return (cve, NOT_KNOWN, f"{later[-1]['name']} is in effect, a later version of {patch['name']}. bundle.yml "
                "does not say that it closes it.", "")
    if kind == "missing" and host.get("coverage") is not None:
        build = _words(dict(builds_for(part, host)[0], name=patch["name"]))
        return (cve, "affected", f"{build} closes it on this kernel, and is not enabled.",
                f"Load {patch['name']} with the playbook kernel.livepatch.rollout.")
    running = [one for one in host["patches"] if one["name"] == patch["name"] and one["verified"]]
    if kind == "covered" and running:
        return cve, "fixed", f"{_words(running[0])} is enabled, and each of its functions is in effect.", ""
    return cve, NOT_KNOWN, f"Whether {patch['name']} of the bundle is in effect was not verified on the host.", ""


def _words(patch: Record) -> str:
    """A patch by its identity."""
    parts = [
        f"{word} {patch[key]}" for key, word in (("version", "version"), ("build_id", "build-id"), ("sha256", "sha256"))
        if patch.get(key)]
    return f"{patch['name']} ({', '.join(parts)})" if parts else str(patch["name"])
