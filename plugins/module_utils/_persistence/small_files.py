# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the small files of this collection on a host: each is data that can be damaged, and then counts as absent.

The next write repairs a damaged file.
"""

import json
import re

from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import matches

MOST_BYTES = 4096  # of a small file
WORD = re.compile(rb"[!-~]{1,64}")  # printable ASCII; a boot_id is a word


def read_words(host, path, most=MOST_BYTES):
    """The words in the first `most` bytes of a file, as texts; none if it cannot be read.

    Any other byte separates two words. A word must be compared as a whole: a damaged one equals no boot_id.
    """
    try:
        content = host.read_small(path, most)
    except OSError:
        return []
    return [word.decode("ascii") for word in WORD.findall(content)]


def read_object(host, path, shape):
    """The JSON object of a shape (see schema.py) in a file; None for any other content, and if it cannot be read."""
    try:
        value = json.loads(host.read_small(path, MOST_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if matches(value, shape) else None
