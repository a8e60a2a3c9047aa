# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change at a time, by processes of their own: a lock between descriptors of one process would prove little."""

import fcntl
import json
import os
import shutil
import signal
import stat
import tempfile

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import (
    STOPPED_SECONDS,
    STUCK_SECONDS,
    change_lock,
    running_change,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import PID
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

LOCK = "/run/kernel-livepatch/lock"
WHO = {"controller_user": "alice", "controller_node": "control1", "user": "deploy", "address": "192.0.2.7"}
CHANGE = {"transaction": "20261121T091653.250000Z-9f3c2a1b", "since": "2026-11-21T09:16:53Z", "who": WHO}
OTHER = dict(CHANGE, transaction="20261121T101653.250000Z-00000000")


class Holder:
    """A process of its own that does `hold`, a context, until it is killed."""

    def __init__(self, hold):
        ready, tell = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            try:
                with hold():
                    os.write(tell, b"x")
                    signal.pause()
            finally:
                os._exit(1)  # never back into the tests
        os.close(tell)
        assert os.read(ready, 1) == b"x"
        os.close(ready)

    @property
    def pid(self):
        return self._process

    def kill(self):
        """End the process without a chance to clean up; a second time is harmless."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        self._process = None


@pytest.fixture
def holder(kernel):
    """Another process that holds the lock, and is PID on the simulated kernel."""
    process = Holder(lambda: change_lock(kernel, CHANGE))
    yield process
    process.kill()


def gone(kernel):
    """The simulated kernel's process PID has ended."""
    os.unlink(kernel.path(f"/proc/{PID}/stat"))


def busy(kernel):
    with pytest.raises(LivepatchError) as caught, change_lock(kernel, OTHER):
        raise AssertionError("two processes hold the lock")
    assert caught.value.code == "host-busy"
    return caught.value


def test_a_second_change_is_refused_at_once_and_told_by_whom(kernel, holder):
    error = busy(kernel)
    assert error.message == (
        "This host is being changed by alice@control1 since 2026-11-21T09:16:53Z (transaction "
        f"20261121T091653.250000Z-9f3c2a1b, pid {PID}). Wait until this change has ended.")
    assert error.details == {"holder": dict(CHANGE, pid=PID)}
    assert kernel.now() == 0


def test_the_lock_dies_with_its_holder(kernel, holder):
    holder.kill()
    with change_lock(kernel, OTHER):
        assert running_change(kernel) == dict(OTHER, pid=PID)
    assert running_change(kernel) is None


def test_who_holds_it_can_be_seen_without_being_in_the_way(kernel, holder):
    assert running_change(kernel) == dict(CHANGE, pid=PID)
    holder.kill()
    descriptor = os.open(kernel.path(LOCK), os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def a_process_that_starts_now(kernel):
    text = kernel.read(f"/proc/{PID}/stat")
    kernel.put(f"/proc/{PID}/stat", text.replace(" 12345 ", " 12346 "))


def a_zombie(kernel):
    text = kernel.read(f"/proc/{PID}/stat")
    assert ") S 1 0" in text
    kernel.put(f"/proc/{PID}/stat", text.replace(") S 1 0", ") Z 1 0"))


@pytest.mark.parametrize("fate", [gone, a_process_that_starts_now, a_zombie])
def test_what_a_killed_holder_has_left_is_not_told(kernel, holder, fate):
    holder.kill()
    fate(kernel)
    assert "alice" in kernel.read(LOCK)
    assert running_change(kernel) is None


def test_who_has_not_yet_said_so_is_not_mistaken_for_who_was_killed(kernel, holder):
    holder.kill()
    gone(kernel)

    def hold():
        fcntl.flock(os.open(kernel.path(LOCK), os.O_RDWR), fcntl.LOCK_EX)
        return open(os.devnull, encoding="utf-8")

    silent = Holder(hold)
    error = busy(kernel)
    silent.kill()
    assert error.message == (
        "This host is being changed by another run of this collection. Wait until this change has ended.")
    assert error.details == {"holder": None}


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", "1", '"x"', "{}", '{"pid": 4711}', '{"pid": 4711, "started": 12345}',
    '{"pid": 4711, "started": 12345, "who": null}', '{"pid": 4711, "started": 12345, "who": {}}',
    '{"pid": null, "started": null, "who": {}, "transaction": "x", "since": "x"}', b"\xff\xfe\x00",
])
def test_half_a_text_tells_nothing(kernel, text):
    kernel.put(LOCK, text)
    assert running_change(kernel) is None


def test_a_user_who_may_not_see_it_is_told_nothing(kernel, holder):
    kernel.forbidden = ("/run/kernel-livepatch",)
    assert running_change(kernel) is None


def test_a_lock_that_can_say_nothing_holds_all_the_same(kernel, monkeypatch):
    def pwrite(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", pwrite)
    with change_lock(kernel, CHANGE):
        descriptor = os.open(kernel.path(LOCK), os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)


def test_it_is_free_and_empty_after_a_change_that_failed(kernel):
    with pytest.raises(ZeroDivisionError), change_lock(kernel, CHANGE):
        assert json.loads(kernel.read(LOCK))["who"] == WHO
        raise ZeroDivisionError
    assert kernel.read(LOCK) == ""
    with change_lock(kernel, CHANGE):
        pass


def test_the_lock_is_private_and_no_link_is_followed(kernel, tmp_path):
    with change_lock(kernel, CHANGE):
        pass
    lock = kernel.path(LOCK)
    assert stat.S_IMODE(os.stat(lock).st_mode) == 0o600
    os.unlink(lock)
    os.symlink(str(tmp_path / "elsewhere"), lock)
    with pytest.raises(LivepatchError) as caught, change_lock(kernel, OTHER):
        raise AssertionError("a link was followed")
    assert caught.value.code == "lock-unusable"
    assert not (tmp_path / "elsewhere").exists()


def test_a_busy_host_is_not_changed(kernel, interface, apply, holder):
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch())
    assert caught.value.code == "host-busy"
    assert caught.value.details["holder"]["who"] == WHO
    assert (interface.state("fix"), kernel.loads) == ("absent", [])
    assert not kernel.exists("/var/lib/kernel-livepatch")


def test_a_transition_that_another_run_waits_for_is_told_as_that_run(kernel, apply):
    kernel.hold(7)
    apply(SimulatedPatch("other"), on_stall="wait")
    process = Holder(lambda: change_lock(kernel, CHANGE))
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch())
    with pytest.raises(LivepatchError) as forecast:
        apply(SimulatedPatch(), check_mode=True)
    process.kill()
    gone(kernel)
    with pytest.raises(LivepatchError) as left:
        apply(SimulatedPatch())
    assert [each.value.code for each in (caught, forecast, left)] == [
        "host-busy", "transition-running", "transition-running"]


def test_a_busy_host_can_be_asked_what_would_change(apply, holder):
    assert apply(SimulatedPatch(), check_mode=True)["changed"] is True


class RealProcesses(Host):
    """A host whose processes and locks are this machine's, with a clock that only moves in sleep()."""

    clock = 0.0

    def now(self):
        return self.clock

    def sleep(self, seconds):
        self.clock += seconds


@pytest.fixture
def real(tmp_path):
    """In memory where there is one, as /run is: /proc/locks has other numbers for some file systems."""
    top = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else str(tmp_path))
    os.symlink("/proc", f"{top}/proc")
    os.mkdir(f"{top}/run")
    yield RealProcesses(top)
    shutil.rmtree(top)


@pytest.mark.parametrize("record", [True, False])
def test_a_process_that_is_really_stopped_is_seen_with_and_without_a_record(real, record):
    def hold():
        if record:
            return change_lock(real, CHANGE)
        os.makedirs(real.path("/run/kernel-livepatch"), mode=0o700)
        fcntl.flock(os.open(real.path(LOCK), os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
        return open(os.devnull, encoding="utf-8")
    process = Holder(hold)
    try:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        with change_lock(real, OTHER, going_back=True) as why:
            assert why == f"process {process.pid} holds it and is stopped"
        assert STOPPED_SECONDS <= real.now() < STUCK_SECONDS
        assert busy(real).details["holder"] == (dict(CHANGE, pid=process.pid) if record else None)
        os.kill(process.pid, signal.SIGCONT)
    finally:
        process.kill()
    with change_lock(real, OTHER, going_back=True) as why:
        assert why is None
