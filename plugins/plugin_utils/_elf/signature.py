# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads the signer of a module from its signature.

The trailer is struct module_signature of include/linux/module_signature.h; before it is a PKCS#7 message (RFC 2315) in
DER. Nothing is verified here: the host's kernel does that with its own keys.
"""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError

_MAGIC = b"~Module signature appended~\n"
_TRAILER = struct.Struct(">BBBBB3xI")  # algo, hash, id_type, signer_len, key_id_len, sig_len
_ID_X509 = 1  # RHEL 7 and other kernels before 4.3
_ID_PKCS7 = 2

# enum pkey_algo and enum hash_algo, used by signatures of the kind _ID_X509
_X509_ALGORITHMS = {0: "dsa", 1: "rsa"}
_X509_HASHES = {2: "sha1", 4: "sha256", 5: "sha384", 6: "sha512", 7: "sha224"}

_SEQUENCE, _SET, _INTEGER, _OID, _OCTETS, _CONTEXT_0 = 0x30, 0x31, 0x02, 0x06, 0x04, 0xA0
_KEY_IDENTIFIER = 0x80
_COMMON_NAME = "2.5.4.3"
_MAX_OID = 64
_MAX_SIZE = 1024 * 1024  # in bytes; sign-file writes some hundred, with post-quantum algorithms some thousand
_HASHES = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.8": "sha3-256",
    "2.16.840.1.101.3.4.2.9": "sha3-384",
    "2.16.840.1.101.3.4.2.10": "sha3-512",
}
# By prefix: the rest of the identifier repeats the hash.
_ALGORITHMS = (("1.2.840.113549.1.1.", "rsa"), ("1.2.840.10045.", "ecdsa"), ("2.16.840.1.101.3.4.3.", "ml-dsa"))


class _Element(t.NamedTuple):
    tag: int
    value: bytes


def read_signature(data: bytes) -> dict[str, t.Any] | None:
    """Return {signer, key_id, issuer, serial, certificates, hash, algorithm} of a module's bytes; None if unsigned.

    `key_id`, `issuer` (the content of its DER name) and `serial` are hex digits; values missing in the signature are
    None. `certificates`: whether the signature includes certificates.
    Raises PatchFileError: corrupt-signature.
    """
    if not data.endswith(_MAGIC):
        return None
    end = len(data) - len(_MAGIC) - _TRAILER.size
    if end < 0:
        raise _corrupt("its trailer is cut short")
    algorithm, hash_number, id_type, signer_size, key_id_size, size = _TRAILER.unpack_from(data, end)
    start = end - size - signer_size - key_id_size
    if start < 0:
        raise _corrupt("it claims more bytes than the file has")
    if size > _MAX_SIZE:
        raise _corrupt("it is too large")
    if id_type == _ID_X509:
        signer = data[start : start + signer_size]
        return {
            "signer": signer.decode("utf-8", errors="replace"),
            "key_id": data[start + signer_size : end - size].hex(),
            "issuer": None,
            "serial": None,
            "certificates": False,
            "hash": _X509_HASHES.get(hash_number),
            "algorithm": _X509_ALGORITHMS.get(algorithm),
        }
    # mod_check_sig() in kernel/module_signature.c refuses anything else.
    if id_type != _ID_PKCS7 or any((algorithm, hash_number, signer_size, key_id_size)):
        raise _corrupt("its trailer is of an unknown kind")
    return _read_pkcs7(data[start:end])


def _corrupt(reason: str) -> PatchFileError:
    return PatchFileError("corrupt-signature", f"has a damaged signature ({reason}). Sign or copy the file again")


def _read_pkcs7(der: bytes) -> dict[str, t.Any]:
    message = _one(_one(der, _SEQUENCE), _CONTEXT_0, skip=1)
    # SignedData ends with the signers, after optional certificates ([0]) and revocation lists.
    parts = list(_elements(_one(message, _SEQUENCE)))
    signers = [element.value for element in parts if element.tag == _SET][-1:]
    if not signers:
        raise _corrupt("it names no signer")
    signer = list(_elements(_one(signers[0], _SEQUENCE)))
    if len(signer) < 4:
        raise _corrupt("it names no signer")
    algorithms = [_one(element.value, _OID) for element in signer[2:] if element.tag == _SEQUENCE]
    if len(algorithms) < 2:
        raise _corrupt("it names no algorithm")
    name, key_id, issuer, serial = _signer_identity(signer[1])
    digest, signing = _oid_text(algorithms[0]), _oid_text(algorithms[1])
    return {
        "signer": name,
        "key_id": key_id,
        "issuer": issuer,
        "serial": serial,
        "certificates": any(element.tag == _CONTEXT_0 for element in parts),
        "hash": _HASHES.get(digest, digest),
        "algorithm": next((word for prefix, word in _ALGORITHMS if signing.startswith(prefix)), signing),
    }


def _signer_identity(identity: _Element) -> tuple[str | None, str | None, str | None, str | None]:
    """Name, key identifier, issuer and serial number: a signature has only the second, or the others."""
    if identity.tag == _KEY_IDENTIFIER:
        return None, identity.value.hex(), None, None
    issuer = _one(identity.value, _SEQUENCE)
    serial = _one(identity.value, _INTEGER, skip=1)
    return _common_name(issuer), None, issuer.hex(), serial.hex()


def _common_name(name: bytes) -> str | None:
    for part in _elements(name):
        attribute = list(_elements(_one(part.value, _SEQUENCE)))
        if len(attribute) == 2 and attribute[0].tag == _OID and _oid_text(attribute[0].value) == _COMMON_NAME:
            return attribute[1].value.decode("utf-8", errors="replace")
    return None


def _one(der: bytes, tag: int, skip: int = 0) -> bytes:
    """The value of the element after `skip` others; it must have this tag."""
    for position, element in enumerate(_elements(der)):
        if position == skip and element.tag == tag:
            return element.value
        if position >= skip:
            break
    raise _corrupt("it is not a PKCS#7 message")


def _elements(der: bytes) -> t.Iterator[_Element]:
    position = 0
    while position < len(der):
        header = der[position : position + 2]
        if len(header) < 2:
            raise _corrupt("it is cut short")
        tag, size = header
        position += 2
        if size & 0x80:
            size_bytes = size & 0x7F
            size = int.from_bytes(der[position : position + size_bytes], "big")
            position += size_bytes
        if position + size > len(der):
            raise _corrupt("it is cut short")
        yield _Element(tag, der[position : position + size])
        position += size


def _oid_text(oid: bytes) -> str:
    """An object identifier in dotted decimals (X.690, 8.19)."""
    if not 0 < len(oid) <= _MAX_OID or oid[-1] & 0x80:
        raise _corrupt("it has a wrong object identifier")
    numbers, number = [], 0
    for byte in oid:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(part) for part in (first, numbers[0] - 40 * first, *numbers[1:]))
