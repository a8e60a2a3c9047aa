# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Names: which `livepatch_*` variables are known and never set by facts of a host, and patterns of host names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from ansible import constants
from ansible.inventory.manager import split_host_pattern

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX, format_value

# Every variable of the argument_specs of all roles; a test compares the two.
VARIABLES = (
    "adopt", "after", "approve", "approved", "awx_canaries", "awx_credential", "awx_forks", "awx_image",
    "awx_inventory", "awx_name", "awx_organization", "awx_project", "awx_webhook", "before", "build_dir",
    "build_host", "build_parallel", "bundle", "cohort_by", "cves", "fail_on_drift", "failure_budget", "halt_file",
    "health_checks", "hook_timeout", "hosts", "ignore_findings", "interactive", "jobs", "kernels", "limits",
    "longest_trial", "looks", "min_calls", "name", "on_breach", "on_stall", "params", "partial_inventory",
    "release", "remote_src", "replace", "report_dir", "report_kind", "report_proofs", "report_results",
    "require_signature", "ring", "ring_name", "rollback_to", "shard", "shard_dir", "shard_timeout", "sign_cert",
    "sign_key", "soak", "space", "src", "state", "summary", "take_lease", "tool", "transition_timeout", "trial",
    "version", "waves", "window", "without_domain")
# What playbooks publish: later jobs get these dicts as variables. Each with the option that it is easily taken for.
ARTIFACTS = {
    "build": None, "preflight": None, "pull": None, "report": "report_dir", "rollback": "rollback_to", "rollout": None,
    "status": None}
# The input of later plays, which a rollout sets as a fact of localhost.
FACT_OF_ROLLOUT = "__livepatch_rollout"
_SIMILARITY = 0.78  # finds approve for approval, and does not refuse every variable of the user's own
_SIMILARITY_OF_PREFIX = 0.85  # finds livepatch for livepach, and not for live
_PLAIN_PREFIX = PREFIX.replace("_", "")
_OF_AWX = "awx_"
_MOST_SUGGESTIONS = 3


def check_names(variables: Iterable[str], extra: Iterable[str] = ()) -> None:
    """Refuse a variable that looks misspelled: its value would be ignored. Raises TaskError `bad-option`.

    `extra`: the names of the extra variables, which are meant for this run: each unknown one is refused. Of all other
    `variables`, some can belong to another role.
    """
    known = {PREFIX + name for name in (*VARIABLES, *ARTIFACTS)}
    for variable in sorted({name for name in variables if isinstance(name, str)}):
        name = _name_after_prefix(variable)
        right = None if name is None or variable in known else _similar(name)
        if right:
            raise _unknown(variable, [right], "")
    for variable in sorted({name for name in extra if isinstance(name, str)}):
        plain = variable.lower().replace("_", "")
        ours = plain.startswith(_PLAIN_PREFIX) and not variable.startswith("_")
        if ours and variable not in known:
            raise _unknown(
                variable, _suggestions(plain[len(_PLAIN_PREFIX):], variable),
                " Set a variable of another role in the inventory.")


def _name_after_prefix(variable: str) -> str | None:
    """The name of a variable without its prefix, also without a misspelled one; None for any other variable."""
    if variable.startswith(PREFIX):
        return variable[len(PREFIX):]
    prefix, _mark, name = variable.partition("_")
    if prefix[:1] not in "lL" or name not in VARIABLES:
        return None
    ratio = difflib.SequenceMatcher(None, prefix.lower(), PREFIX[:-1]).ratio()
    return name if ratio >= _SIMILARITY_OF_PREFIX else None


def _similar(name: str) -> str | None:
    # The variables of the playbook awx begin alike, so that only a name with this begin is meant for one of them.
    begin = name.lower().startswith(_OF_AWX[:-1])
    candidates = [one for one in VARIABLES if begin or not one.startswith(_OF_AWX)]
    return next(iter(difflib.get_close_matches(name.lower(), candidates, n=1, cutoff=_SIMILARITY)), None)


def _suggestions(plain: str, variable: str) -> list[str]:
    """The known names that an unknown one can be meant for: the same letters, similar ones, or one with its words."""
    same = [one for one in VARIABLES if one.replace("_", "") == plain]
    words = set(variable.lower().split("_")[1:])
    shared = [one for one in VARIABLES if words & set(one.split("_")) and not one.startswith(_OF_AWX)]
    similar = _similar(plain)
    return same or ([similar] if similar else shared[:_MOST_SUGGESTIONS])


def _unknown(variable: str, suggestions: Sequence[str], more: str) -> TaskError:
    right = " or ".join(PREFIX + one for one in suggestions)
    action = f"Write {right}" if right else "Correct the name"
    return TaskError(
        "bad-option",
        f"{printable(variable)} is no variable of this collection. {action}, or rename your own variable.{more}")


def check_artifacts(variables: Mapping[str, object]) -> None:
    """Refuse a text under the name of an artifact: it was meant for an option. Raises TaskError `bad-option`."""
    for name, option in ARTIFACTS.items():
        value = variables.get(PREFIX + name)
        # An artifact can be given as JSON or as a template too.
        if option and isinstance(value, str) and value.strip() and not value.lstrip().startswith("{"):
            raise TaskError(
                "bad-option",
                f"{PREFIX}{name} is {format_value(value)}, but it is the result of a playbook. Write {PREFIX}{option}, "
                "or rename your own variable.")


def check_facts(variables: Mapping[str, Mapping[str, object]]) -> None:
    """Refuse hosts with facts named like an option: facts override the variables of groups, and caches keep them.

    `variables`: those of each host as written. Raises TaskError `host-not-trusted`.
    """
    for host, given in variables.items():
        facts = given.get("ansible_facts")
        for name in facts if isinstance(facts, Mapping) else ():
            ours = isinstance(name, str) and name.removeprefix("__").startswith(PREFIX)
            if ours and not (host in constants.LOCALHOST and name == FACT_OF_ROLLOUT):
                raise TaskError(
                    "host-not-trusted",
                    f"The facts of {host} set {printable(name)}, and facts override the variables of your inventory. "
                    f"Check that {host} has not been compromised, and run again with --flush-cache. Set options as "
                    "variables, not as facts.")


def exact_pattern(name: str) -> str:
    """A pattern for `hosts` of a play that matches only the host of this name, with any characters in the name."""
    if split_host_pattern([name]) == [name] and name[0] not in "!&":
        return name  # Ansible prefers a host of that name to a group or a pattern
    letters = (letter if letter.isalnum() and letter.isascii() else f"\\U{ord(letter):08x}" for letter in name)
    return f"~^{''.join(letters)}\\Z"
