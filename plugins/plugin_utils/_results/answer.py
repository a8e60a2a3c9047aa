# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The one way of a module's result from a host into Ansible: checked, plain, printable and bounded.

It keeps the documented keys only, because Ansible acts on others (ansible-core 2.16, 2.19 and 2.22):

    lib/ansible/plugins/strategy/__init__.py, _process_pending_results: results, add_host, add_group, ansible_facts,
        _ansible_facts_cacheable, ansible_stats, _ansible_notify, unreachable, skipped, changed, diff
    lib/ansible/executor/task_executor.py, _execute and _poll_async_result: ansible_facts, ansible_job_id, failed, rc,
        skipped, unreachable, warnings, deprecations, exception
    lib/ansible/executor/task_result.py: results, failed_when_result, skipped, unreachable, _ansible_no_log,
        _ansible_delegated_vars, _ansible_verbose_always, exception, warnings, deprecations
    lib/ansible/plugins/action/__init__.py, _execute_module: results, _ansible_suppress_tmpdir_delete, stdout, stderr,
        ansible_facts; lib/ansible/vars/clean.py, remove_internal_keys, shows other keys with their values
    lib/ansible/_internal/_task.py, UnifiedTaskResult, since 2.21: all of these, _ansible_new_secrets since 2.22
    lib/ansible/plugins/callback/__init__.py: exception, warnings, deprecations, diff, results, invocation, censored
    lib/ansible/plugins/strategy and playbook/included_file.py: include, include_args, include_variables (of include_*
        actions only)
"""

from __future__ import annotations

import json
import typing as t

from ansible.module_utils.json_utils import _filter_non_json_lines

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import (
    Keys,
    Kind,
    Misfit,
    Number,
    Sizes,
    Text,
    printable_lines,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import CODE, FLAG, SHAPES
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

FLAGS = frozenset(("changed", "failed", "skipped", "unreachable"))
PARSED = "_ansible_parsed"  # Ansible adds it
LONGEST_MESSAGE = 8000  # characters of `msg`
_OUTPUT = Text(20000, cut=True, lines=True)
_SIDE = Text(500000, cut=True, lines=True)
_HEADER = Text(500, cut=True)
_DIFF: dict[str, Kind] = {
    "diff": Keys({}, {"before_header": _HEADER, "after_header": _HEADER, "before": _SIDE, "after": _SIDE})}
_CHANGED: dict[str, Kind] = {"changed": FLAG}
# Ansible itself adds these to the failure of a module that has crashed or did not start.
_FAILED: dict[str, Kind] = {
    "code": CODE, "rc": Number(whole=True, null=True), "module_stdout": _OUTPUT, "module_stderr": _OUTPUT}
_MSG: dict[str, Kind] = {"msg": Text(LONGEST_MESSAGE, cut=True, lines=True)}

# By module: the shape of a success, and of a failure.
_WHOLE = {
    module: (
        Keys({**_CHANGED, **shape.success}, {**shape.may, **(_DIFF if shape.diff else {})}),
        Keys(_MSG, {
            **_CHANGED, **shape.success, **shape.may, **shape.failure, **(_DIFF if shape.diff else {}), **_FAILED}))
    for module, shape in SHAPES.items()}

# The first level of what a host returns, before Ansible looks at it; `content` is of slurp.
KEYS_OF_HOSTS = frozenset(
    key for success, failure in _WHOLE.values() for kind in (success, failure) for key in (*kind.must, *kind.may)
) | {"failed", "unreachable", "skipped", "exception", "request", "content", PARSED}


def with_known_keys(stdout: str) -> str:
    """The output of a module, in whose JSON only keys of KEYS_OF_HOSTS are left; other output stays as it is.

    Ansible shows the value of a flag that is none, with its control characters. Raises TaskError `malformed-result`
    for such a flag, and RecursionError.
    """
    try:
        found, _warnings = _filter_non_json_lines(stdout, objects_only=True)
        data = json.loads(found)
    except ValueError:
        return stdout  # Ansible's own parser fails as well, and says why
    known = {key: data[key] for key in data if key in KEYS_OF_HOSTS and key != PARSED}
    for key in FLAGS & set(known):
        if known[key] is not True and known[key] is not False:
            raise malformed(f"it has a value of {key} other than true or false")
    if not isinstance(known.get("rc"), int):
        known.pop("rc", None)
    text = json.dumps(known)
    # Ansible warns of what stands behind the JSON.
    return stdout.replace(found, text, 1) if found in stdout else text


def malformed(problem: str) -> TaskError:
    """The error for a result that has not the shape of its module."""
    return TaskError(
        "malformed-result",
        f"The host returned a malformed result: {problem}. Check that the host has not been compromised.")


def read_answer(module: str, data: t.Any) -> dict[str, t.Any]:
    """The checked result of a module from what its host returned; raises TaskError `malformed-result`.

    Always has `failed` and `changed`. `request` stays in it unchecked, and must be checked before its use. `warnings`
    has a text for each list that was too long.
    """
    try:
        return _read(module, data)
    except Misfit as misfit:
        raise malformed(str(misfit)) from None


def _read(module: str, data: t.Any) -> dict[str, t.Any]:
    if not isinstance(data, dict):
        raise Misfit("is not a dict")
    for key in ("unreachable", "skipped"):
        if data.get(key):
            raise Misfit(f"claims to be {key}")
    failed = data.get("failed", False)
    if failed is not True and failed is not False:
        raise Misfit("has a value of failed other than true or false")
    sizes = Sizes()
    request = data.get("request")
    if not failed and SHAPES[module].asks and "request" in data and not requests_new_connection(request):
        return {"failed": False, "changed": False, "request": request}
    success, failure = _WHOLE[module]
    result = (failure if failed else success).read(data, sizes) or {}
    result["failed"] = failed
    result.setdefault("changed", False)
    if not failed and SHAPES[module].asks and "request" in data:
        result["request"] = request
    traceback = _traceback(data.get("exception")) if failed else None
    if traceback:
        result["exception"] = traceback
    if sizes.left_out:
        result["warnings"] = [
            f"The host returned too many {title}, namely {count}. The result has {most} of them."
            for title, (count, most) in sorted(sizes.left_out.items())]
    return result


def requests_new_connection(request: t.Any) -> bool:
    """Whether this is the request of a host that has enabled the patch and waits for its acceptance."""
    return isinstance(request, dict) and "fresh" in request


def _traceback(exception: t.Any) -> str | None:
    """The traceback of a module that has crashed; since ansible-core 2.19 it is in an object."""
    if not isinstance(exception, str):
        exception = getattr(getattr(exception, "event", None), "formatted_traceback", None)
    return printable_lines(exception, _OUTPUT.most) if isinstance(exception, str) and exception.strip() else None
