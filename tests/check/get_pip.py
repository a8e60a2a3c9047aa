# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring pip into a new environment with Python's own ensurepip, then install what get-pip.py is asked to.

Stands in for https://ci-files.testing.ansible.com/ansible-test/get-pip-*.py. Runs on every Python that
ansible-test supports, 3.6 included.
"""

import os
import subprocess
import sys

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# Options of get-pip.py that pip itself does not know.
NOT_PIPS = ("--no-setuptools", "--no-wheel")


def main(arguments):
    """Return the exit code of pip."""
    # In a child: the pip of Python 3.6 breaks when it is brought in and used by one process.
    subprocess.check_call([sys.executable, "-m", "ensurepip"])
    pip = [sys.executable, "-m", "pip", "install", "--upgrade"]
    if os.path.exists(CERTIFICATES):
        pip += ["--cert", CERTIFICATES]
    return subprocess.call(pip + [argument for argument in arguments if argument not in NOT_PIPS])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
