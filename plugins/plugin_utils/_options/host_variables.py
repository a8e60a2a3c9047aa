# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The variables of the hosts of a play, and the checks of every playbook before it asks a host."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping

from ansible.errors import AnsibleError

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.names import (
    check_artifacts,
    check_facts,
    check_names,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    PREFIX,
    format_value,
    has_template,
    to_plain,
)

Variables = Mapping[str, t.Any]


class HostVariables:
    """The variables of each host; `variables` are those of a task that runs once, with `hostvars`."""

    def __init__(self, variables: Variables) -> None:
        self._hostvars = variables["hostvars"]
        self._task = variables
        read = getattr(self._hostvars, "raw_get", self._hostvars.__getitem__)
        # Each host is read once: that is the slow part of a large fleet. A host that is lost may come into later plays.
        self.written: dict[str, Variables] = {host: read(host) for host in variables["ansible_play_hosts_all"]}

    def check(self) -> None:
        """Refuse facts named like options, and misspelled variables; raises TaskError."""
        check_facts(self.written)
        given = (self._task, *self.written.values())
        check_names({name for variables in given for name in variables}, self._extra())
        for variables in given:
            check_artifacts(variables)

    def _extra(self) -> Variables:
        """The variables of -e and of a survey. No public interface of Ansible tells them from those of an inventory."""
        return getattr(getattr(self._hostvars, "_variable_manager", None), "extra_vars", None) or {}

    def check_same(self, names: Iterable[str]) -> None:
        """Refuse options, by their names without `livepatch_`, with different values; raises TaskError `bad-option`."""
        asked = {host: self.written[host] for host in self._task["ansible_play_hosts"]}
        if asked:
            check_same_on_all_hosts(asked, names, self.resolve)

    def resolve(self, host: str, name: str) -> t.Any:
        """A variable of a host with resolved templates; unresolved if they need the variables of a task."""
        try:
            return to_plain(self._hostvars[host][name])
        except AnsibleError:
            return self.written[host][name]

    def values(self, name: str) -> dict[str, t.Any]:
        """The values of an option that may differ, by host; without hosts that have none or an unresolved template."""
        found = {}
        for host in self._task["ansible_play_hosts"]:
            value = self.written[host].get(PREFIX + name)
            if has_template(value):
                value = self.resolve(host, PREFIX + name)
            if value is not None and not has_template(value):
                found[host] = to_plain(value)
        return found


def check_same_on_all_hosts(
        variables: Mapping[str, Variables], names: Iterable[str], read: Callable[[str, str], t.Any]) -> None:
    """Refuse different values on different hosts: a run has one value of each of these options.

    `variables`: those of each host as written; `read` returns a host's variable with its templates resolved. That is
    slow, so it is only called for templates.
    """
    first = next(iter(variables))
    for name in (PREFIX + option for option in names):
        written = {host: given.get(name) for host, given in variables.items()}
        values = {host: read(host, name) if has_template(value) else value for host, value in written.items()}
        other = next((host for host, value in values.items() if value != values[first]), None)
        if other:
            both = [f"{format_value(one) if one is not None else 'not set'} on {host}" for host, one in (
                (first, values[first]), (other, values[other]))]
            raise TaskError(
                "bad-option", f"{name} is {' and '.join(both)}. Set one value for all hosts of the run, "
                "for example with -e.")
