# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiles each Python file below some directories: `python compile_files.py DIRECTORY...`.

A warning is an error. Writes nothing. The last line of its output is the number of files. Runs on Python 3.6.
"""

import os
import sys
import warnings


def main(directories):
    """Return the exit code."""
    warnings.simplefilter("error")
    paths = sorted(
        os.path.join(place, name) for directory in directories for place, _folders, names in os.walk(directory)
        for name in names if name.endswith(".py"))
    for path in paths:
        with open(path, "rb") as file:
            compile(file.read(), path, "exec", dont_inherit=True)
    print(len(paths))
    return 0 if paths else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
