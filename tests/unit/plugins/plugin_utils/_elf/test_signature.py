# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures made by openssl as scripts/sign-file makes them, and damaged ones."""

from __future__ import annotations

import struct
import subprocess

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.signature import read_signature
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError

MAGIC = b"~Module signature appended~\n"
MODULE = b"\x7fELF" + bytes(100)
SERIAL = "0x5f3a01"
# O=Example, CN=Example key: a set of one pair of an object identifier and a text each.
ISSUER = b"\x31\x10\x30\x0e\x06\x03\x55\x04\x0a\x0c\x07Example\x31\x14\x30\x12\x06\x03\x55\x04\x03\x0c\x0bExample key"


def trailer(size, id_type=2, algorithm=0, digest=0, signer=0, key_id=0) -> bytes:
    return struct.pack(">BBBBB3xI", algorithm, digest, id_type, signer, key_id, size) + MAGIC


@pytest.fixture(scope="module", params=["rsa:2048", "ec"])
def key(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("key")
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] if request.param == "ec" else []
    command = ["openssl", "req", "-x509", "-newkey", request.param, *curve, "-nodes", "-set_serial", SERIAL]
    names = ["-subj", "/O=Example/CN=Example key", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command, *names], cwd=directory, check=True, capture_output=True)
    return directory, "ecdsa" if request.param == "ec" else "rsa"


def sign(directory, *options: str, certificates: bool = False) -> bytes:
    (directory / "module").write_bytes(MODULE)
    command = ["openssl", "cms", "-sign", "-binary", "-noattr", "-outform", "DER", "-in", "module"]
    command += [] if certificates else ["-nocerts"]
    keys = ["-signer", "cert.pem", "-inkey", "key.pem"]
    return subprocess.run([*command, *keys, *options], cwd=directory, check=True, capture_output=True).stdout


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_a_signature_tells_its_signer(key, digest):
    directory, algorithm = key
    der = sign(directory, "-md", digest)
    assert read_signature(MODULE + der + trailer(len(der))) == {
        "signer": "Example key",
        "key_id": None,
        "issuer": ISSUER.hex(),
        "serial": "5f3a01",
        "certificates": False,
        "hash": digest,
        "algorithm": algorithm,
    }


def test_a_signature_by_key_identifier_has_no_name(key):
    directory, algorithm = key
    der = sign(directory, "-md", "sha256", "-keyid")
    found = read_signature(MODULE + der + trailer(len(der)))
    command = ["openssl", "x509", "-in", "cert.pem", "-noout", "-ext", "subjectKeyIdentifier"]
    shown = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout
    key_id = shown.splitlines()[1].strip().replace(":", "").lower()
    assert found == {
        "signer": None,
        "key_id": key_id,
        "issuer": None,
        "serial": None,
        "certificates": False,
        "hash": "sha256",
        "algorithm": algorithm,
    }


def test_certificates_that_come_with_a_signature_are_told(key):
    directory, _algorithm = key
    der = sign(directory, "-md", "sha256", certificates=True)
    assert read_signature(MODULE + der + trailer(len(der)))["certificates"] is True


def test_signatures_of_older_kernels_are_read():
    blob = b"Example key" + bytes.fromhex("0a0b0c0d") + b"\x55" * 32
    data = MODULE + blob + trailer(32, id_type=1, algorithm=1, digest=4, signer=11, key_id=4)
    assert read_signature(data) == {
        "signer": "Example key",
        "key_id": "0a0b0c0d",
        "issuer": None,
        "serial": None,
        "certificates": False,
        "hash": "sha256",
        "algorithm": "rsa",
    }


def test_most_modules_are_not_signed():
    assert read_signature(MODULE) is None


DAMAGED = [
    MAGIC,
    MODULE + trailer(10_000),
    MODULE + b"\x30\x03abc" + trailer(5),
    MODULE + b"\x30\x82" + trailer(2),
    MODULE + b"\x30\xff" + b"\xff" * 200 + trailer(202),
    MODULE + trailer(0),
    MODULE + trailer(0, id_type=0),
    MODULE + trailer(0, signer=1),
]


@pytest.mark.parametrize("data", DAMAGED)
def test_damaged_signatures_are_refused(data):
    with pytest.raises(PatchFileError) as caught:
        read_signature(data)
    assert caught.value.code == "corrupt-signature"


def test_every_shortened_signature_is_refused(key):
    der = sign(key[0])
    for size in range(0, len(der), 7):
        with pytest.raises(PatchFileError) as caught:
            read_signature(MODULE + der[:size] + trailer(size))
        assert caught.value.code == "corrupt-signature"
