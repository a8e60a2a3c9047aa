# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""OVAL definitions of the bundle of a status: a scanner on a host finds by itself which CVEs its live patches close.

A definition is true if the host runs the release of a build that closes the CVE, and that very build is loaded, enabled
and not in transition. The build is compared by the digest of its build-id's note. OVAL cannot see single functions.
"""

from __future__ import annotations

import hashlib
import re
import struct
import typing as t
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import cves_of_build

Record = Mapping[str, t.Any]
Test = tuple[str, str, str, str]  # kind (`text` or `digest`), path, expected value, comment

OVAL = "http://oval.mitre.org/XMLSchema/"
DEFINITIONS, COMMON, INDEPENDENT = (f"{OVAL}oval-{name}-5" for name in ("definitions", "common", "definitions"))
INDEPENDENT += "#independent"
SCHEMA_VERSION = "5.11"
NOTE_GNU_BUILD_ID = 3  # NT_GNU_BUILD_ID (include/linux/elfnote.h, binutils)
BIG_ENDIAN = ("s390x", "s390", "ppc64")
HEX = re.compile(r"(?:[0-9a-f]{2})+")


def oval(record: Record) -> str | None:
    """The definitions as XML, None without a build that a scanner can tell. The same bundle gives the same text."""
    closing: dict[str, list[tuple[str, Record]]] = {}
    for patch in record.get("patches") or ():
        for build in patch["builds"]:
            for cve in cves_of_build(patch, build) if HEX.fullmatch(build["build_id"] or "") else ():
                closing.setdefault(cve, []).append((patch["name"], build))
    return _Document(closing, record.get("ended") or record["started"]).text() if closing else None


def note_digest(build_id: str, arch: str) -> str:
    """The sha256 of the file notes/.note.gnu.build-id of a loaded module."""
    identifier = bytes.fromhex(build_id)
    header = struct.pack(f"{'>' if arch in BIG_ENDIAN else '<'}III", len(b"GNU\0"), len(identifier), NOTE_GNU_BUILD_ID)
    return hashlib.sha256(header + b"GNU\0" + identifier).hexdigest()


def _tests(name: str, build: Record) -> Iterator[Test]:
    """What must be true on a host for a build to be in effect."""
    yield "text", "/proc/sys/kernel/osrelease", build["release"], f"the kernel is {build['release']}"
    yield "text", f"/sys/kernel/livepatch/{name}/enabled", "1", f"{name} is enabled"
    yield "text", f"/sys/kernel/livepatch/{name}/transition", "0", f"{name} is not in transition"
    yield ("digest", f"/sys/module/{name}/notes/.note.gnu.build-id", note_digest(build["build_id"], build["arch"]),
           f"{name} is the build {build['build_id']}")


class _Document:
    """The XML: definitions, and each test, object and state once."""

    def __init__(self, closing: Mapping[str, list[tuple[str, Record]]], when: str) -> None:
        self._numbers: dict[Test, int] = {}
        self._root = ET.Element(_name("oval_definitions"))
        generator = self._add(self._root, "generator")
        for key, text in (("product_name", "kernel.livepatch"), ("schema_version", SCHEMA_VERSION),
                          ("timestamp", when.removesuffix("Z"))):
            self._add(generator, key, COMMON).text = text
        definitions = self._add(self._root, "definitions")
        for number, (cve, builds) in enumerate(sorted(closing.items()), start=1):
            self._define(definitions, number, cve, builds)
        groups = [self._add(self._root, group) for group in ("tests", "objects", "states")]
        for test, number in self._numbers.items():
            self._describe(groups, test, number)

    def text(self) -> str:
        for prefix, space in (("", DEFINITIONS), ("oval", COMMON), ("ind", INDEPENDENT)):
            ET.register_namespace(prefix, space)
        ET.indent(self._root)
        return f"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{ET.tostring(self._root, encoding='unicode')}\n"

    def _add(self, parent: ET.Element, tag: str, space: str = DEFINITIONS, **attributes: str) -> ET.Element:
        plain = {key: printable(text) for key, text in attributes.items()}
        return ET.SubElement(parent, _name(tag, space), plain)

    def _define(self, parent: ET.Element, number: int, cve: str, builds: list[tuple[str, Record]]) -> None:
        title = f"{cve} is closed by a live patch"
        # Not of the class `vulnerability`: false says nothing of a kernel that the bundle has no build for.
        definition = self._add(parent, "definition", id=_id("def", number), version="1", **{"class": "compliance"})
        metadata = self._add(definition, "metadata")
        self._add(metadata, "title").text = printable(title)
        affected = self._add(metadata, "affected", family="unix")
        self._add(affected, "platform").text = "Linux"
        self._add(metadata, "reference", source="CVE", ref_id=cve)
        self._add(metadata, "description").text = printable(
            f"{title} of the bundle, which is loaded in the build for this kernel, enabled and not in transition.")
        any_of = self._add(definition, "criteria", operator="OR")
        for name, build in builds:
            all_of = self._add(any_of, "criteria", operator="AND", comment=f"{name} for {build['release']}")
            for test in _tests(name, build):
                known = self._numbers.setdefault(test, len(self._numbers) + 1)
                self._add(all_of, "criterion", test_ref=_id("tst", known), comment=test[3])

    def _describe(self, groups: list[ET.Element], test: Test, number: int) -> None:
        kind, path, expected, comment = test
        names = {"text": "textfilecontent54", "digest": "filehash58"}
        tests, objects, states = groups
        described = self._add(tests, f"{names[kind]}_test", INDEPENDENT, id=_id("tst", number), version="1",
                              check="all", check_existence="at_least_one_exists", comment=comment)
        self._add(described, "object", INDEPENDENT, object_ref=_id("obj", number))
        self._add(described, "state", INDEPENDENT, state_ref=_id("ste", number))
        looked = self._add(objects, f"{names[kind]}_object", INDEPENDENT, id=_id("obj", number), version="1")
        self._add(looked, "filepath", INDEPENDENT).text = printable(path)
        state = self._add(states, f"{names[kind]}_state", INDEPENDENT, id=_id("ste", number), version="1")
        if kind == "digest":
            self._add(looked, "hash_type", INDEPENDENT).text = "SHA-256"
            self._add(state, "hash", INDEPENDENT).text = expected
        else:
            self._add(looked, "pattern", INDEPENDENT, operation="pattern match").text = r"^(\S+)$"
            self._add(looked, "instance", INDEPENDENT, datatype="int").text = "1"
            self._add(state, "subexpression", INDEPENDENT).text = printable(expected)


def _name(tag: str, space: str = DEFINITIONS) -> str:
    return f"{{{space}}}{tag}"


def _id(kind: str, number: int) -> str:
    return f"oval:kernel.livepatch:{kind}:{number}"
