# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""One summary of the patch_rollback and patch_verify results of all hosts."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import compare_builds
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import (
    by_code,
    by_failure,
    by_verdict,
    group_by,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    LONGEST_CODE,
    LONGEST_MESSAGE,
    MALFORMED,
    Failure,
    are_findings,
    are_named,
    are_names,
    failure_of,
    failure_sentence,
    missing_result,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import (
    count_line,
    failure_line,
    finding_line,
    join_hosts,
    no_result_line,
)

# The verdicts of a host. `planned` is for check mode. The last four are not in the requested state.
VERDICTS = ("rolled_back", "planned", "unchanged", "in_transition", "failed", "unreachable", "no_result")
IN_REQUESTED_STATE = VERDICTS[:3]
UNFINISHED = "transition-unfinished"
# Codes of patch_verify that are no error here: nothing is enabled (compared with the target anyway), a later patch of
# the stack replaces a function, or the modules of an earlier patch are not loaded any more.
TOLERATED = ("nothing-enabled", "function-overridden", "ineffective")
MOST_NAMES = 10  # in one message
NOT_VERIFIED = (None, "The live patches were not verified after the rollback. Run the playbook again.")
WORDS = {
    "rolled_back": "rolled back",
    "planned": "would be rolled back",
    "unchanged": "unchanged",
    "in_transition": "in transition",
    "failed": "failed",
    "unreachable": "unreachable",
    "no_result": "without a result",
}


class RollbackVerdict(t.NamedTuple):
    """A host's verdict, its failure, and the names of the removed, the restored and the enabled patches."""

    verdict: str
    failure: Failure | None = None
    removed: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()


def summarize_rollback(
        answers: Mapping[str, t.Any], proofs: Mapping[str, t.Any] | None = None,
        check_mode: bool = False) -> dict[str, t.Any]:
    """The summary that the filter `rollback_summary` documents.

    `answers`, `proofs`: the patch_rollback and the patch_verify result of each host, also of failed and unreachable
    hosts; empty for a host without a result. No result of a host makes this fail.
    """
    verdicts = {host: judge_rollback(answer, (proofs or {}).get(host), check_mode) for host, answer in answers.items()}
    hosts = by_verdict({host: one.verdict for host, one in verdicts.items()}, VERDICTS)
    problems = {host: failure_sentence(one.failure) for host, one in verdicts.items() if one.failure}
    arrived = {host: one for host, one in verdicts.items() if one.verdict in IN_REQUESTED_STATE}
    summary = {
        "ok": not any(hosts[verdict] for verdict in VERDICTS[3:]),
        "hosts": len(verdicts),
        "counts": {verdict: len(hosts[verdict]) for verdict in VERDICTS},
        "arrived": [
            {"verdict": one.verdict, "removed": list(one.removed), "restored": list(one.restored),
             "enabled": list(one.enabled), "hosts": alike}
            for one, alike in sorted(
                group_by(arrived, lambda one: one).items(), key=lambda entry: VERDICTS.index(entry[0].verdict))],
        "findings": by_code({
            host: [entry for entry in _findings(answers[host]) if entry["code"] != UNFINISHED] for host in arrived}),
        **{
            verdict: by_failure({host: verdicts[host].failure or MALFORMED for host in hosts[verdict]})
            for verdict in VERDICTS[3:6]},
        "no_result": hosts["no_result"],
        "problems": problems,
    }
    facts = {
        host: {"verdict": one.verdict, **({"enabled": list(one.enabled)} if one.verdict in IN_REQUESTED_STATE else {})}
        for host, one in verdicts.items()}
    artifact = {"ok": summary["ok"], "counts": summary["counts"], "problems": problems, "hosts": facts}
    return dict(summary, artifact=artifact, lines=rollback_lines(summary))


def judge_rollback(answer: t.Any, proof: t.Any = None, check_mode: bool = False) -> RollbackVerdict:
    nothing = missing_result(answer)
    if nothing == "no_result":
        return RollbackVerdict("no_result")
    if nothing == "unreachable":
        return RollbackVerdict("unreachable", failure_of(answer))
    if _has_no_previous(answer):
        # A host without any change and without an enabled patch is in the requested state.
        failure = _verification_failure({}, proof)
        if failure is None:
            return RollbackVerdict("unchanged")
        if failure.verdict == "unreachable":
            return failure
        return RollbackVerdict("failed", failure_of({**answer, "failed": True}))
    if nothing:
        return RollbackVerdict("failed", failure_of(answer))
    if not _is_well_formed(answer):
        return RollbackVerdict("failed", MALFORMED)
    if _unfinished_transitions(answer):
        return RollbackVerdict("in_transition", _failure(_unfinished_transitions(answer)[0]))
    target = _texts(answer["target"])
    if not check_mode:
        failure = _verification_failure(answer, proof)
        if failure:
            return failure
    removed, restored = (_texts(one["name"] for one in answer[key]) for key in ("removed", "restored"))
    # A change of a trial's end, or of the next boot only, has a transaction and does not change the kernel.
    changed = answer["changed"] or answer.get("transaction")
    verdict = ("planned" if check_mode else "rolled_back") if changed else "unchanged"
    return RollbackVerdict(verdict, None, removed, restored, target)


def _verification_failure(answer: Mapping[str, t.Any], proof: t.Any) -> RollbackVerdict | None:
    """The reason why the `target` of a rollback is not verified as the exact set of enabled patches, or None."""
    nothing = missing_result(proof)
    if nothing == "no_result":
        return RollbackVerdict("failed", NOT_VERIFIED)
    if nothing == "unreachable":
        return RollbackVerdict("unreachable", failure_of(proof))
    if not (are_findings(proof.get("findings")) and are_names(proof.get("patches"))):
        return RollbackVerdict("failed", failure_of(proof))
    blockers = [entry for entry in proof["findings"] if entry["level"] == "blocker"]
    remaining = [entry for entry in blockers if entry["code"] not in TOLERATED]
    if remaining:
        return RollbackVerdict("failed", _failure(remaining[0]))
    if nothing and not blockers:
        return RollbackVerdict("failed", failure_of(proof))
    enabled, target = _texts(proof["patches"]), _texts(answer.get("target") or ())
    if sorted(enabled) == sorted(target):
        others = _other_builds(answer, proof)
        return RollbackVerdict("failed", (
            "stack-differs",
            f"After the rollback, another build of {join_limited(others, MOST_NAMES)} is enabled than requested. Find "
            "the cause with patch_info (changing, other_tools), then run again.")) if others else None
    return RollbackVerdict("failed", (
        "stack-differs",
        f"After the rollback, other patches are enabled ({join_limited(enabled, MOST_NAMES) or 'none'}) than requested "
        f"({join_limited(target, MOST_NAMES) or 'none'}). Find the cause with patch_info (changing, other_tools), then "
        "run again."))


def _other_builds(answer: Mapping[str, t.Any], proof: Mapping[str, t.Any]) -> tuple[str, ...]:
    """The names of the enabled patches that certainly are other builds than requested."""
    wanted, enabled = (
        [{key: one.get(key) for key in ("name", "build_id")} for one in result["builds"]]
        if are_named(result.get("builds")) else [] for result in (answer, proof))
    return _texts(one["name"] for one in enabled for other in wanted
                  if other["name"] == one["name"] and compare_builds(one, other) is False)


def _is_well_formed(answer: Mapping[str, t.Any]) -> bool:
    return (
        isinstance(answer.get("changed"), bool) and are_findings(answer.get("findings"))
        and are_names(answer.get("target"))
        and all(are_named(answer.get(key)) for key in ("removed", "restored")))


def _has_no_previous(answer: Mapping[str, t.Any]) -> bool:
    return answer.get("code") == "no-previous"


def _unfinished_transitions(answer: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    return [entry for entry in answer["findings"] if entry["code"] == UNFINISHED]


def _findings(answer: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    return answer["findings"] if are_findings(answer.get("findings")) else []


def _failure(entry: Mapping[str, t.Any]) -> Failure:
    return truncate(entry["code"], LONGEST_CODE), truncate(entry["message"], LONGEST_MESSAGE)


def _texts(names: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(map(printable, names))


def rollback_lines(summary: Mapping[str, t.Any]) -> list[str]:
    """The hosts in the requested state by their changes, then the others, then the counts."""
    lines = [_arrived_line(group) for group in summary["arrived"]]
    lines.extend(finding_line(group["level"], group) for group in summary["findings"])
    lines.extend(failure_line("in transition", group) for group in summary["in_transition"])
    lines.extend(failure_line("failed", group) for group in summary["failed"])
    lines.extend(failure_line("unreachable", group) for group in summary["unreachable"])
    return [*lines, *no_result_line(summary["no_result"]), count_line(summary["counts"], WORDS, "nothing to roll back")]


def _arrived_line(group: Mapping[str, t.Any]) -> str:
    moves = [f"{' and '.join(group[key])} {key}" for key in ("removed", "restored") if group[key]]
    names, planned = group["enabled"], group["verdict"] == "planned"
    what = "would be enabled then" if planned else f"{'are' if len(names) > 1 else 'is'} enabled{' now' * bool(moves)}"
    done = "; ".join([", ".join(moves)] * bool(moves) + [f"{' and '.join(names) or 'no live patch'} {what}"])
    return f"{WORDS[group['verdict']]}: {join_hosts(group['hosts'])}: {done}"
