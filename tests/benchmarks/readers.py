# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that reads what can be large or hostile: how its time grows. The tests bound its steps and bytes."""

from __future__ import annotations

import gzip
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.figures import Benchmark, Figure
from tests.benchmarks.timing import ratio

# Name, what is divided by what, what is usual.
USUAL = (
    ("compressed-parts", "many small streams / one stream of their size", 160),
    ("kallsyms-names", "20,000 names / 1 name, looked for in 100,000 symbols", 3),
    ("summary-messages", "60,000 messages / 6,000 messages of one host", 13),
    ("host-elf-sections", "9,000 tables of places / 900", 10),
)


def benchmarks() -> tuple[Benchmark, ...]:
    """How the time of code grows; a test bounds the work of each."""
    measures = (compressed_parts, kallsyms_names, summary_messages, host_elf_sections)
    return tuple(
        Benchmark(
            name, (Figure(f"{title} (usual: {usual})", None),),
            lambda _settings, title=f"{title} (usual: {usual})", measure=measure: {title: measure()},
            f"python -m cProfile -s cumtime -m tests.benchmarks {name}", in_table=False)
        for (name, title, usual), measure in zip(USUAL, measures, strict=True))


def compressed_parts() -> float:
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.uncompress import uncompress
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError

    part = gzip.compress(b"a")

    def refuse() -> None:
        with suppress(PatchFileError):
            uncompress(part * 100_000)
    return ratio(refuse, lambda: uncompress(gzip.compress(bytes(100_000))))


def kallsyms_names() -> float:
    from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
    from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import KernelSymbols

    with tempfile.TemporaryDirectory() as root:
        file = Path(root, "proc", "kallsyms")
        file.parent.mkdir()
        file.write_text("".join(f"0 t function_{number}\n" for number in range(100_000)) + "0 t show.llvm.1\n")
        host = Host(root)
        names = {"show", *(f"missing_{number}" for number in range(20_000))}
        return ratio(
            lambda: KernelSymbols(host).suffixed(names), lambda: KernelSymbols(host).suffixed({"show"}))


def summary_messages() -> float:
    from ansible_collections.kernel.livepatch.plugins.filter.preflight_summary import FilterModule

    summarize = FilterModule().filters()["preflight_summary"]

    def result(count: int) -> dict:
        findings = [{"level": "blocker", "code": "x", "subject": "fix.ko", "message": str(number)}
                    for number in range(count)]
        return {"compatible": False, "arch": "x86_64", "findings": findings,
                "patch": {"name": "fix", "state": "absent", "kernel": "6.1.0"},
                "forecast": {"replaces": [], "sleepers": [], "rollback": {"possible": True, "to": [], "reasons": []}}}
    many, few = result(60_000), result(6_000)
    return ratio(lambda: summarize({"a": many}), lambda: summarize({"a": few}))


def host_elf_sections() -> float:
    from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import ModuleFile
    from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
        ElfWriter,
    )

    def image(count: int) -> bytes:
        writer = ElfWriter()
        writer.symbols([("show", 64, 3)])
        for _number in range(count):
            writer.section("__mcount_loc", b"")
        return writer.image()

    def read(data: bytes) -> None:
        module = ModuleFile(data)
        for symbol in module.elf.symbols("show"):
            module.traceable(symbol)
    many, few = image(9000), image(900)
    return ratio(lambda: read(many), lambda: read(few))
