# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual page of the command, once as text for man(7) macros and once as plain text, from the same tables."""

import textwrap

NAME = "kernel-livepatch - show and change the live patches of this host without a controller"
HELP = ("help", "--help", "-h")
DESCRIPTION = (
    "The Ansible collection kernel.livepatch installs this command with each host's first patch. It runs the same code "
    "as the modules of the collection, with the same checks, lock, journal and lease. Only root can use it.")
# (arguments, text)
COMMANDS = (
    ("status", "Show the live patches, the trial, the quarantine and every difference between the records and the "
               "kernel. Changes nothing."),
    ("status --json", "The same as JSON, as the module patch_info returns it."),
    ("status --motd", "One line for the message of the day, and none on a host without patches and problems."),
    ("revert [previous | original | TRANSACTION] [--take-lease]",
     "Restore the live patches from before the newest change, as the module patch_rollback does. With original, remove "
     "every live patch. With the name of a transaction from the journal, restore the patches from before that change. "
     "A running trial ends."),
    ("accept NAME [--take-lease]",
     "Accept the enabled patch NAME: each boot of this kernel loads it, and its trial ends. As strict as the module "
     "patch with state: accepted. The patch must be verified, and the watch of its trial must have found nothing. The "
     "controller proves with a new connection that the host can be reached. Here, the person at the console does."),
    ("forget-quarantine NAME [--take-lease]",
     "Remove every build of NAME from the quarantine, so that it can be loaded again. Find the cause of the crash "
     "before."),
    ("refresh",
     "Write the metrics and the local facts now. Each change, each boot and each end of a trial does so. Run it from a "
     "timer to learn of a difference that no change of this collection has made."),
    ("help", "Show this text."),
)
OPTIONS = (
    ("--take-lease", "Change this host although a run of a controller holds it. That run is refused from then on."),
)
EXIT_STATUS = (
    ("0", "Done, or there was nothing to do."),
    ("1", "Refused or failed. The message begins with a code. The guide to codes of the collection explains each."),
    ("2", "Wrong use."),
    ("3", "The user is not root."),
)
FILES = (
    ("/usr/local/sbin/kernel-livepatch", "This command. Where that directory cannot be written, run the program by its "
                                         "path: python3 /var/lib/kernel-livepatch/program.pyz status"),
    ("/var/lib/kernel-livepatch", "The program, the records and the kept patch files."),
    ("/etc/kernel-livepatch.conf",
     "Optional. Names the directory for metrics in [metrics], and the one for local facts in [facts], each as "
     "directory = PATH. An empty value writes none."),
    ("/var/lib/prometheus/node-exporter/kernel_livepatch.prom",
     "The metrics, if that directory exists. Otherwise in /var/lib/node_exporter/textfile_collector or "
     "/var/lib/node_exporter."),
    ("/etc/ansible/facts.d/livepatch.fact", "The local facts, if that directory exists."),
)
SEE_ALSO = "The guides of the collection kernel.livepatch, and Documentation/livepatch of the kernel."
SECTIONS = (("COMMANDS", COMMANDS), ("OPTIONS", OPTIONS), ("EXIT STATUS", EXIT_STATUS), ("FILES", FILES))
DATE = "2026-11-30"  # of the text
WIDTH, FILLED = 78, 70  # characters; an escaped hyphen has two


def manual_page():
    """The manual page for man(1)."""
    lines = [
        '.\\" Written by the Ansible collection kernel.livepatch.',
        f'.TH KERNEL\\-LIVEPATCH 8 {DATE} kernel.livepatch', ".SH NAME", *_filled(NAME), ".SH SYNOPSIS"]
    for arguments, _text in COMMANDS:
        lines += [f".B {_escaped('kernel-livepatch')}", _escaped(arguments), ".br"]
    lines.pop()
    lines += [".SH DESCRIPTION", *_filled(DESCRIPTION)]
    for title, entries in SECTIONS:
        lines.append(f'.SH "{title}"')
        for term, text in entries:
            lines += [".TP", f".B {_escaped(term)}", *_filled(text)]
    return "\n".join([*lines, '.SH "SEE ALSO"', *_filled(SEE_ALSO), ""])


def manual_text():
    """The same for a terminal without man(1)."""
    text = "\n\n".join(textwrap.fill(paragraph, WIDTH) for paragraph in (NAME, DESCRIPTION))
    for title, entries in SECTIONS:
        text += f"\n\n{title}"
        for term, words in entries:
            text += f"\n  {term}\n{textwrap.fill(words, WIDTH, initial_indent=' ' * 6, subsequent_indent=' ' * 6)}"
    return text


def _filled(text):
    """Lines of running text; none begins with a control character, because no word does."""
    return [_escaped(line) for line in textwrap.wrap(text, FILLED, break_long_words=False, break_on_hyphens=False)]


def _escaped(text):
    """Text for roff, in which a hyphen stays a hyphen."""
    return text.replace("\\", "\\e").replace("-", "\\-")
