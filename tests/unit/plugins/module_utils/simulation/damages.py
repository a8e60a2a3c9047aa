# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated damages of a file or a directory of ours: each is a function of the kernel, the path and a MonkeyPatch."""

import errno
import json
import os
import shutil
import tempfile

OTHER_USER = 1000


def _remove(kernel, path):
    real = kernel.path(path)
    if os.path.isdir(real) and not os.path.islink(real):
        shutil.rmtree(real)
    elif os.path.lexists(real):
        os.unlink(real)


def missing(kernel, path, _patched):
    _remove(kernel, path)


def a_directory(kernel, path, _patched):
    _remove(kernel, path)
    os.makedirs(kernel.path(f"{path}/entry"), mode=0o700)


def a_file(kernel, path, _patched):
    _remove(kernel, path)
    os.makedirs(os.path.dirname(kernel.path(path)), mode=0o700, exist_ok=True)
    kernel.put(path, "a file")


def a_link(kernel, path, _patched):
    """A symbolic link to the same content."""
    real = kernel.path(path)
    if os.path.lexists(real):
        os.rename(real, f"{real}.elsewhere")
        os.symlink(f"{real}.elsewhere", real)


def a_dangling_link(kernel, path, _patched):
    _remove(kernel, path)
    os.makedirs(os.path.dirname(kernel.path(path)), mode=0o700, exist_ok=True)
    os.symlink(kernel.path("/nowhere"), kernel.path(path))


def a_pipe(kernel, path, _patched):
    _remove(kernel, path)
    os.makedirs(os.path.dirname(kernel.path(path)), mode=0o700, exist_ok=True)
    os.mkfifo(kernel.path(path), 0o600)


def mode_0(kernel, path, _patched):
    """Root can read it all the same."""
    if os.path.lexists(kernel.path(path)):
        os.chmod(kernel.path(path), 0)


def writable_by_others(kernel, path, _patched):
    if os.path.lexists(kernel.path(path)):
        mode = 0o777 if os.path.isdir(kernel.path(path)) else 0o666
        os.chmod(kernel.path(path), mode)
        kernel.owners[path] = (0, mode)


def readable_by_others(kernel, path, _patched):
    if os.path.lexists(kernel.path(path)):
        os.chmod(kernel.path(path), 0o755)


def of_another_user(kernel, path, _patched):
    """Only simulated where the tests do not run as root."""
    if os.path.lexists(kernel.path(path)):
        mode = 0o700 if os.path.isdir(kernel.path(path)) else 0o600
        kernel.owners[path] = (OTHER_USER, mode)
        if os.geteuid() == 0:
            os.chown(kernel.path(path), OTHER_USER, -1)


def empty(kernel, path, _patched):
    kernel.put(path, b"")


def garbage(kernel, path, _patched):
    kernel.put(path, bytes(range(255, -1, -1)) * 4 + b"\n")


def a_list(kernel, path, _patched):
    kernel.put(path, b"[]\n")


def a_number(kernel, path, _patched):
    kernel.put(path, b"7\n")


def deep(kernel, path, _patched):
    kernel.put(path, b"[" * 100000 + b"]" * 100000 + b"\n")


def deep_in_place(kernel, path, _patched):
    """Each line stays what it is, with one more key that is nested very deep."""
    nested = b'{"other": ' + b"[" * 100000 + b"]" * 100000 + b", "
    lines = kernel.read_bytes_or(path, b"{}").split(b"\n")
    kernel.put(path, b"\n".join(line.replace(b"{", nested, 1) for line in lines))


def _each_value(value, change):
    if isinstance(value, dict):
        return {key: inner if key in ("schema", "event") else _each_value(inner, change)
                for key, inner in value.items()}
    if isinstance(value, list):
        return [_each_value(inner, change) for inner in value]
    return change(value)


def _rewritten(kernel, path, change):
    """Every JSON value in each line is changed; a file without JSON is cut in two."""
    content = kernel.read_bytes_or(path, b"")
    try:
        kernel.put(path, json.dumps(_each_value(json.loads(content.decode("utf-8")), change)))
    except ValueError:
        try:
            lines = [json.loads(line) for line in content.decode("utf-8").splitlines()]
            kernel.put(path, "".join(json.dumps(_each_value(line, change)) + "\n" for line in lines))
        except ValueError:
            kernel.put(path, content[:len(content) // 2])


def numbers_for_texts(kernel, path, _patched):
    _rewritten(kernel, path, lambda value: 3 if isinstance(value, str) else "three")


def texts_of_no_file(kernel, path, _patched):
    """Texts with a NUL and half a surrogate pair, which no path can have, and numbers without an end."""
    _rewritten(kernel, path, lambda value: "a\0\ud800" if isinstance(value, str) else
               float("nan") if isinstance(value, float) else value)


def io_error(kernel, path, patched):
    _refuse(kernel, path, patched, errno.EIO, reads=True)


def read_only(kernel, path, patched):
    _refuse(kernel, path, patched, errno.EROFS, reads=False)


def full(kernel, path, patched):
    _refuse(kernel, path, patched, errno.ENOSPC, reads=False)


def _refuse(kernel, path, patched, number, reads):
    """Opening anything at or below a path fails, without `reads` only to write."""
    top = kernel.path(path)

    def is_meant(one):
        return isinstance(one, str) and (one == top or one.startswith(f"{top}/"))

    def refused(one):
        return OSError(number, os.strerror(number), one)

    real_open, real_read, real_temporary = os.open, kernel.read_bytes, tempfile.mkstemp

    def opens(one, flags, *more, **options):
        if is_meant(one) and (reads or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            raise refused(one)
        return real_open(one, flags, *more, **options)

    def read_bytes(one):
        if reads and is_meant(kernel.path(one)):
            raise refused(one)
        return real_read(one)

    def temporary(*argv, **options):
        if is_meant(options.get("dir")):
            raise refused(options["dir"])
        return real_temporary(*argv, **options)

    def guarded(real):
        def do(*paths, **options):
            if number == errno.EROFS and any(is_meant(str(one)) for one in paths):
                raise refused(paths[0])
            return real(*paths, **options)
        return do
    patched.setattr(os, "open", opens)
    patched.setattr(kernel, "read_bytes", read_bytes)
    patched.setattr(tempfile, "mkstemp", temporary)
    for name in ("rename", "unlink"):
        patched.setattr(os, name, guarded(getattr(os, name)))


OF_A_FILE = (
    missing, a_directory, a_link, a_dangling_link, a_pipe, mode_0, writable_by_others, of_another_user, empty, garbage,
    a_list, a_number, deep, deep_in_place, numbers_for_texts, texts_of_no_file, io_error)
OF_A_DIRECTORY = (
    missing, a_file, a_link, a_dangling_link, readable_by_others, writable_by_others, of_another_user, io_error,
    read_only, full)


def throw(error):
    """Raise an error where only an expression can stand."""
    raise error
