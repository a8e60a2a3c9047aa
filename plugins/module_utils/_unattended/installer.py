# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the program for a host to act without a controller: the host half as one file, and a Python to run it.

    /var/lib/kernel-livepatch/program.pyz     run as `PYTHON -I -B program.pyz COMMAND`; see cli.py

Its first line names that Python: an installed program has been tested with it. The second line seals it; see seal.py.
It also has the compiled code of each source if that Python installs it; see compiled_code.py.
"""

import functools
import hashlib
import io
import marshal
import os
import re
import stat
import sys
import zipfile
import zlib
from contextlib import suppress
from importlib.util import find_spec

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import (
    make_way,
    private_directory,
    sync_directory,
    write_private,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._host.interpreters import (
    interpreter_fault,
    lasts,
    usable_interpreters,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import START_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    PROGRAM,
    STATE_DIRECTORY,
    TESTED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import cli
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.program import program_argv
from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import (
    COMPILED,
    MAGIC,
    ROOT,
    Importer,
    source_path,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.seal import is_sealed, seal

CANDIDATE = f"{PROGRAM}.new"

PACKAGE = __name__.rpartition("._unattended.")[0]
MAIN = cli.__name__
IMPORTER = Importer.__module__
# Its compiled code serves the module `patch`, see compiled_code.py; the program itself does not use it.
SERVED = f"{PACKAGE}._jobs.patch"
# For a person at the console and for monitoring. Only modules that change patches have it, and it calls their jobs.
CONSOLE = f"{PACKAGE}._console.commands"
DATE = (1980, 1, 1, 0, 0, 0)  # of each file in the archive
IMPORT = re.compile(rf"^ *from ({re.escape(PACKAGE)}[\w.]*) import (?:\(([^)]*)\)|(.+))$", re.MULTILINE)
# Everything is imported at once: a running trial must not read a file that a newer program may have replaced. What is
# only for the console is not imported for boots and trials: a fault in it must not stop them.
START = f"""\
import importlib
import importlib.util
import sys

from {IMPORTER} import use_own_code

use_own_code(__spec__.loader)
from {MAIN} import COMMANDS, main

names = %r
if " ".join(sys.argv[1:]) not in COMMANDS and importlib.util.find_spec({CONSOLE.rpartition(".")[0]!r}):
    from {CONSOLE} import main
    names = %r
for name in names:
    importlib.import_module(name)
sys.exit(main(sys.argv[1:]))
"""


def ensure_program(host, probe=False):
    """Install the program if it is missing or differs; returns its command line, to append a command to.

    Takes the first Python that runs the program. Tests a new program on this host, with `probe` also an installed one.
    Raises LivepatchError `interpreter-not-trusted`, `program-unusable`, `no-space`, `directory-not-private`, and
    OSError.
    """
    failures = []
    for interpreter in _interpreters(host):
        argv = program_argv(interpreter)
        try:
            _ensure(host, argv, probe)
            return argv
        except LivepatchError as error:
            if error.code != "program-unusable":
                raise
            failures.append(error)
    raise failures[0]


def _ensure(host, argv, probe):
    if not _is_installed(host, argv):
        _install(host, argv)
    elif probe:
        _probe(host, argv)


def is_for_this_python(host):
    """Whether the program is tried first with the Python that runs this; raises as ensure_program does."""
    return _runs_in(host, _interpreters(host)[0])


def _runs_in(host, path):
    running = host.interpreter()
    return running is not None and host.resolved(running) == host.resolved(path)


def is_current(host, argv):
    """Whether the installed program is that of this version, for a command line with a Python that only root replaces.
    """
    return interpreter_fault(host, host.resolved(argv[0])) is None and _is_installed(host, argv)


def lasting_interpreter(host, argv):
    """For a command line with a Python that may not last: one that lasts and runs the installed program, or None."""
    for path in [] if lasts(argv[0]) else filter(lasts, usable_interpreters(host)[0]):
        with suppress(LivepatchError):
            _probe(host, [path, *argv[1:]])
            return path
    return None


def _head(host, argv):
    """The first and the third line of the program. The third has the file of the Python, in whose name is its version.
    """
    return f"#!{' '.join(argv[:-1])}\n".encode("ascii"), TESTED + os.fsencode(host.resolved(argv[0])) + b"\n"


def _is_installed(host, argv):
    """Whether the program is a whole regular file of these sources, for this Python, and only root can use it."""
    first, third = _head(host, argv)
    try:
        status = host.status(PROGRAM)
        content = host.read_bytes(PROGRAM)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077 or not is_sealed(content):
            return False
        lines = content.split(b"\n", 3)
        if (lines[0] + b"\n", lines[2] + b"\n") != (first, third):
            return False
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # A module without the sources of `patch` keeps a program that has them.
            return _has_sent_sources(archive) or all(
                archive.read(name) == expected for name, expected in _files().items())
    except (KeyError, OSError, zipfile.BadZipFile):
        return False


def _has_sent_sources(archive):
    """Whether the program is made of what Ansible has sent; by checksums, without reading the sources.

    If this file and each file of the program are the same, the same files would be taken into the program.
    """
    sent = {path: source for importer in _importers() for path, source in importer.sources.items()}
    entries = {
        entry.filename: (entry.CRC, entry.file_size) for entry in archive.infolist()
        if entry.filename.startswith(ROOT) and entry.file_size}
    begins = set(map(source_path, (__name__, IMPORTER, MAIN, SERVED, CONSOLE)))
    return bool(sent) and begins.intersection(sent).issubset(entries) and all(
        sent.get(path, source) == source for path, source in entries.items())


def _importers():
    return [importer for importer in sys.meta_path if isinstance(importer, Importer)]


def _install(host, argv):
    """Test the program, then replace an earlier one; boots rely on it."""
    files = _files()
    first, third = _head(host, argv)
    content = seal(first, third + (pack(files) if _runs_in(host, argv[0]) else b"") + _archive(files))
    private_directory(host.path(STATE_DIRECTORY))
    make_way(host.path(CANDIDATE))
    write_private(host.path(CANDIDATE), lambda stream: stream.write(content))
    try:
        _probe(host, [*argv[:-1], CANDIDATE])
    except LivepatchError:
        os.unlink(host.path(CANDIDATE))
        raise
    make_way(host.path(PROGRAM))
    os.rename(host.path(CANDIDATE), host.path(PROGRAM))
    sync_directory(host.path(STATE_DIRECTORY))


def _probe(host, argv):
    try:
        output = host.run([*argv, "ready"], START_SECONDS)[1]
    except (LivepatchError, OSError) as error:
        output = str(error)
    if output != "ready":
        raise LivepatchError(
            "program-unusable",
            f"{argv[0]} cannot run this collection's program on this host "
            f"({output.rpartition(chr(10))[2] or 'no output'}), so the host could not revert automatically. "
            "Repair this Python, or choose another with ansible_python_interpreter.")


def _interpreters(host):
    """The Pythons to try, the best first; raises LivepatchError `interpreter-not-trusted` if there is none."""
    usable, reasons = usable_interpreters(host)
    if not usable:
        raise LivepatchError(
            "interpreter-not-trusted",
            f"No Python of this host can be replaced by root alone ({'; '.join(reasons) or 'none was found'}), and the "
            "host runs no other without a controller. Install the distribution's python3, or set "
            "ansible_python_interpreter to a Python in directories that only root can change.")
    return usable


def sources_of(first, known=()):
    """The sources of a module and of this collection's modules that it imports, by module name, after `known` ones."""
    sources = dict(known)
    missing = [first]
    while missing:
        name = missing.pop()
        # The importer checks what it reads, and Python's own loader has imported the importer.
        loader = next((importer for importer in _importers() if importer.find_spec(name)), None)
        sources[name] = (loader or find_spec(name).loader).get_source(name)
        missing.extend(set(_imported(sources[name])).difference(sources, missing))
    return sources


def _imported(source):
    """The names of this collection's modules that a source imports."""
    for package, several, one in IMPORT.findall(source):
        if not _is_package(package):
            yield package
            continue
        for name in re.findall(r"\w+", several or one):
            yield f"{package}.{name}"


@functools.lru_cache(maxsize=None)
def _is_package(name):
    # Python looks through the archive of Ansible each time, and some modules are imported by all others.
    return find_spec(name).submodule_search_locations is not None


def _files():
    """The files of the program without compiled code, by name: those of cli.py with all of their imports.

    And of SERVED and CONSOLE, if this module has them.
    """
    program = sources = sources_of(MAIN, sources_of(IMPORTER))
    for part in (SERVED, CONSOLE):
        if _has(part):
            sources = sources_of(part, sources)
    files = {source_path(name): source.encode("utf-8") for name, source in sources.items()}
    for path in list(files):
        folders = path.split("/")[:-1]
        for depth in range(len(folders)):
            files["/".join([*folders[:depth + 1], "__init__.py"])] = b""
    files["__main__.py"] = (START % (sorted(program), sorted(sources))).encode("utf-8")
    return files


def _has(name):
    """Whether this process can import a module; its package may be missing too."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def pack(files):
    """The fourth line of the program, the index and the code, for {path: bytes of a file}; see compiled_code.py."""
    index, parts, begin = {}, [], 0
    for path, source in sorted(files.items()):
        if source and path.startswith(ROOT):
            code = compiled(source, path)
            index[path] = (zlib.crc32(source), len(source), begin, len(code), zlib.crc32(code))
            parts.append(code)
            begin += len(code)
    content = marshal.dumps(index)
    words = [MAGIC, str(len(content)).encode("ascii"), hashlib.sha256(content).hexdigest().encode("ascii")]
    return COMPILED + b" ".join(words) + b"\n" + content + b"".join(parts)


def compiled(source, path):
    """The marshalled code for the bytes of a source, compiled unless this process has done that for an import."""
    made = [importer.made(path, source) for importer in _importers()]
    code = next(filter(None, made), None) or compile(source, f"{PROGRAM}/{path}", "exec", dont_inherit=True)
    return marshal.dumps(code)


def _archive(files):
    """The files as a zip file; sorted, with one date, and not compressed."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, DATE)
            entry.create_system = 3  # Unix, on every platform
            archive.writestr(entry, files[path])
    return content.getvalue()
