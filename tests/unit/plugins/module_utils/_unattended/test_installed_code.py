# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled code in the program that a host keeps, and how a task knows the program without reading its sources."""

import marshal
import os
import subprocess
import sys
import zipfile
import zipimport

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import installer
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import ensure_program
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.program import this_program
from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import (
    ROOT,
    Importer,
    ProgramCode,
)


def code_of(kernel):
    """The compiled code in the program, or None."""
    return ProgramCode.of(os.open(kernel.path(PROGRAM), os.O_RDONLY))


def test_the_program_has_compiled_code_of_each_source(kernel):
    kernel.interpreter = lambda: "/usr/bin/python3"
    ensure_program(kernel)
    with zipfile.ZipFile(kernel.path(PROGRAM)) as archive:
        sources = {
            entry.filename: (entry.CRC, entry.file_size) for entry in archive.infolist()
            if entry.file_size and entry.filename != "__main__.py"}
        code = code_of(kernel)
        assert {path: tuple(entry[:2]) for path, entry in code.index.items()} == sources
    assert [path for path in sources if code.read(path, sources[path]).co_filename != f"{PROGRAM}/{path}"] == []


def test_the_program_takes_its_own_compiled_code(kernel):
    """And compiles only what comes before: __main__.py and the importer."""
    kernel.interpreter = lambda: "/usr/bin/python3"
    ensure_program(kernel)
    program = kernel.path(PROGRAM)
    code = (
        f"import builtins, runpy, sys\nsys.path[:0] = [{program!r}]\nsys.argv = ['program.pyz']\nnames = set()\n"
        "real = compile\ndef counted(source, name, *more, **options):\n    names.add(name.rpartition('/')[2])\n"
        "    return real(source, name, *more, **options)\nbuiltins.compile = counted\ntry:\n"
        f"    runpy.run_path({program!r}, run_name='__main__')\nexcept SystemExit:\n    print(sorted(names))\n")
    output = subprocess.check_output([sys.executable, "-I", "-S", "-B", "-c", code], cwd="/", env={})
    names = output.decode("utf-8").splitlines()[-1]
    assert "cli.py" not in names
    assert "ledger.py" not in names


def sent_with(monkeypatch, kernel, change=lambda sources: sources):
    """As if Ansible had sent the sources of the program that the host has, after a change."""
    with zipfile.ZipFile(kernel.path(PROGRAM)) as archive:
        sources = {
            entry.filename: (entry.CRC, entry.file_size) for entry in archive.infolist()
            if entry.filename.startswith(ROOT) and entry.file_size}
    importer = Importer.__new__(Importer)
    importer.sources = change(sources)
    monkeypatch.setattr(installer, "_importers", lambda: [importer])
    monkeypatch.setattr(installer, "_files", lambda: pytest.fail("every source was read"))


def test_a_program_of_the_sent_sources_is_known_without_reading_them(kernel, monkeypatch):
    ensure_program(kernel)
    sent_with(monkeypatch, kernel)
    assert ensure_program(kernel) == this_program(kernel)
    sent_with(monkeypatch, kernel, lambda sources: dict(sources, **{f"{ROOT}_jobs/patch_check.py": (1, 2)}))
    assert ensure_program(kernel) == this_program(kernel)


def test_a_module_without_some_sources_keeps_a_program_that_has_them(kernel, monkeypatch):
    ensure_program(kernel)
    sent_with(monkeypatch, kernel, lambda sources: {
        path: source for path, source in sources.items() if not path.endswith("_jobs/patch.py")})
    assert ensure_program(kernel) == this_program(kernel)


@pytest.mark.parametrize("change", [
    lambda sources: {},
    lambda sources: dict(sources, **{f"{ROOT}_unattended/cli.py": (1, sources[f"{ROOT}_unattended/cli.py"][1])}),
    lambda sources: dict(sources, **{f"{ROOT}_util/text.py": (sources[f"{ROOT}_util/text.py"][0], 9)}),
], ids=["nothing sent", "checksum", "size"])
def test_sources_are_read_where_checksums_do_not_tell(kernel, monkeypatch, change):
    ensure_program(kernel)
    sent_with(monkeypatch, kernel, change)
    with pytest.raises(pytest.fail.Exception):
        ensure_program(kernel)


def test_a_program_without_a_part_that_was_sent_is_looked_at_closely(kernel, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(installer, "_has", lambda _name: False)
        ensure_program(kernel)
    sent_with(monkeypatch, kernel, lambda sources: dict(sources, **{f"{ROOT}_jobs/patch.py": (1, 2)}))
    with pytest.raises(pytest.fail.Exception):
        ensure_program(kernel)


def test_what_a_task_has_compiled_is_not_compiled_again(tmp_path, monkeypatch):
    path, source = f"{ROOT}_util/once.py", b"x = 'compiled once'\n"
    with zipfile.ZipFile(str(tmp_path / "sent.zip"), "w") as archive:
        archive.writestr(path, source)
    importer = Importer(zipimport.zipimporter(str(tmp_path / "sent.zip")), PROGRAM, None)
    code = importer.get_code(path[:-3].replace("/", "."))
    monkeypatch.setattr(installer, "_importers", lambda: [importer])
    monkeypatch.setattr(installer, "compile", lambda *_: pytest.fail("compiled again"), raising=False)
    assert marshal.loads(installer.compiled(source, path)) == code


def test_an_unpacked_program_starts(kernel, tmp_path):
    """As an engineer unpacks it to look at it."""
    ensure_program(kernel)
    with zipfile.ZipFile(kernel.path(PROGRAM)) as archive:
        archive.extractall(str(tmp_path / "unpacked"))
    output = subprocess.check_output(
        [sys.executable, "-I", "-S", "-B", str(tmp_path / "unpacked"), "help"], cwd="/", env={})
    assert output.startswith(b"kernel-livepatch")


def test_a_python_compiles_nothing_for_another(kernel):
    kernel.put("/opt/python/bin/python3.12", "")
    kernel.interpreter = lambda: "/opt/python/bin/python3.12"
    assert ensure_program(kernel)[0] == "/usr/bin/python3"
    assert code_of(kernel) is None


def test_a_program_without_compiled_code_is_kept(kernel):
    """A run with another Python must not install it anew, and neither must the next run with the first."""
    interpreter = kernel.interpreter
    kernel.put("/opt/python/bin/python3.12", "")
    kernel.interpreter = lambda: "/opt/python/bin/python3.12"
    ensure_program(kernel)
    content = kernel.read_bytes(PROGRAM)
    kernel.interpreter = interpreter
    ensure_program(kernel)
    assert kernel.read_bytes(PROGRAM) == content
