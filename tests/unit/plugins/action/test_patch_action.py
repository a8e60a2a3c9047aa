# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation between the controller's half and a host, with a host that follows a script."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle import bundle as bundle_module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery import action as action_module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery import host_action, load_count, waiting
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.reconnection import reset_connection
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError
from ansible_collections.kernel.livepatch.tests.unit.plugins.action.scripted_host import (
    DESCRIPTION,
    DONE,
    OPERATOR,
    ScriptedCache,
    sent,
    told,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import (
    failed,
    honest,
)


def test_one_call_when_the_host_needs_nothing(action):
    module = action({"src": "fix.ko"}, [dict(DONE)])
    result = module.run(task_vars={})
    assert result["changed"] is True
    assert module._execute_module.call_count == 1
    assert module._transfer_file.call_count == 0
    assert sent(module, 0) == {
        "src": "fix.ko",
        "via_controller": {
            "offer": {"kind": "file", "builds": [DESCRIPTION], "delivered": {}, "enclosed": None},
            "operator": OPERATOR}}


# Signs of life

@pytest.fixture
def shown(monkeypatch):
    """The lines that are shown."""
    lines = []
    monkeypatch.setattr(load_count.LoadCount.__init__, "__defaults__", (lines.append, lambda: 100.0))
    return lines


@pytest.mark.parametrize("name", ["patch", "patch_rollback"])
def test_a_module_that_changes_the_host_is_waited_for_with_signs_of_life(action, monkeypatch, name):
    waits = []

    class Wait(waiting.Waiting):
        def __enter__(self):
            waits.append((self._host, self._task, self._look is not None))

        def __exit__(self, *_error):
            waits.append("over")
    monkeypatch.setattr(host_action, "Waiting", Wait)
    module = action({}, [honest(name)], name=name)
    module._connection.transport = "local"
    assert module.run(task_vars={"inventory_hostname": "web7"})["failed"] is False
    assert waits == [("web7", name, True), "over"]


def test_a_look_beside_the_module_reads_one_file_by_a_copy_of_the_connection(action, monkeypatch):
    module = action({}, [])
    asked = []

    def run(beside, command, sudoable):
        asked.append((beside is module, beside._connection is module._connection, command, sudoable))
        return {"stdout": "{}", "stderr": ""}
    monkeypatch.setattr(host_action.ActionBase, "_low_level_execute_command", run)
    assert module._read_progress() == "{}"
    assert asked == [(False, False, "cat /run/kernel-livepatch/transition", True)]


@pytest.mark.parametrize("answer, line", [
    (DONE, "1 of 2 hosts loaded, 0 failed"), (failed(), "0 of 2 hosts loaded, 1 failed"),
    (AnsibleConnectionFailure("lost"), "0 of 2 hosts loaded, 1 failed")])
def test_a_task_of_a_wave_counts_its_hosts(action, monkeypatch, tmp_path, shown, answer, line):
    monkeypatch.setattr(action_module.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    module = action({"src": "fix.ko", "via_controller": {"hosts": "2"}}, [answer])
    if isinstance(answer, Exception):
        with pytest.raises(AnsibleConnectionFailure):
            module.run(task_vars={})
    else:
        module.run(task_vars={})
    assert shown == [line]
    assert "hosts" not in told(module, 0)


def test_each_wave_of_one_task_is_counted_anew(action, monkeypatch, tmp_path, shown):
    monkeypatch.setattr(action_module.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    for wave in (1, 1, 2, 2):
        module = action({"src": "fix.ko", "via_controller": {"hosts": 2, "wave": wave}}, [dict(DONE)])
        module._task._uuid = "same"
        module.run(task_vars={})
    assert [line.rpartition("==> ")[2] for line in shown if line.startswith("2 of 2")] == [
        "2 of 2 hosts loaded, 0 failed"] * 2


def test_a_playbook_sets_options_all_at_once_and_those_of_the_task_go_first(action):
    module = action(
        {"src": "fix.ko", "via_controller": {"run": "r1", "options": {"src": "other.ko", "trial": 60}}}, [dict(DONE)])
    result = module.run(task_vars={})
    assert {key: sent(module, 0)[key] for key in ("src", "trial")} == {"src": "fix.ko", "trial": 60}
    assert (told(module, 0)["run"], "options" in told(module, 0)) == ("r1", False)
    assert result["invocation"] == {"module_args": {"src": "fix.ko", "trial": 60}}


def test_a_task_without_a_wave_counts_nothing(action, shown):
    action({"src": "fix.ko"}, [dict(DONE)]).run(task_vars={})
    assert shown == []


@pytest.mark.parametrize("name", ["patch_check", "patch_verify"])
def test_a_module_that_only_looks_is_not_told_who_asks(action, name):
    module = action({"src": "fix.ko"}, [honest(name)], name=name)
    assert module.run(task_vars={})["failed"] is False
    assert (sorted(sent(module, 0)), list(told(module, 0))) == (["src", "via_controller"], ["offer"])


def test_what_is_no_option_for_playbooks_is_not_shown_to_the_user(action):
    result = action({"src": "fix.ko"}, [dict(DONE)]).run(task_vars={})
    assert result["invocation"]["module_args"] == {"src": "fix.ko"}


@pytest.mark.parametrize("given", [
    {"offer": {"kind": "host", "builds": []}, "operator": {"user": "mallory"}}, {"fresh": "no"}, {"other": 1}, "fresh",
    1, None])
def test_what_a_playbook_puts_there_is_dropped(action, given):
    module = action({"src": "fix.ko", "via_controller": given}, [dict(DONE)])
    assert module.run(task_vars={})["changed"] is True
    assert told(module, 0) == {
        "offer": {"kind": "file", "builds": [DESCRIPTION], "delivered": {}, "enclosed": None}, "operator": OPERATOR}


@pytest.mark.parametrize("name", ["patch", "patch_rollback"])
def test_a_module_that_changes_a_host_gets_the_run_of_the_playbook(action, name):
    module = action({"via_controller": {"run": "r1", "operator": {"user": "mallory"}}}, [honest(name)], name=name)
    module.run(task_vars={})
    assert told(module, 0)["run"] == "r1" and told(module, 0)["operator"] == OPERATOR


def test_an_acceptance_has_both_a_new_connection_and_the_run(action):
    module = action({"src": "fix.ko", "via_controller": {"fresh": True, "run": "r1"}}, [dict(DONE)])
    module.run(task_vars={})
    assert (told(module, 0)["fresh"], told(module, 0)["run"]) == (True, "r1")


@pytest.mark.parametrize("run", ["", None, 7, ["r1"], {}])
def test_what_is_no_identifier_of_a_run_is_dropped(action, run):
    module = action({"src": "fix.ko", "via_controller": {"run": run}}, [dict(DONE)])
    module.run(task_vars={})
    assert "run" not in told(module, 0)


def test_a_module_that_only_looks_gets_no_run(action):
    module = action({"src": "fix.ko", "via_controller": {"run": "r1"}}, [honest("patch_check")], name="patch_check")
    module.run(task_vars={})
    assert list(told(module, 0)) == ["offer"]


@pytest.mark.parametrize("remote_src", [True, False])
@pytest.mark.parametrize("path", ["/srv/a\tb.ko", "/srv/\udcff.ko", "/srv/\x1b[2J.ko"])
def test_a_path_that_cannot_be_shown_is_refused_before_the_first_call(action, path, remote_src):
    module = action({"src": path, "remote_src": remote_src}, [])
    result = module.run(task_vars={})
    assert (result["code"], module._execute_module.call_count) == ("file-name-unusable", 0)
    assert result["msg"].isprintable() and "Rename the file" in result["msg"]


@pytest.mark.parametrize("options", [{"src": "fix.ko"}, {"src": "/srv/fix.ko", "remote_src": True}, {"name": "fix"}])
@pytest.mark.parametrize("needs", [
    {"file": "/etc/shadow"}, {"file": "c" * 64}, {"file": 1}, {"description": ["a"]}, {"description": "/etc/shadow"},
    {"reading": {}}, {"reading": {"path": "/srv/fix.ko", "sha256": "/etc/shadow"}}, {"other": 1}, {}, [], None,
])
def test_a_host_gets_nothing_but_what_it_was_offered(action, options, needs):
    module = action(options, [{"request": needs}])
    result = module.run(task_vars={})
    assert (result["failed"], result["code"]) == (True, "host-not-trusted")
    assert module._transfer_file.call_count == 0


@pytest.mark.parametrize("source", ["", " ", 12, ["fix.ko"], {"fix": "ko"}])
def test_a_source_that_is_no_path_is_refused(action, source):
    module = action({"src": source}, [])
    result = module.run(task_vars={})
    assert (result["failed"], result["code"]) == (True, "bad-option")
    assert "Set it to the path" in result["msg"]


def test_a_name_alone_offers_nothing(action):
    module = action({"name": "fix", "state": "absent"}, [dict(DONE)])
    module.run(task_vars={})
    assert sent(module, 0) == {
        "name": "fix", "state": "absent", "via_controller": {"offer": None, "operator": OPERATOR}}


def test_an_unreadable_file_is_one_error_and_no_call(action, tmp_path):
    cache = ScriptedCache(tmp_path)
    cache.describe_checked = mock.Mock(side_effect=PatchFileError("not-elf", "is no ELF file", "fix.ko"))
    module = action({"src": "fix.ko"}, [], cache)
    result = module.run(task_vars={})
    assert result["failed"] is True
    assert (result["code"], result["msg"]) == ("not-elf", "fix.ko is no ELF file.")


def test_a_host_that_never_has_enough_is_given_up(action):
    module = action({"src": "fix.ko"}, [{"request": {"description": "a" * 64}}] * 4)
    assert module.run(task_vars={})["code"] == "host-not-trusted"


def test_a_missing_file_says_so(action):
    module = action({"src": "fix.ko"}, [])
    module._find_needle = mock.Mock(side_effect=AnsibleError("Could not find or access 'fix.ko'"))
    result = module.run(task_vars={})
    assert result["code"] == "no-such-file"
    assert result["msg"] == (
        f"src fix.ko is not on the controller, neither beside the playbook, nor in a directory files/, nor in "
        f"{Path.cwd()}. Correct src, or set remote_src for a file on the host.")


def test_a_missing_file_with_its_whole_path_was_looked_for_there_only(action):
    module = action({"src": "/no/such/fix.ko"}, [])
    module._find_needle = mock.Mock(side_effect=AnsibleError("Could not find or access '/no/such/fix.ko'"))
    assert module.run(task_vars={})["msg"].startswith("src /no/such/fix.ko is not on the controller. Correct src")


def test_a_file_that_only_the_directory_has_that_ansible_was_started_in(action, tmp_path, monkeypatch):
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches" / "fix.ko").write_bytes(b"ELF")
    monkeypatch.chdir(tmp_path)
    module = action({"src": "patches/fix.ko"}, [dict(DONE)])
    module._find_needle = mock.Mock(side_effect=AnsibleError("not found"))
    assert module.run(task_vars={})["changed"] is True
    assert told(module, 0)["offer"]["builds"] == [DESCRIPTION]


@pytest.mark.parametrize("src", ["fi\udcff.ko", "fix\n.ko", "\x1b[2J", "\ud800", "fix\0.ko"])
def test_a_src_that_cannot_be_shown_is_refused_before_it_is_looked_for(action, src):
    module = action({"src": src}, [])
    result = module.run(task_vars={})
    assert (result["failed"], result["code"]) == (True, "file-name-unusable")
    assert result["msg"].isprintable()
    assert module._execute_module.call_count == 0


def test_a_bundle_with_a_name_that_is_not_utf_8_is_refused_with_the_name_escaped(action, tmp_path):
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches" / "fi\udcff\udce9x.ko").write_bytes(b"ELF")
    result = action({"src": "patches"}, []).run(task_vars={})
    assert (result["failed"], result["code"]) == (True, "file-name-unusable")
    assert f"{tmp_path}/patches/fi\\xff\\xe9x.ko has a character in its path" in result["msg"]


def finding(code):
    return {"code": code, "level": "note", "subject": "fix", "message": f"About {code}."}


A, B = finding("a"), finding("b")
PATCH = dict(honest("patch")["patch"], name="fix")
BEFORE = dict(honest("patch")["baseline"], taints=0)
ENABLED = honest(
    "patch", changed=True, request={"fresh": "fix"}, transaction="T1", findings=[A], blockers=[],
    patch=dict(PATCH, previous_state="absent", state="enabled", replaces=["old"], transition_seconds=1.5),
    diff={"before": "no live patch\n", "after": "fix: enabled\n"}, baseline=BEFORE)
ACCEPTED = honest(
    "patch", changed=True, transaction="T2", findings=[A, B], blockers=[],
    patch=dict(PATCH, previous_state="enabled", state="accepted", replaces=[], transition_seconds=None),
    diff={"before": "fix: enabled\n", "after": "fix: enabled\n"}, baseline=dict(BEFORE, taints=4096))


def test_what_is_to_be_accepted_is_asked_for_again_over_a_new_connection(action):
    module = action({"src": "fix.ko", "state": "accepted"}, [ENABLED, ACCEPTED])
    calls = mock.Mock()
    calls.attach_mock(module._execute_module, "module")
    calls.attach_mock(module._connection.reset, "reset")
    result = module.run(task_vars={})
    assert [name for name, _words, _options in calls.mock_calls] == ["module", "reset", "module"]
    assert ["fresh" in told(module, call) for call in (0, 1)] == [False, True]
    assert result["patch"] == dict(
        PATCH, previous_state="absent", state="accepted", replaces=["old"], transition_seconds=1.5)
    assert (result["changed"], result["transaction"], result["findings"]) == (True, "T1", [A, B])
    assert result["diff"] == {"before": "no live patch\n", "after": "fix: enabled\n"}
    assert ("request" in result, result["baseline"]) == (False, BEFORE)


def test_a_host_that_is_not_reached_any_more_is_unreachable(action):
    module = action({"src": "fix.ko", "state": "accepted"}, [ENABLED, AnsibleConnectionFailure("no route")])
    with pytest.raises(AnsibleConnectionFailure):
        module.run(task_vars={})


def test_an_acceptance_that_fails_has_changed_what_the_load_changed(action):
    refused = failed(code="task-left-behind", msg="Tasks.", findings=[B])
    result = action({"src": "fix.ko", "state": "accepted"}, [ENABLED, refused]).run(task_vars={})
    assert (result["failed"], result["changed"], result["findings"]) == (True, True, [A, B])
    assert result["baseline"] == BEFORE


@pytest.mark.parametrize("answer", [{}, {"changed": True}, [], None, dict(ACCEPTED, patch=None)])
def test_an_acceptance_that_makes_no_sense_keeps_what_the_load_told(action, answer):
    result = action({"src": "fix.ko", "state": "accepted"}, [ENABLED, answer]).run(task_vars={})
    assert (result["failed"], result["code"], result["changed"]) == (True, "malformed-result", True)
    assert (result["transaction"], result["patch"]["state"], result["baseline"]) == ("T1", "enabled", BEFORE)


def test_an_acceptance_does_not_send_the_file_again(action):
    module = action(
        {"src": "fix.ko", "state": "accepted"}, [{"request": {"file": "a" * 64}}, ENABLED, ACCEPTED])
    module.run(task_vars={})
    assert ["image" in told(module, call) for call in range(3)] == [False, True, False]
    assert told(module, 2)["offer"]["enclosed"] is None


def test_a_host_that_wants_one_new_connection_after_the_other_is_not_trusted(action):
    result = action({"src": "fix.ko", "state": "accepted"}, [ENABLED] * 9).run(task_vars={})
    assert result["code"] == "host-not-trusted"


def test_a_connection_that_lasts_no_longer_than_a_call_is_only_closed():
    class Plain(ConnectionBase):
        closed = False

        def close(self):
            self.closed = True

        transport = _connect = exec_command = put_file = fetch_file = None

    connection = Plain.__new__(Plain)
    reset_connection(connection)
    assert connection.closed


# Signatures

@pytest.mark.parametrize("name", ["patch", "patch_check"])
def test_the_keyring_is_for_this_half_alone(action, name, tmp_path, monkeypatch):
    keyring, seen = tmp_path / "keys.gpg", []
    keyring.write_bytes(b"keys")
    monkeypatch.setattr(bundle_module, "signed_files", lambda path, _cache, keys: seen.append((path.name, keys)) or [])
    module = action({"src": "fix.ko", "require_signature": str(keyring)}, [honest(name)], name=name)
    assert not module.run(task_vars={}).get("failed")
    assert seen == [("fix.ko", b"keys")]
    assert "require_signature" not in sent(module, 0)


def test_a_file_of_a_host_cannot_be_signed(action, tmp_path):
    keyring = tmp_path / "keys.gpg"
    keyring.write_bytes(b"keys")
    module = action({"src": "/x/fix.ko", "remote_src": True, "require_signature": str(keyring)}, [])
    result = module.run(task_vars={})
    assert (result["code"], "No file of a host is signed" in result["msg"]) == ("bad-option", True)


def test_an_unsigned_file_is_refused_before_the_host_is_asked(action, tmp_path):
    keyring = tmp_path / "keys.gpg"
    keyring.write_bytes(b"keys")
    module = action({"src": "fix.ko", "require_signature": str(keyring)}, [])
    result = module.run(task_vars={})
    assert (result["code"], module._execute_module.call_count) == ("bundle-unsigned", 0)
