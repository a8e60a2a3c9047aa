# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: stands in for a module on a host; printed.json beside the playbook says which host prints what.

The directory for temporary files of each host has its name, and the module is copied there.
"""

import json
import os
import sys

HOST = os.path.dirname(os.path.dirname(sys.argv[0]))
with open(os.path.join(os.path.dirname(HOST), "printed.json")) as file:
    PRINTED = json.load(file)
sys.stdout.write(PRINTED[os.path.basename(HOST)[len("of-"):]])
