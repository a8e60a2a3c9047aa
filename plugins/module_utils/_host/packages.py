# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the package managers of a host which package owns a file."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

SECONDS = 60  # dpkg reads the list of files of every package
PATTERN = re.compile(r"[*?\[\\\n]")  # dpkg-query would search for more than this path
MERGED = ("/bin/", "/sbin/", "/lib/", "/lib64/")  # links to directories below /usr; packages know one of both names


def owning_package(host, path):
    """A dict of `name`, `version` and `manager` of the package that owns a file, or None if none is known to."""
    for manager, program, ask in MANAGERS:
        found = next(filter(host.exists, (f"/usr/bin/{program}", f"/bin/{program}")), None)
        for spelling in _spellings(path) if found else ():
            owner = ask(host, found, spelling)
            if owner:
                return {"name": owner[0], "version": owner[1], "manager": manager}
    return None


def _spellings(path):
    """The paths of one file on a host where /lib is a link to /usr/lib."""
    if PATTERN.search(path):
        return []
    if path.startswith("/usr/") and path[len("/usr"):].startswith(MERGED):
        return [path, path[len("/usr"):]]
    return [path, f"/usr{path}"] if path.startswith(MERGED) else [path]


def _dpkg(host, program, path):
    """Source: dpkg-query(1). A diverted file has more lines, which begin with `diversion by`."""
    for line in _lines(host, program, "--search", path):
        names, separator, owned = line.rpartition(": ")
        if separator and owned == path and not line.startswith("diversion by "):
            name = names.split(", ")[0]
            version = _lines(host, program, "--show", "--showformat=${Version}\\n", name)
            return (name.partition(":")[0], version[0]) if version else None
    return None


def _rpm(host, program, path):
    """Source: rpm(8)."""
    for line in _lines(host, program, "--query", "--file", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\\n", path):
        if line.count(" ") == 1:
            return line.split(" ")
    return None


def _pacman(host, program, path):
    """Source: pacman(8)."""
    for name in _lines(host, program, "--query", "--owns", "--quiet", path)[:1]:
        for line in _lines(host, program, "--query", name):
            if line.count(" ") == 1:
                return line.split(" ")
    return None


def _lines(host, *argv):
    """The lines that a program prints, none if it fails."""
    try:
        status, output = host.run(list(argv), SECONDS)
    except (LivepatchError, OSError):
        return []
    return output.splitlines() if status == 0 else []


# The name in results, the program, and the function that asks it for (name, version), or None.
MANAGERS = (("dpkg", "dpkg-query", _dpkg), ("rpm", "rpm", _rpm), ("pacman", "pacman", _pacman))
