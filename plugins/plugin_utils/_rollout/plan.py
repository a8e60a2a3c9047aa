# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The plan of a rollout, from the patch_check results of all hosts."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import TOLERATED
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record, fail, new_host
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import Cohort
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.fields import (
    findings_of,
    functions_of,
    number_of_seconds,
    text_of,
    unreachable_failure,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import (
    cohort_dict,
    cohorts_of,
    kernel_build_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import failure_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.limits import (
    WITHOUT_DOMAIN,
    Domains,
    cut_hosts,
    domains_of,
    reasons_for_parts,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import Options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.shards import Elsewhere
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.waves import Wave, plan_notes, plan_waves
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.preflight import verdict_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

LEASED = "host-leased"
DONE = "all its hosts are already in the requested state"
OF_OTHERS = "its hosts are all in other shards"
NOT_CHECKED = (None, "The host was not checked, because it was unreachable in an earlier play. Run the rollout again.")


def plan(
        record: Record, options: Options, answers: Mapping[str, t.Any], hostvars: Mapping[str, t.Any],
        groups: Mapping[str, Sequence[str]], largest: Callable[[int], int | None],
        elsewhere: Elsewhere) -> list[Wave]:
    """Fill in the cohorts and the waves of a record with hosts; `answers` are their results of patch_check.

    `groups`: the groups of the inventory with their hosts. `largest`: the most hosts of a wave, of each shard, for a
    number of hosts with a build. `elsewhere`: the hosts of other shards, which count in every wave. The record gets the
    hosts of its own shard in each of them. Returns the waves of the fleet. Raises TaskError for impossible waves and
    limits. No result of a host makes this fail.
    """
    own = {name: (host["kernel"], host["arch"]) for name, host in record["hosts"].items() if host["kernel"]}
    builds = {**elsewhere.builds, **{name: kernel_build_of(answers[name]) for name in own}}
    cohorts = cohorts_of({**elsewhere.kernels, **own}, options.cohort_by, hostvars, builds)
    places: dict[str, Cohort] = {}
    for cohort, hosts in cohorts:
        mine = [name for name in hosts if name in own]
        record["cohorts"] += [dict(cohort_dict(cohort), hosts=mine)] if mine else []
        for name in mine:
            record["hosts"][name]["cohort"] = str(cohort)
        places |= {name: cohort for name in hosts if name in elsewhere.placed or (
            name in own and (record["hosts"][name]["state"] == "pending" or record["hosts"][name]["done"]))}
    domains = domains_of(options.limits, places, hostvars, options.without_domain)
    most = largest(number_with_build(record) + elsewhere.covered)
    waves = plan_waves(
        options.waves, places, groups.get, list(groups),
        lambda hosts: cut_hosts(hosts, domains, most, elsewhere.shard_of)) if places else []
    if record["alone"] and len(waves) > 1:
        raise TaskError(
            "limit-exceeded",
            "All hosts would be on trial at once, and livepatch_limits allows less: "
            f"{reasons_for_parts(places, domains, options.limits, most)}. Use the playbook rollout, which cuts waves.")
    record["notes"] = plan_notes(options.waves, waves, groups.get) if places else []
    of = options.shard.of if options.shard else 1
    record["notes"] += _notes_on_parts(waves, domains, options, most and most * of)
    _keep_domains(record, options, domains, hostvars)
    record["waves"] = [
        {"number": wave.number, "title": wave.title, "name": wave.entry.title, "part": wave.part, "parts": wave.parts,
         "hosts": [name for name in wave.hosts if name in own], "state": "pending", "opened": None, "loaded": None,
         "closed": None, "why": None, "waits_for": None, "looks": []}
        for wave in waves]
    for wave in record["waves"]:
        for name in wave["hosts"]:
            record["hosts"][name]["wave"] = wave["number"]
        if all(record["hosts"][name]["done"] for name in wave["hosts"]):
            wave.update(state="passed", why=DONE if wave["hosts"] else OF_OTHERS)
    return waves


def describe_hosts(record: Record, options: Options, answers: Mapping[str, t.Any], now: float) -> None:
    """Fill in the hosts of a record from their results of patch_check."""
    record["hosts"] = {name: _plan_host(answer, options, now) for name, answer in sorted(answers.items())}


def number_with_build(record: Record) -> int:
    return sum(host["state"] != "no_build" for host in record["hosts"].values())


def _notes_on_parts(waves: Sequence[Wave], domains: Domains, options: Options, most: int | None) -> list[str]:
    """Which waves are cut, and why."""
    notes = []
    for first in (wave for wave in waves if wave.parts > 1 and wave.part == 1):
        last = first.number + first.parts - 1
        hosts = [host for wave in waves[first.number - 1:last] for host in wave.hosts]
        notes.append(
            f"The wave {first.entry.title} is cut into {first.parts} parts, waves {first.number} to {last}: at most "
            f"{reasons_for_parts(hosts, domains, options.limits, most)}.")
    return notes


def _keep_domains(record: Record, options: Options, domains: Domains, hostvars: Mapping[str, t.Any]) -> None:
    """Keep the domains for the start of each wave: hosts already on trial count too, with or without a wave."""
    others = [name for name, host in record["hosts"].items() if host["trial_until"] and name not in domains.of_host]
    others_of = domains_of(options.limits, others, hostvars, WITHOUT_DOMAIN[1]).of_host
    places = {domain: place for place, domain in enumerate(domains.most)}
    record["domains"] = [{"name": str(domain), "most": most} for domain, most in domains.most.items()]
    for name, of_host in {**domains.of_host, **others_of}.items():
        if name not in record["hosts"]:  # of another shard
            continue
        record["hosts"][name]["domains"] = [places[domain] for domain in of_host if domain in places]


def _plan_host(answer: t.Any, options: Options, now: float) -> Record:
    """The host's part of the record from its patch_check result; `done` when it is in the requested state already.

    `untried`: the patch is enabled, without a trial. `trial_until`: the end of an earlier trial in seconds since 1970,
    or None. `domains`: places in the list of domains. After the load, `watched` says whether the host watches itself,
    and `boot_id` is that of the load. `hook`: see hooks.py.
    """
    host = dict(
        new_host(), done=False, untried=False, trial_until=_end_of_trial(answer, now), domains=[], watched=False,
        boot_id=None, hook=None)
    verdict = verdict_of(answer)
    if verdict == "unreachable":
        fail(host, "check", unreachable_failure(answer), "unchanged")
    elif verdict == "unchecked":
        fail(host, "check", failure_of(answer), "unchanged")
    elif verdict == "no_result":
        fail(host, "check", NOT_CHECKED, "unchanged")
    else:
        _describe(host, answer, verdict, options)
    return host


def _end_of_trial(answer: t.Any, now: float) -> float | None:
    trial = answer.get("trial") if isinstance(answer, Mapping) else None
    left = number_of_seconds(trial, "seconds_left") if isinstance(trial, Mapping) else None
    return now + left if left is not None and 0 < left <= LONGEST_TRIAL else None


def _describe(host: Record, answer: Mapping[str, t.Any], verdict: str, options: Options) -> None:
    patch = answer["patch"]
    host.update(
        hook="due" if _is_hook_due(answer, options) else None,
        kernel=printable(patch["kernel"]), arch=printable(answer["arch"]), findings=findings_of(answer),
        patch=text_of(patch, "name"), build_id=text_of(patch, "build_id"), sha256=text_of(patch, "sha256"))
    if verdict == "no_build":
        host["state"] = "no_build"
        return
    effective = patch["state"] in ("enabled", "accepted")
    host["untried"] = effective and not answer.get("trial")
    host["functions"] = functions_of(patch, "patched" if effective else "absent")
    taken = (LEASED,) if options.take_lease else ()
    # From the whole result: the list in the record is truncated.
    blockers = blockers_in(answer["findings"], (*TOLERATED, *taken, *options.ignore_findings))
    if verdict == "blocked" and blockers:
        first = findings_of({"findings": blockers})[0]
        fail(host, "check", (first["code"], first["message"]), "unchanged")
    elif patch["state"] == "accepted" or (host["untried"] and options.state == "enabled"):
        host.update(state=patch["state"], done=True)


def _is_hook_due(answer: Mapping[str, t.Any], options: Options) -> bool:
    """Whether an earlier run has left the host before its `livepatch_after`; a run that holds the host has not."""
    held = any(entry["code"] == LEASED for entry in blockers_in(answer["findings"]))
    return bool(answer.get("hook")) and (options.take_lease or not held)


def play_of(record: Record) -> tuple[list[str], list[int]]:
    """The hosts to patch in the order of the waves, and the size of each wave."""
    waves = [[name for name in wave["hosts"] if not record["hosts"][name]["done"]] for wave in record["waves"]]
    return [name for wave in waves for name in wave], [len(wave) for wave in waves if wave]
