# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units below /run for a systemd before 239, whose systemd-run does not take all settings of a service.

`--collect` came with version 236, and transient services with RestartForceExitStatus with 237. Enterprise distributions
have live patches with older ones: version 219 in Amazon Linux 2, 228 in SUSE Linux Enterprise 12, and 234 in 15 SP2.
"""

import re

# The complaints of systemd-run and of systemd about an option or a setting that they do not know.
UNKNOWN = re.compile(r"unrecognized option|[Uu]nknown (?:assignment|property)")

TRIAL = """\
[Unit]
Description=Roll back the live patch on trial
IgnoreOnIsolate=yes

[Service]
ExecStart={command}
Restart=on-failure
RestartSec=5
RestartForceExitStatus=SIGTERM SIGINT SIGHUP
OOMScoreAdjust=-1000
SyslogIdentifier=kernel-livepatch
"""
CONFIRMATION = """\
[Unit]
Description=Record that this host runs well with its live patches

[Service]
ExecStart={command}
SyslogIdentifier=kernel-livepatch
"""
TIMER = """\
[Unit]
Description=Record that this host runs well with its live patches

[Timer]
OnActiveSec={seconds}s
"""


def is_unknown(output):
    """Whether systemd-run failed because this systemd is too old for its options."""
    return bool(UNKNOWN.search(output))


def trial_units(name, argv):
    """{file name: text} of the service of a trial."""
    return {f"{name}.service": TRIAL.format(command=" ".join(argv))}


def confirmation_units(name, argv, seconds):
    """{file name: text} of a service and its timer, which runs `argv` once after `seconds`."""
    return {f"{name}.service": CONFIRMATION.format(command=" ".join(argv)),
            f"{name}.timer": TIMER.format(seconds=seconds)}
