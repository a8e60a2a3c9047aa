# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: Return a pattern of hosts, and fail if no host matches it
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Returns the pattern for the C(hosts) of a play. Ansible itself ends with exit code 0 when no host matches.
  - Fails if no host matches the pattern, if there is no inventory, and if Ansible could read no source of it. Options
    such as C(--syntax-check) and C(--list-tasks) need no inventory.
  - The playbooks of this collection use it. A play on localhost could not, because it does not run with C(--limit).
options:
  _terms:
    description: One pattern, or a list of patterns.
    type: list
    elements: raw
    required: true
  variable:
    description: The name of the variable with the pattern, for the message.
    type: str
    required: true
  shard:
    description:
      - A share of the hosts, such as V(2/8). Eight runs with the shards V(1/8) to V(8/8) have each host once. All of
        them need the same inventory and the same C(--limit).
      - Fails if there are fewer hosts than shards. Without it, or with an empty text, returns the pattern itself.
    type: str
"""

EXAMPLES = r"""
- name: Update the web servers
  hosts: "{{ lookup('kernel.livepatch.hosts', my_hosts, variable='my_hosts') }}"
  tasks: []

- name: Update the second quarter of the web servers
  hosts: "{{ lookup('kernel.livepatch.hosts', my_hosts, variable='my_hosts', shard='2/4') }}"
  tasks: []
"""

RETURN = r"""
_raw:
  description: The patterns, separated by commas; with O(shard), one pattern for each host.
  type: list
  elements: str
"""

import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.inventory.manager import split_host_pattern
from ansible.module_utils.common.collections import is_sequence
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.inventory import (
    unread_again,
    unread_message,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.names import exact_pattern
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.shard import (
    Shard,
    in_order,
    parse_shard,
    share_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX, Values
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import number_of

# Options of ansible-playbook with which no task runs.
SHOW_ONLY = ("syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    """Fails with AnsibleLookupError if no host matches the pattern, or none that is in --limit.

    So does an inventory of which Ansible could read nothing: no task would run, and the exit code would be 0.
    """

    def run(self, terms: list[t.Any], variables: Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        variables = variables or {}
        patterns = (one for term in terms for one in (term if is_sequence(term) else [term]))
        pattern = ",".join(map(str, patterns))
        limit = str(variables.get("ansible_limit") or "")
        found = self._hosts([pattern], variables)
        if limit:
            found &= self._hosts(_patterns_of_limit(limit), variables)
        if not variables["groups"]["all"]:
            unread = unread_again(self._loader, variables.get("ansible_inventory_sources") or [])
            if unread:
                raise AnsibleLookupError(unread_message(unread))
            if not found and not any(map(context.CLIARGS.get, SHOW_ONLY)):
                raise AnsibleLookupError(
                    f"The inventory has no hosts, so nothing was done. Give an inventory with -i, or set "
                    f"{self.get_option('variable')}=localhost for this machine.")
        elif not found:
            of_limit = f" with --limit {limit}" if limit else ""
            raise AnsibleLookupError(
                f"No host matches {pattern}{of_limit}, so nothing was done. "
                f"Correct {self.get_option('variable')}, --limit or the inventory.")
        shard = self._shard()
        return [pattern] if shard is None else _patterns_of_share(found, shard)

    def _shard(self) -> Shard | None:
        try:
            return parse_shard(Values({f"{PREFIX}shard": self.get_option("shard")}))
        except TaskError as error:
            raise AnsibleLookupError(error.message) from None

    def _hosts(self, patterns: list[str], variables: Mapping[str, t.Any]) -> set[str]:
        names = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        return set(names.run(patterns, variables))


def _patterns_of_limit(limit: str) -> list[str]:
    """The patterns of --limit: a file after @ has one in each line, as Ansible has read it before."""
    patterns: list[str] = []
    for one in split_host_pattern(limit):
        patterns.extend(Path(one[1:]).read_text(encoding="utf-8").split("\n") if one.startswith("@") else [one])
    return [one.strip() for one in patterns if one.strip()]


def _patterns_of_share(found: set[str], shard: Shard) -> list[str]:
    if 0 < len(found) < shard.of:
        raise AnsibleLookupError(
            f"{PREFIX}shard is {shard}, for {number_of(len(found), 'host')} in all. Use fewer shards.")
    return [exact_pattern(str(name)) for name in share_of(in_order(map(str, found)), shard)]
