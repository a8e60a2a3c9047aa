# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the metrics and the local facts of a host, each into a directory that exists already.

    DIRECTORY/kernel_livepatch.prom          for node_exporter; see paths.py
    /etc/ansible/facts.d/livepatch.fact      ansible_local.livepatch
    /etc/kernel-livepatch.conf               names other directories, or none; optional, written by an operator
"""

import configparser
import fcntl
import json
import os
from contextlib import contextmanager

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.public_files import PublicDirectory
from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.metrics import host_metrics, metrics_text
from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.states import host_facts
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import read_own, reason
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    CONFIGURATION,
    FACTS_DIRECTORIES,
    METRICS_DIRECTORIES,
    STATE_DIRECTORY,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

METRICS, FACTS = "kernel_livepatch.prom", "livepatch.fact"
DIRECTORIES = {"metrics": METRICS_DIRECTORIES, "facts": FACTS_DIRECTORIES}
MODE = 0o644
WAIT_SECONDS = 10  # for another process that writes them
MOST_CHARACTERS = 300  # of a reason


def write_outputs(host, read_inventory):
    """Write the metrics and the facts where there is a directory for them; returns findings about failures.

    `read_inventory` is called only if something is to be written, and after any other process has written the same
    files: the last writer has the newest state. Nothing that goes wrong is raised: a change must not fail by this.
    """
    everything = "The metrics and the local facts"
    try:
        places = _places(host, read_configuration(host))
    except (OSError, ValueError, configparser.Error) as error:
        return [_not_written(everything, CONFIGURATION, error)]
    if not places:
        return []
    try:
        with _one_writer(host):
            inventory = read_inventory()
            return [*_write(host, "metrics", places, lambda: _metrics(host, inventory)),
                    *_write(host, "facts", places, lambda: _facts(inventory))]
    except Exception as error:  # a damaged host can raise anything
        return [_not_written(everything, STATE_DIRECTORY, error)]


def _metrics(host, inventory):
    return metrics_text(host_metrics(inventory, host.wall_clock()))


def _facts(inventory):
    return json.dumps(host_facts(inventory), sort_keys=True) + "\n"


def _write(host, kind, places, text):
    """Write one of the files; returns the finding about a failure."""
    if kind not in places:
        return []
    what, name = ("The metrics", METRICS) if kind == "metrics" else ("The local facts", FACTS)
    try:
        # Ansible believes what it finds there, so nobody but root may write facts.
        with PublicDirectory(host, places[kind], of_root=kind == "facts") as directory:
            directory.write(name, text().encode("utf-8", "replace"), MODE)
    except Exception as error:
        return [_not_written(what, os.path.join(places[kind], name), error)]
    return []


def _not_written(what, path, error):
    why = truncate(" ".join((reason(error) or type(error).__name__).split()), MOST_CHARACTERS)
    return finding("output-not-written", path, what=what, path=path, why=why)


def _places(host, named):
    """The directory for each kind of file; a kind without one is left out."""
    places = {
        kind: named.get(kind, next((path for path in known if host.is_dir(path)), None))
        for kind, known in DIRECTORIES.items()}
    return {kind: path for kind, path in places.items() if path}


def read_configuration(host):
    """The directory that the operator has named, by kind; an empty one for none. Kinds that are not named are left out.

    Raises OSError, ValueError and configparser.Error for a file that cannot be used.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_own(host, CONFIGURATION).decode("utf-8"))
    except FileNotFoundError:
        return {}
    named = {}
    for section in parser.sections():
        for key, value in parser.items(section):
            if section not in DIRECTORIES or key != "directory":
                raise ValueError(f"[{section}] {key} is no option")
            if value and (not value.startswith("/") or ".." in value.split("/")):
                raise ValueError(f"the directory of [{section}] is no absolute path")
            named[section] = value
    return named


@contextmanager
def _one_writer(host):
    """Wait until no other process writes the files; the lock ends with this process at the latest."""
    descriptor = os.open(host.path(STATE_DIRECTORY), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not poll_until(host, lambda: _locks(descriptor), WAIT_SECONDS):
            raise OSError(11, "another process is writing them")
        yield
    finally:
        os.close(descriptor)


def _locks(descriptor):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
