# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of a patch: from the controller, or from a file on this host, into the store."""

import io

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError


def ensure_image_or_program(change):
    """The same as change.ensure_image(). Before a request to the controller, the host installs this version's program.

    Its code serves the next call, which would compile all of it again. Another Python than this one gives no code.
    Raises ControllerRequest, and what ensure_image and ensure_program raise.
    """
    from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import (
        ensure_program,
        is_for_this_python,
    )

    try:
        change.ensure_image()
    except ControllerRequest:
        if is_for_this_python(change.host):
            ensure_program(change.host)
        raise


def fetch_image(host, store, offer, description):
    """Put an image into the store; raises ControllerRequest if the controller must send it."""
    if offer is None:
        raise LivepatchError(
            "kept-file-damaged",
            f"The host's copy of the file of {description['name']} is damaged. Run again with its file as src.")
    if offer["kind"] == "host":
        from ansible_collections.kernel.livepatch.plugins.module_utils._elf.image_file import open_image

        with open_image(host.path(offer["path"])) as stream:
            store.put(stream, description)
    elif description["sha256"] == offer.get("enclosed"):
        store.put(io.BytesIO(offer["image"]), description)
    elif description["sha256"] in offer["delivered"]:
        with open(offer["delivered"][description["sha256"]], "rb") as stream:
            store.put(stream, description)
    else:
        raise ControllerRequest(file=description["sha256"])
