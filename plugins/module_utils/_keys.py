# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that the kernel shows, and whether one of them can have signed a module.

/proc/keys has a line for each (Documentation/security/keys/core.rst; x509_key_preparse in
crypto/asymmetric_keys/x509_public_key.c makes the description: the certificate's subject, and the identifier of its
key, or its serial number where it has no such identifier):

    18f57b61 I------     1 perm 1f030000     0     0 asymmetri SUBJECT: IDENTIFIER: X509.rsa 371a5bb8 []
"""

import re
from collections import namedtuple

Key = namedtuple("Key", "subject identifier")
LINE = re.compile(r"^(?:\S+\s+){7}asymmetri\s+(.*)$", re.MULTILINE)
CERTIFICATE = re.compile(r"(?P<subject>.*): (?P<identifier>[0-9a-f]+): \S+")


def shown_keys(host):
    """The keys in the kernel's keyrings, trusted or not; None where it shows none to this process."""
    keys = [_key(text) for text in LINE.findall(host.read_or("/proc/keys", ""))]
    return keys or None


def _key(text):
    match = CERTIFICATE.match(text)
    return Key(*match.groups()) if match else Key(None, None)  # whoever added it gave it a description of their own


def may_have_signed(key, signature):
    """Whether a key can be the one of a signature as the description has it; True in doubt.

    A signature names its key by identifier, or by its issuer and serial number. The kernel shows no issuer: that of a
    certificate that signed itself is its subject, of which the kernel makes `NAME` or `ORGANISATION: NAME`.
    """
    signer = signature["signer"]
    if key.subject is None or not (signer or signature["key_id"]):
        return True
    if key.identifier in (signature["key_id"], signature["serial"]):
        return True
    return bool(signer) and (key.subject == signer or key.subject.endswith(f": {signer}"))
