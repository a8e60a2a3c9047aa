# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and files of this collection on a host; each file's own module describes its content."""

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PROGRESS_FILE
from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import PROGRAM, STATE_DIRECTORY

# Kept from boot to boot, with PROGRAM in the same directory.
LEDGER = f"{STATE_DIRECTORY}/ledger.json"
JOURNAL = f"{STATE_DIRECTORY}/journal.jsonl"
OLDER_JOURNAL = f"{JOURNAL}.1"
STORE_DIRECTORY = f"{STATE_DIRECTORY}/patches"
CLEAN_SHUTDOWN = f"{STATE_DIRECTORY}/clean-shutdown"
HOOK = f"{STATE_DIRECTORY}/hook"
TESTED = b"# tested with "  # begins the third line of the program; the file of a Python follows

# Gone with the boot.
RUN_DIRECTORY = "/run/kernel-livepatch"
LOCK = f"{RUN_DIRECTORY}/lock"
LEASE = f"{RUN_DIRECTORY}/lease"
TRIAL_PROCESS = f"{RUN_DIRECTORY}/trial-process"
WATCH = f"{RUN_DIRECTORY}/watch"  # what the trial process has seen
TRANSITION = PROGRESS_FILE  # how far a transition is that a module waits for
# Not in that directory, because it tells of a trial's end without the lock there; the next change removes it.
TRIAL_ENDED = "/run/kernel-livepatch.trial-ended"

# What a host writes for others, into the first directory of a kind that exists; see _outputs/writer.py. The first for
# metrics is of Debian, Fedora and EPEL, the second of an older package for RHEL, the last of prometheus.node_exporter.
CONFIGURATION = "/etc/kernel-livepatch.conf"
METRICS_DIRECTORIES = (
    "/var/lib/prometheus/node-exporter", "/var/lib/node_exporter/textfile_collector", "/var/lib/node_exporter")
FACTS_DIRECTORIES = ("/etc/ansible/facts.d",)

DIRECTORIES = (STATE_DIRECTORY, STORE_DIRECTORY, RUN_DIRECTORY)
# The files beside those of the store, which have a digest in their names.
FILES = (
    LEDGER, JOURNAL, OLDER_JOURNAL, CLEAN_SHUTDOWN, HOOK, PROGRAM, LOCK, LEASE, TRIAL_PROCESS, WATCH, TRANSITION,
    TRIAL_ENDED)
