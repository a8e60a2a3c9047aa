# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module parameters as the kernel's parse_args() reads them (kernel/params.c)."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# Everything else is put between quotes, and the kernel removes them. The kernel also ends a word at the byte 0xa0, a
# space to it (lib/ctype.c) and a part of many letters in UTF-8.
PLAIN = re.compile(r"[!-~]*$")


def parameter_line(parameters):
    """One line for finit_module(2) from a dict; a list becomes comma separated, a boolean Y or N.

    Raises LivepatchError `bad-parameter` for a value that the kernel could not read back unchanged.
    """
    return " ".join(f"{_name(name)}={_value(name, value)}" for name, value in sorted(parameters.items()))


def _name(name):
    if not name or not name.replace("_", "").replace("-", "").isalnum():
        raise LivepatchError("bad-parameter", f"params: {name!r} is not a name for a module parameter. Correct it.")
    return name


def _value(name, value):
    if isinstance(value, list):
        texts = [_text(name, item) for item in value]
        if any("," in text for text in texts):
            raise LivepatchError(
                "bad-parameter",
                f"params: {name} has an item with a comma, and the kernel would split it there. Give items without "
                "commas.")
        text = ",".join(texts)
    else:
        text = _text(name, value)
    return text if PLAIN.match(text) else f'"{text}"'


def _text(name, value):
    if isinstance(value, bool):
        return "Y" if value else "N"
    text = str(value)
    if not isinstance(value, (str, int, float)) or '"' in text or not text.isprintable():
        raise LivepatchError(
            "bad-parameter",
            f"params: the value of {name} cannot be passed to the kernel. Use a text without quotes, a number, a "
            "boolean or a list of these.")
    return text
