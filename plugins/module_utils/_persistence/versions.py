# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of other versions of this collection: an older one is read, a newer one is refused and never replaced.

Each record has its `schema`, a number. A version raises it for each form that an older version cannot read.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

NEWER = "newer-version"


def is_newer(record, current):
    """Whether a record has a schema after `current`."""
    return _has_schema(record) and record["schema"] > current


def refuse_newer(record, current, path):
    """Raises LivepatchError `newer-version` for a record of `path` with a schema after `current`."""
    if is_newer(record, current):
        raise LivepatchError("newer-version", newer_message(path))


def newer_message(path):
    """The message about a file of a newer version."""
    return (f"{path} was written by a newer version of kernel.livepatch, and it is kept as it is. Update the "
            "collection on the controller.")


def in_current_form(record, current, migrations):
    """A record in the form of schema `current`, or None for one without a known schema.

    `migrations` are pairs, oldest first: a schema, and a function that returns a record of it or of an earlier one in
    the next form. A function gets data that can be damaged, and must not change a record of the next form.
    """
    if not (_has_schema(record) and 0 < record["schema"] <= current):
        return None
    for schema, migrate in migrations:
        if record["schema"] <= schema:
            record = migrate(record)
    return record


def _has_schema(record):
    schema = record.get("schema") if isinstance(record, dict) else None
    return isinstance(schema, int) and not isinstance(schema, bool)
