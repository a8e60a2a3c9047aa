# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds out whether the kernel has the key of a module's signature, by a search, because it shows no whole keys.

A search for a key by its exact identifier fails with ENOKEY if there is none. If there is one, it fails with EACCES,
because only the kernel may find it (keyring_search_iterator() in security/keys/keyring.c). The kernel searches in the
same way: find_asymmetric_key() in crypto/asymmetric_keys/asymmetric_type.c.
"""

import errno
import re

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# The keyrings for module keys (mod_verify_sig() in kernel/module/signing.c); every such kernel has the first.
KEYRINGS = (".builtin_trusted_keys", ".secondary_trusted_keys", ".machine", ".platform")
LINE = re.compile(r"^([0-9a-f]+)\s+(?:\S+\s+){6}keyring\s+(\S+):", re.MULTILINE)
ABSENT = (errno.ENOKEY,)
PRESENT = (errno.EACCES, errno.EKEYEXPIRED, errno.EKEYREVOKED)


def has_signing_key(host, signature):
    """Whether the kernel has the key of a signature (from a description); None if that is unknown.

    A signature with its own certificates can be trusted through a key that it does not name.
    """
    identifier = signature["key_id"] or (signature["issuer"] and signature["serial"] + signature["issuer"])
    keyrings = {name: int(serial, 16) for serial, name in LINE.findall(host.read_or("/proc/keys", ""))}
    if not identifier or signature["certificates"] or KEYRINGS[0] not in keyrings:
        return None
    try:
        return any(_has(host, keyrings[name], identifier) for name in KEYRINGS if name in keyrings)
    except (OSError, LivepatchError):  # refused by a seccomp filter or a security module
        return None


def _has(host, keyring, identifier):
    try:
        host.search_key(keyring, f"ex:{identifier}")
    except OSError as error:
        if error.errno in ABSENT:
            return False
        if error.errno not in PRESENT:
            raise
    return True
