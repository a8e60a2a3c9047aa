# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the new code of a patch on trial was ever run: how often each of its functions was called."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.call_probes import (
    MOST_PROBES,
    CallProbes,
    count_calls,
    why_not_countable,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import new_symbol
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import number_of


def counted_functions(description):
    """The functions of a description, as in WATCH of ledger.py; one without a known symbol has an empty one."""
    objects = [] if description["opaque"] else description["objects"]
    return [{"object": entry["name"], "name": function["name"], "sympos": function["sympos"] or 1,
             "symbol": new_symbol(function) or ""}
            for entry in objects for function in entry["functions"]]


def obstacle(host, description):
    """Why the calls of a patch cannot be counted on this host, as a clause, or None."""
    functions = counted_functions(description)
    unknown = next((one["name"] for one in functions if not one["symbol"]), None)
    if unknown:
        return f"the file does not show the symbol of its new {unknown}"
    if not functions:
        return "the file does not show its functions"
    if len(functions) > MOST_PROBES:
        return f"it has {number_of(len(functions), 'function')}, and at most {MOST_PROBES} can be counted"
    return why_not_countable(host)


def calls_of(host, trial):
    """The `calls` of a verdict (see watch_record.py), as the kernel has counted them until now."""
    functions = trial["watch"]["functions"]
    counts = count_calls(host, trial["transaction"], len(functions)) if functions else []
    return [{"object": one["object"], "name": one["name"], "sympos": one["sympos"], "calls": calls}
            for one, calls in zip(functions, counts)]


class CallCounts:
    """Counts for one trial, in its process. `findings` are those about functions that cannot be counted."""

    def __init__(self, host, trial):
        self.findings = []
        self._host = host
        self._trial = trial
        symbols = [one["symbol"] for one in trial["watch"]["functions"]]
        self._probes = CallProbes(host, trial["transaction"], trial["name"], symbols) if symbols else None
        self._is_placed = False

    def count(self):
        """The `calls` of a verdict; places the probes the first time, when the module is loaded."""
        if self._probes and not self._is_placed:
            self._is_placed = True
            self._probes.place()
            self.findings = [
                finding("calls-not-counted", symbol, name=self._trial["name"], function=symbol, why=why)
                for symbol, why in self._probes.failures]
        return calls_of(self._host, self._trial)

    def end(self):
        """Remove the probes."""
        if self._probes:
            self._probes.remove()
