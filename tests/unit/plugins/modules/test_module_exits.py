# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every module ends: with its result, with what it needs, or with one error."""

import base64
import errno
import json
import os
import zlib

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs import ansible_module
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()


@pytest.fixture
def delivered(tmp_path):
    """An offer of the fix with its image in place."""
    path = tmp_path / "fix.ko"
    path.write_bytes(FIX.image)
    return FIX.offer(str(path))


def test_a_result(kernel, run, delivered):
    code, result = run("patch", src="fix.ko", offer=delivered)
    assert code == 0
    assert sorted(result) == [
        "baseline", "blockers", "changed", "diff", "findings", "patch", "transaction", "watch"]
    assert (result["changed"], result["patch"]["state"]) == (True, "enabled")
    assert run("patch", src="fix.ko", offer=delivered)[1]["changed"] is False


def test_an_image_can_be_in_the_arguments(kernel, run, monkeypatch):
    logged = []
    monkeypatch.setattr("ansible.module_utils.basic.AnsibleModule.log", lambda *more, **named: logged.append(str(more)))
    image = base64.b64encode(zlib.compress(FIX.image)).decode()
    code, result = run("patch", src="fix.ko", offer=dict(FIX.offer(), enclosed=FIX.sha256), image=image)
    assert (code, result["patch"]["state"], kernel.loads) == (0, "enabled", [("fix", "")])
    assert logged and not [line for line in logged if image in line]


def test_an_image_of_another_build_is_not_loaded(kernel, run):
    image = base64.b64encode(zlib.compress(FIX.image + b"x")).decode()
    code, result = run("patch", src="fix.ko", offer=dict(FIX.offer(), enclosed=FIX.sha256), image=image)
    assert (code, result["code"], kernel.loads) == (1, "digest-mismatch", [])


def test_a_need(kernel, run):
    assert run("patch", src="fix.ko", offer=FIX.offer()) == (0, {"changed": False, "request": {"file": FIX.sha256}})


class Ended(Exception):
    """How a module ended: its method, and the result."""


class SimulatedModule:
    """Ends like AnsibleModule, with an exception instead of the process."""

    def exit_json(self, **result):
        raise Ended("exit", result)

    def fail_json(self, **result):
        raise Ended("fail", result)


@pytest.mark.parametrize("hostile, how, shown", [
    ({"names": ["fi\udcff.ko", {"\ud800": ("a\udce9",)}], "number": 1}, "exit",
     {"names": ["fi?.ko", {"?": ["a?"]}], "number": 1}),
    (ControllerRequest(reading={"path": "/fi\udcff.ko"}), "exit",
     {"changed": False, "request": {"reading": {"path": "/fi?.ko"}}}),
    (LivepatchError("bad-name", "fi\udcff is wrong.", names=["\udcff"]), "fail",
     {"msg": "fi? is wrong.", "code": "bad-name", "names": ["?"]}),
])
def test_bytes_of_a_name_on_the_disk_that_are_not_utf_8_end_no_module(hostile, how, shown):
    def job(_host):
        if isinstance(hostile, Exception):
            raise hostile
        return hostile

    with pytest.raises(Ended) as ended:
        ansible_module.run_job(SimulatedModule(), job)
    assert ended.value.args == (how, shown)
    json.dumps(shown).encode("ascii")


def test_an_error_with_its_details(kernel, run):
    kernel.put("/proc/sys/kernel/osrelease", "6.1.0-57-amd64\n")
    code, result = run("patch", src="fix.ko", offer=FIX.offer())
    assert (code, result["failed"], result["code"]) == (1, True, "wrong-release")
    assert result["msg"] == (
        "fix.ko is built for kernel 6.1.0-56-amd64 and this host runs 6.1.0-57-amd64. Use a build for "
        "6.1.0-57-amd64: a kernel can load the wrong one and crash.")
    assert [found["code"] for found in result["findings"]] == ["wrong-release"]
    assert result["patch"]["state"] == "absent"
    assert "exception" not in result


@pytest.mark.parametrize("error, sentence", [
    (OSError(errno.EIO, "Input/output error", "/proc/x"), "/proc/x: Input/output error (EIO (5))."),
    (OSError(errno.EIO, "Input/output error"), "from the operating system: Input/output error (EIO (5))."),
    (OSError("said nothing more"), "from the operating system: said nothing more."),
])
@pytest.mark.parametrize("module, options", [
    ("patch", {"name": "fix", "state": "absent"}), ("patch_check", {"src": "fix.ko", "offer": FIX.offer()}),
    ("patch_info", {}), ("patch_verify", {}),
    ("patch_rollback", {"to": "original"}), ("patch_watch", {"name": "fix"})])
def test_what_a_host_should_not_refuse(kernel, run, module, options, error, sentence):
    def read_bytes(_path):
        raise error

    kernel.read_bytes = read_bytes
    code, result = run(module, **options)
    assert (code, result["failed"], result["code"]) == (1, True, "os-error")
    assert result["msg"].endswith(sentence)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_check_that_finds_a_blocker_returns_everything_with_the_error(kernel, run, check_mode):
    kernel.put("/proc/sys/kernel/osrelease", "6.1.0-57-amd64\n")
    code, result = run("patch_check", check_mode=check_mode, src="fix.ko", offer=FIX.offer())
    assert (code, result["failed"], result["code"], result["compatible"]) == (1, True, "wrong-release", False)
    code, report = run("patch_check", check_mode=check_mode, src="fix.ko", offer=FIX.offer(), report_only=True)
    assert (code, sorted(report)) == (0, [
        "arch", "changed", "compatible", "findings", "forecast", "has_file", "hook", "kernel_build_id", "patch",
        "trial"])
    assert [report[key] == result[key] for key in report] == [True] * len(report)
    assert (report["changed"], kernel.loads, kernel.writes) == (False, [], [])


def test_check_mode_reaches_the_job(kernel, run, delivered):
    code, result = run("patch", check_mode=True, src="fix.ko", offer=delivered)
    assert (code, result["changed"], kernel.loads) == (0, True, [])
    run("patch", src="fix.ko", offer=delivered)
    code, result = run("patch_rollback", check_mode=True, to="original")
    assert (code, result["changed"], os.listdir(kernel.path("/sys/module"))) == (0, True, ["fix"])


def test_what_the_other_modules_return(kernel, run, delivered):
    run("patch", src="fix.ko", offer=delivered)
    assert sorted(run("patch_info")[1]["livepatch"]) == [
        "accepted", "boot", "changing", "coverage", "drift", "failed_watch", "hook", "interface", "journal",
        "journal_unreadable", "kept",
        "kernel", "lease", "leftovers", "other_tools", "patches", "quarantined", "transition", "trial"]
    verified = run("patch_verify")[1]
    assert sorted(verified) == ["builds", "changed", "findings", "functions", "patches", "verified"]
    assert (verified["verified"], verified["patches"]) == (True, ["fix"])
    result = run("patch_rollback", to="original")[1]
    assert sorted(result) == [
        "blockers", "builds", "changed", "diff", "findings", "removed", "restored", "target", "transaction"]
    code, failed = run("patch_verify")
    assert (code, failed["code"], failed["verified"]) == (1, "nothing-enabled", False)


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_watched_fails_with_everything_or_only_tells_it(kernel, run, delivered, check_mode):
    known = run("patch", src="fix.ko", offer=delivered)[1]["baseline"]
    code, result = run("patch_watch", check_mode=check_mode, name="fix", baseline=known)
    assert (code, result["changed"], result["well"], result["state"]) == (0, False, True, "enabled")
    kernel.say("BUG: sleeping function called from invalid context", priority=3)
    code, failed = run("patch_watch", check_mode=check_mode, name="fix", baseline=known)
    assert (code, failed["code"], failed["well"]) == (1, "kernel-warning", False)
    code, told = run("patch_watch", check_mode=check_mode, name="fix", baseline=known, report_only=True)
    assert (code, told) == (0, {key: failed[key] for key in told})
    code, failed = run("patch_watch", name="fix", health_checks=[{"tasks": "mine.yml"}])
    assert (code, failed["code"]) == (1, "bad-option")


@pytest.mark.parametrize("plugin, options", [
    ("patch", {}), ("patch", {"check_mode": True}), ("patch_check", {}), ("patch_check", {"report_only": True}),
])
def test_a_host_without_a_build_does_not_pass_for_patched(kernel, run, plugin, options):
    offer = dict(SimulatedPatch(release="5.10.0").offer(), kind="bundle")
    code, result = run(plugin, src="patches", offer=offer, **options)
    assert (code, result["patch"]["state"], result["changed"]) == (0, "no_build", False)
    assert [(found["code"], found["message"][:26]) for found in result["findings"]] == [
        ("no-build", "The bundle has no build of")]
    assert run.warned == []  # the controller does it: it drops the warnings of hosts


def test_a_host_with_a_build_is_warned_about_nothing(kernel, run, delivered):
    assert run("patch", src="fix.ko", offer=delivered)[1]["patch"]["state"] == "enabled"
    assert run.warned == []
