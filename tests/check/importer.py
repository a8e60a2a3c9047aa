# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the importer of Galaxy and of automation hubs says of a built collection."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.check.errors import CheckError

# ansible-lint is a check of its own, over more files than are in the tarball.
SETTINGS = """\
[galaxy-importer]
RUN_ANSIBLE_LINT = False
CHECK_REQUIRED_TAGS = True
"""
# Each entry of that file gives its reason, see tests/unit/test_collection.py.
ACCEPTED = re.compile(r"WARNING: Ignore files skip ansible-test sanity tests, found ignore-2\.16\.txt ")
LAST_LINE = "Importer processing completed successfully"


def check(tarball: Path) -> None:
    """Import the tarball as a hub would. Raises CheckError with the importer's warnings and errors."""
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-import-") as place:
        settings = Path(place, "galaxy-importer.cfg")
        settings.write_text(SETTINGS, encoding="utf-8")
        # The result is a file in the directory that it starts in.
        done = subprocess.run(
            [sys.executable, "-m", "galaxy_importer.main", tarball.resolve()], cwd=place, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "GALAXY_IMPORTER_CONFIG": str(settings)})
    found = findings(done.stdout)
    if found or done.returncode:
        raise CheckError("galaxy-importer found:\n" + "\n".join(found or done.stdout.splitlines()[-3:]))


def findings(output: str) -> list[str]:
    """Return the lines that tell of something wrong."""
    lines = output.splitlines()
    found = [line for line in lines if re.match("WARNING|ERROR|CRITICAL", line) and not ACCEPTED.match(line)]
    return found if LAST_LINE in lines else [*found, *(lines[-3:] or ["It said nothing."])]
