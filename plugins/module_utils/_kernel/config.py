# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the build configuration of the running kernel."""

import gzip
import re
import zlib

# The running kernel's own copy first, then the files of distributions.
PLACES = ("/proc/config.gz", "/boot/config-{release}", "/lib/modules/{release}/config")
ANY_OPTION = "CONFIG_"


def kernel_config(host, *options):
    """{option: value} of those options that are set, as {"CONFIG_X86": "y"}; None without a readable file."""
    for place in PLACES:
        text = _text(host, place.format(release=host.release()))
        if ANY_OPTION in text:
            return dict(re.findall(rf"^({'|'.join(options)})=(.*)$", text, re.MULTILINE))
    return None


def _text(host, path):
    try:
        content = host.read_bytes(path)
        return (gzip.decompress(content) if path.endswith(".gz") else content).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error):
        return ""
