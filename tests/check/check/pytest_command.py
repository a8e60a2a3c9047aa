# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How pytest is started."""

from __future__ import annotations

from pathlib import Path

from check.run import Run


def pytest_command(run: Run, name: str, programs: Path, *arguments: str) -> list[str]:
    """Return the command that leaves its report in `reports/<name>` and nothing in the checkout.

    `programs` is the `bin` directory of the environment; `arguments` are tests and options of pytest.
    """
    report = run.reports / name / "pytest.xml"
    python = [str(programs / "python"), "-B", "-m", "pytest", "-p", "no:cacheprovider"]
    return [*python, "-rs", "--color=no", f"--junitxml={report}", *arguments]
