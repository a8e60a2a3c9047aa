# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OVAL definitions of a bundle, run by OpenSCAP on the files that a kernel shows; the files are simulated."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import subprocess

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.oval import note_digest, oval
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import fleet_status as fleet

OTHER_KERNEL = {**fleet.BUILD, "release": "6.1.0-57-amd64", "build_id": "c3" * 20, "sha256": "6d" * 32}
OTHER_PATCH = {**fleet.BUILD, "name": "other", "build_id": "d4" * 20, "metadata": {"cves": ["CVE-2026-9999"]}}
BUILDS = [fleet.BUILD, OTHER_KERNEL, OTHER_PATCH]
RESULT = re.compile(r"Definition oval:kernel\.livepatch:def:(\d+): (\w+)")


def note(build_id):
    return struct.pack("<III", 4, len(bytes.fromhex(build_id)), 3) + b"GNU\0" + bytes.fromhex(build_id)


def shown(name="fix", build_id=fleet.OURS[0], release=fleet.KERNEL, enabled="1", transition="0"):
    """The files of a kernel with one live patch."""
    return {
        "proc/sys/kernel/osrelease": f"{release}\n".encode(),
        f"sys/kernel/livepatch/{name}/enabled": f"{enabled}\n".encode(),
        f"sys/kernel/livepatch/{name}/transition": f"{transition}\n".encode(),
        f"sys/module/{name}/notes/.note.gnu.build-id": note(build_id)}


@pytest.fixture
def scan(tmp_path):
    """scan(files): what OpenSCAP finds by the definitions of BUILDS, in the order of the CVEs."""
    definitions = tmp_path / "definitions.xml"
    definitions.write_text(oval(fleet.record(builds=BUILDS)))

    def run(files):
        root = tmp_path / "root"
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        done = subprocess.run(
            ["oscap", "oval", "eval", definitions], env={**os.environ, "OSCAP_PROBE_ROOT": str(root)}, check=True,
            stdout=subprocess.PIPE, text=True)
        return [result for _number, result in sorted(RESULT.findall(done.stdout))]
    return run


def test_the_definitions_are_valid(tmp_path):
    definitions = tmp_path / "definitions.xml"
    definitions.write_text(oval(fleet.record(builds=BUILDS)))
    subprocess.run(["oscap", "oval", "validate", definitions], check=True)


@pytest.mark.parametrize(("files", "closed"), [
    (shown(), ["true", "true", "false"]),
    (shown(release="6.1.0-57-amd64", build_id="c3" * 20), ["true", "true", "false"]),
    (shown("other", "d4" * 20), ["false", "false", "true"]),
    (shown(build_id=fleet.OTHER[0]), ["false"] * 3),  # another build of the same name
    (shown(build_id="c3" * 20), ["false"] * 3),  # the build for another kernel
    (shown(release="6.1.0-58-amd64"), ["false"] * 3),
    (shown(enabled="0"), ["false"] * 3), (shown(transition="1"), ["false"] * 3),
    ({"proc/sys/kernel/osrelease": f"{fleet.KERNEL}\n".encode()}, ["false"] * 3),
])
def test_a_scanner_finds_what_a_live_patch_closes_only_in_the_right_build(scan, files, closed):
    assert scan(files) == closed


@pytest.mark.parametrize(("arch", "order"), [("x86_64", "<"), ("aarch64", "<"), ("s390x", ">")])
def test_the_note_has_the_byte_order_of_the_kernel(arch, order):
    content = struct.pack(f"{order}III", 4, 20, 3) + b"GNU\0" + bytes(range(20))
    assert note_digest(bytes(range(20)).hex(), arch) == hashlib.sha256(content).hexdigest()


def test_a_bundle_without_build_ids_or_cves_has_no_definitions():
    for build in ({**fleet.BUILD, "build_id": None}, {**fleet.BUILD, "metadata": None}):
        assert oval(fleet.record(builds=[build])) is None
    assert oval(fleet.record(builds=None)) is None


def test_the_same_bundle_gives_the_same_definitions():
    record = fleet.record(builds=BUILDS)
    assert oval(dict(record, patches=record["patches"][::-1])).count("<definition ") == 3
    assert oval(record) == oval(fleet.record(builds=BUILDS))


def test_odd_texts_stay_texts():
    odd = {**fleet.BUILD, "name": 'fix"&<x>\x1b', "release": "<6.1>&\x00"}
    text = oval(fleet.record(builds=[odd]))
    assert "<x>" not in text and "\x1b" not in text and "\x00" not in text
