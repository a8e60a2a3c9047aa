# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the file of a patch comes to a host that follows a script, and how a file of the host is read."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.action.scripted_host import (
    DESCRIPTION,
    DONE,
    CacheOfLargeImages,
    ScriptedCache,
    told,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import honest


def test_the_file_is_in_the_next_call_when_the_host_requests_it(action):
    module = action({"src": "fix.ko"}, [{"request": {"file": "a" * 64}}, dict(DONE)])
    assert module.run(task_vars={})["changed"] is True
    assert "image" not in told(module, 0)
    assert (told(module, 1)["image"], told(module, 1)["offer"]["enclosed"]) == ("RUxG", "a" * 64)
    module._transfer_file.assert_not_called()
    module._make_tmp_path.assert_not_called()


def test_a_large_file_is_sent_by_a_transfer_when_the_host_requests_it(action, tmp_path):
    module = action(
        {"src": "fix.ko"}, [{"request": {"file": "a" * 64}}, dict(DONE)], CacheOfLargeImages(tmp_path))
    assert module.run(task_vars={})["changed"] is True
    module._transfer_file.assert_called_once_with(str(tmp_path / "image"), f"/root/tmp/{'a' * 64}.ko")
    assert told(module, 1)["offer"]["delivered"] == {"a" * 64: f"/root/tmp/{'a' * 64}.ko"}


def checked(**more):
    """The variables of a host with the result of an earlier check in the same run."""
    return {"checked": dict(honest("patch_check"), **{"patch": {"sha256": "a" * 64}, "has_file": False, **more})}


def test_the_file_is_in_the_first_call_after_a_check_of_a_host_without_it(action):
    module = action({"src": "fix.ko", "via_controller": {"checked": "checked"}}, [dict(DONE)])
    assert module.run(task_vars=checked())["changed"] is True
    assert (told(module, 0)["image"], told(module, 0)["offer"]["enclosed"]) == ("RUxG", "a" * 64)


def test_a_large_file_is_sent_at_once_after_a_check_of_a_host_without_it(action, tmp_path):
    cache = CacheOfLargeImages(tmp_path)
    module = action({"src": "fix.ko", "via_controller": {"checked": "checked"}}, [dict(DONE)], cache)
    assert module.run(task_vars=checked())["changed"] is True
    module._transfer_file.assert_called_once_with(str(tmp_path / "image"), f"/root/tmp/{'a' * 64}.ko")
    assert told(module, 0)["offer"]["delivered"] == {"a" * 64: f"/root/tmp/{'a' * 64}.ko"}


@pytest.mark.parametrize("task_vars", [
    {}, {"checked": None}, {"checked": "text"}, {"checked": {}}, checked(has_file=True), checked(has_file="no"),
    checked(has_file=0), checked(patch=None), checked(patch={"sha256": "b" * 64}), checked(patch={"sha256": ["a"]}),
    checked(patch={"sha256": {}}), {"other": checked()["checked"]}], ids=str)
def test_no_file_is_sent_at_once_without_such_a_check(action, task_vars):
    """The host requests it if it needs it."""
    module = action({"src": "fix.ko", "via_controller": {"checked": "checked"}}, [dict(DONE)])
    module.run(task_vars=task_vars)
    assert "image" not in told(module, 0)
    assert told(module, 0)["offer"]["enclosed"] is None


def test_a_host_that_has_lost_its_file_since_the_check_requests_it(action):
    module = action(
        {"src": "fix.ko", "via_controller": {"checked": "checked"}}, [{"request": {"file": "a" * 64}}, dict(DONE)])
    module.run(task_vars=checked(has_file=True))
    assert told(module, 1)["image"] == "RUxG"


def test_a_file_on_the_host_is_not_sent(action):
    module = action({"src": "/srv/fix.ko", "remote_src": True, "via_controller": {"checked": "checked"}}, [dict(DONE)])
    module.run(task_vars=checked())
    assert "image" not in told(module, 0)


def test_a_file_of_the_host_is_read_when_it_is_new(action):
    slurped = {"content": base64.b64encode(b"ELF").decode()}
    needs = {"request": {"reading": {"path": "/srv/vendor.ko", "sha256": "a" * 64}}}
    module = action({"src": "/srv/vendor.ko", "remote_src": "yes"}, [needs, slurped, dict(DONE)])
    module.run(task_vars={})
    assert module._execute_module.call_args_list[1].kwargs["module_name"] == "ansible.legacy.slurp"
    assert told(module, 2)["offer"]["builds"] == [dict(DESCRIPTION, file="vendor.ko")]


def test_a_file_that_another_host_had_is_not_read_again(action, tmp_path):
    cache = ScriptedCache(tmp_path)
    cache.read = ["a" * 64]
    needs = {"request": {"reading": {"path": "/srv/vendor.ko", "sha256": "a" * 64}}}
    module = action({"src": "/srv/vendor.ko", "remote_src": True}, [needs, dict(DONE)], cache)
    module.run(task_vars={})
    assert module._execute_module.call_count == 2


def test_a_file_that_changes_while_it_is_read_is_refused(action):
    needs = {"request": {"reading": {"path": "/srv/vendor.ko", "sha256": "c" * 64}}}
    slurped = {"content": base64.b64encode(b"ELF").decode()}
    module = action({"src": "/srv/vendor.ko", "remote_src": True}, [needs, slurped])
    assert module.run(task_vars={})["code"] == "changed"
