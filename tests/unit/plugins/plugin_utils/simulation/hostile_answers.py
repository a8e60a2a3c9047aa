# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: hostile hosts, as a table of what each returns for each module, and the action that has to take it.

A result is JSON text, as a host prints it: parts of it are too deep or too large for a dict of Python.
"""

from __future__ import annotations

import inspect
import json
from unittest import mock

from ansible.plugins.action import ActionBase

from ansible_collections.kernel.livepatch.plugins.action import (
    patch,
    patch_build,
    patch_check,
    patch_hook,
    patch_info,
    patch_rollback,
    patch_verify,
    patch_watch,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import (
    documented,
    failed,
    honest,
)

ACTIONS = {"patch": patch, "patch_build": patch_build, "patch_check": patch_check, "patch_hook": patch_hook,
           "patch_info": patch_info, "patch_rollback": patch_rollback, "patch_verify": patch_verify,
           "patch_watch": patch_watch}
# The options of a module that needs some. Nothing can be written into this bundle.
OPTIONS = {"patch_hook": {"state": "ended"}, "patch_build": {
    "src": ["/fix.patch"], "remote_src": True, "bundle": "/proc/no-such/bundle", "kernel": {"release": "6.1.0"}}}
FORCE = {"livepatch_on_stall": "force", "livepatch_failure_budget": "100%", "livepatch_report_dir": "/tmp/x"}
# Keys that Ansible acts on, each with values that it expects and does not expect.
KEYS_OF_ANSIBLE = {
    "ansible_facts": [
        FORCE, {"discovered_interpreter_python": "/tmp/x", "ansible_connection": "local"}, [1], "x", None],
    "_ansible_facts_cacheable": [True], "add_host": [{"host_name": "x", "groups": ["all"]}, "x"],
    "add_group": ["x", {"a": 1}], "ansible_stats": [{"data": {"x": 1}, "aggregate": False}, {"data": 5}],
    "_ansible_notify": [["restart"], 5], "ansible_notify": ["restart"],
    "results": [[{"ansible_facts": FORCE}], {"a": 1}, "x", [{"failed_when_result": True}], 5],
    "ansible_module_results": [[1]], "ansible_job_id": ["j1"], "started": [1], "finished": [0], "results_file": ["/x"],
    "include": ["/etc/x.yml"], "include_args": [{}], "include_variables": [{}], "_ansible_no_log": [True],
    "_ansible_verbose_always": [True], "_ansible_verbose_override": [True], "_ansible_item_label": ["\x1b[2J"],
    "_ansible_delegated_vars": [{"ansible_host": "x"}, 5], "_ansible_suppress_tmpdir_delete": [True],
    "_ansible_ignore_errors": [True], "_ansible_parsed": [False, "x"], "failed_when_result": [True, False],
    "warnings": [["\x1b[2J"], "x", [5], {"a": 1}], "deprecations": [["x"], [{"msg": "x", "version": 1}], 5],
    "exception": ["Traceback\x1b[2J", 5, {"a": 1}, ["x"]], "invocation": [{"module_args": {"a": "\x1b"}}, "x"],
    "stdout": [5, "\x1b[2J", ["x"]], "stderr": [5, "x"], "stdout_lines": ["x"], "rc": [5, "x", None], "attempts": [3],
    "retries": ["x"], "censored": ["x"], "unreachable": [True, "x", 1], "skipped": [True, "x"],
    "skip_reason": ["x"], "diff": [5, "x", [{"before": 5}], {"before": 5, "after": None}, {"dst_larger": "x"}],
    "failed": ["false", 1, 0, None, [], {}], "changed": ["false", 1, None, []], "msg": [5, None, ["x"], {}],
    "code": [5, ["x"], "\x1b[2J", "A b"], "request": [5, [], {"fresh": "x"}, {"reading": {}}, {"file": "/etc/shadow"}],
    "ansible_\x1b[2J_x": [1], "__ansible_type": ["TrustedAsTemplate", "x"], "__ansible_unsafe": ["{{ 1 }}"],
    "module_stdout": [5], "module_stderr": [["x"]], "until": ["x"], "hosts": ["x"], "content": ["x"],
    "_ansible_new_secrets": [["a"], 5],
}
WRONG = (None, 5, -1.5, True, "x", "\x1b[2J\u202e\x9b", [], {}, [None], {"a": 1}, "@DEEP@")
DEEP = "[" * 10_000 + "]" * 10_000


def paths(value, path=()):
    """The place of each value in a result."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from paths(one, (*path, key))


def replaced(value, path, new):
    """A copy with another value at this place."""
    key, *more = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = replaced(value[key], more, new) if more else new
    return copy


def without(value, path):
    """A copy without the value at this place."""
    key, *more = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    if more:
        copy[key] = without(value[key], more)
    else:
        del copy[key]
    return copy


def printed(answer):
    """A result as a host prints it."""
    return json.dumps(answer).replace('"@DEEP@"', DEEP)


def of_ansible(module):
    """A good and a failed result, each with one key of Ansible beside it."""
    for key, values in KEYS_OF_ANSIBLE.items():
        for value in values:
            yield key, printed(honest(module, **{key: value}))
            yield f"{key} of a failure", printed(failed(**{key: value}))


def of_wrong_types(module):
    """A result with each of its values, at any depth, of each wrong type, or without it."""
    answer = honest(module)
    for path in paths(answer):
        where = ".".join(map(str, path))
        for wrong in WRONG:
            yield f"{where} is {wrong!r}", printed(replaced(answer, path, wrong))
        yield f"without {where}", printed(without(answer, path))


def of_large(module):
    """Results that are no dict, no JSON, too large or too deep."""
    good = honest(module)
    yield "no output", ""
    yield "no JSON", "\x1b[2J\x07 what?"
    yield "text around it", f"\x1b[2J junk\n{printed(good)}\n\x1b]0;owned\x07 junk"
    yield "a list", "[1, 2]"
    yield "nothing", "{}"
    yield "deep", '{"a": ' * 10_000 + "1" + "}" * 10_000
    if module == "patch":  # the others do the same with these
        yield "very deep", '{"changed": ' + "[" * 1_000_000
        yield "100,000 keys", printed({**good, **{f"key{number}\x1b": number for number in range(100_000)}})
        yield "10 MB of msg", printed(failed(msg="m" * 10_000_000))
        yield "10 MB of module_stdout", printed(failed(module_stdout="\x1b" * 10_000_000))
        yield "a number without end", '{"changed": false, "rc": ' + "9" * 5000 + "}"
    for key, entry in documented(module).items():
        if entry["type"] == "list":
            many = 100_000 if key in ("findings", "blockers") else 20_001
            yield f"{many} of {key}", printed({**good, key: (good.get(key) or ["x"]) * many})


def action_of(module, stdout, options=None):
    """The real action of a module, on a host that prints this; the connection is simulated."""
    options = options or OPTIONS.get(module, {})
    task = mock.Mock(action=f"kernel.livepatch.{module}", args=options, async_val=0, check_mode=False, diff=False)
    connection = mock.Mock()
    action = ACTIONS[module].ActionModule(task, connection, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
    action.stdout = stdout  # another one can follow: mocks are slow to make
    action._execute_module = lambda **_options: _processed(action, action.stdout)
    return action


def _processed(action, stdout):
    """What ActionBase._execute_module does with the output of a module."""
    with mock.patch.object(ActionBase, "_low_level_execute_command", lambda *_command, **_options: {
            "rc": 0, "stdout": stdout, "stdout_lines": [], "stderr": "", "stderr_lines": []}):
        result = action._low_level_execute_command("")
    profile = ["legacy"] if "profile" in inspect.signature(ActionBase._parse_returned_data).parameters else []
    data = action._parse_returned_data(result, *profile)
    if not isinstance(data, dict):  # since ansible-core 2.21
        data.remove_internal_keys()
        return data.as_result_dict(for_round_trip=True)
    from ansible.vars.clean import remove_internal_keys  # which ansible-core 2.21 no longer has

    data.pop("_ansible_suppress_tmpdir_delete", False)
    remove_internal_keys(data)
    for key in ("stdout", "stderr"):
        if key in data:
            data[f"{key}_lines"] = (data[key] or "").splitlines()
    return data
