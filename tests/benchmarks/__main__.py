# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints a table of ratios: `python -m tests.benchmarks [NAME ...]` from the checkout, with the packages of the units.

`check-to-ping` needs a machine of the lab: it runs when it is named, as root.
"""

from __future__ import annotations

import sys

from tests.benchmarks import kernel, readers
from tests.fuzz.collection import make_importable

# Name, what is divided by what, the function, what is usual.
BENCHMARKS = (
    ("compressed-parts", "many small streams / one stream of their size", readers.compressed_parts, "160"),
    ("kallsyms-names", "20,000 names / 1 name, looked for in 100,000 symbols", readers.kallsyms_names, "3"),
    ("summary-messages", "60,000 messages / 6,000 messages of one host", readers.summary_messages, "13"),
    ("host-elf-sections", "9,000 tables of places / 900", readers.host_elf_sections, "10"),
)
ON_MACHINES = (("check-to-ping", "patch_check / ping, on a real kernel", kernel.check_to_ping, "1.5"),)


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, or every one without a machine."""
    make_importable()
    known = {row[0]: row for row in (*BENCHMARKS, *ON_MACHINES)}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"No benchmark {unknown[0]}: there are {', '.join(known)}.", file=sys.stderr)
        return 2
    for name, what, measure, usual in [known[name] for name in names] or BENCHMARKS:
        print(f"{name:18} {measure():9.1f}   (usual: {usual})   {what}", flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
