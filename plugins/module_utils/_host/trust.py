# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges whether only root can replace a file, now and later.

A file can be replaced by everyone who can write it or rename an entry on the way to it: a directory or a symbolic link.
With the sticky bit, a directory's entries are renamed and removed by their owner, the directory's owner and root alone
(inode(7)). So a directory of root that a group can write, such as /nix/store (mode 1775, group nixbld), is as good as
one of root alone, as long as the next entry is root's too. Links to files of root do no harm: they get new names.

A directory that everyone can write is not, even with the sticky bit. /tmp is emptied by age and at boots, and the name
is then free for everyone. A group is chosen by root, and root alone empties its directory.
"""

import os
import stat

MOST_LINKS = 40  # as many as the kernel follows (MAXSYMLINKS in include/linux/namei.h)


def resolve_trusted(host, path):
    """(the path without symbolic links, None) if only root can replace this file, else (None, the reason in words).

    Judges each entry as it is read, links too, from / on: what comes before an entry is safe already, so nothing can
    change in between.
    """
    try:
        return _resolve(host, path)
    except OSError as error:
        return None, f"{path} cannot be used ({error.strerror})"


def _resolve(host, path):
    current, left, links = "/", _parts(path), 0
    reason = _directory_fault("/", host.status("/"))
    while left and not reason:
        part = left.pop(0)
        if part == "..":
            current = os.path.dirname(current)
            continue
        entry = os.path.join(current, part)
        status = host.status(entry)
        if status.st_uid != 0:
            return None, f"{entry} belongs to another user"
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > MOST_LINKS:
                return None, f"{path} has too many symbolic links"
            target = host.link_target(entry)
            current = "/" if target.startswith("/") else current
            left = _parts(target) + left
        elif left:
            reason, current = _directory_fault(entry, status), entry
        elif not stat.S_ISREG(status.st_mode):
            return None, f"{entry} is no regular file"
        elif status.st_mode & 0o022:
            return None, f"{entry} can be written by other users"
        else:
            return entry, None
    return None, reason or f"{path} is a directory"


def _directory_fault(path, status):
    """The reason why others can replace entries of root in a directory, or None."""
    if status.st_uid != 0:
        return f"{path} belongs to another user"
    if not stat.S_ISDIR(status.st_mode):
        return f"{path} is no directory"
    if status.st_mode & 0o002:
        return f"{path} can be written by every user"
    if status.st_mode & 0o020 and not status.st_mode & stat.S_ISVTX:
        return f"{path} can be written by a group, without the sticky bit"
    return None


def _parts(path):
    return [part for part in path.split("/") if part not in ("", ".")]
