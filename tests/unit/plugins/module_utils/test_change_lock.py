# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change at a time, by processes of their own: a lock between descriptors of one process would prove little."""

import os
import signal
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._lock import change_lock
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulated_patch import SimulatedPatch


class Holder:
    """A process of its own that holds the lock until it is killed."""

    def __init__(self, host):
        ready, tell = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            try:
                with change_lock(host):
                    os.write(tell, b"x")
                    signal.pause()
            finally:
                os._exit(1)  # never back into the tests
        os.close(tell)
        assert os.read(ready, 1) == b"x"
        os.close(ready)

    def kill(self):
        """End the process without a chance to clean up; a second time is harmless."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        self._process = None


@pytest.fixture
def holder(kernel):
    """Another process that holds the lock."""
    process = Holder(kernel)
    yield process
    process.kill()


def test_a_second_change_is_refused_at_once(kernel, holder):
    with pytest.raises(LivepatchError) as caught, change_lock(kernel):
        raise AssertionError("two processes hold the lock")
    assert caught.value.code == "host-busy"
    assert kernel.now() == 0


def test_the_lock_dies_with_its_holder(kernel, holder):
    holder.kill()
    with change_lock(kernel):
        pass


def test_it_is_free_after_a_change_that_failed(kernel):
    with pytest.raises(ZeroDivisionError), change_lock(kernel):
        raise ZeroDivisionError
    with change_lock(kernel):
        pass


def test_the_lock_is_private_and_no_link_is_followed(kernel, tmp_path):
    with change_lock(kernel):
        pass
    lock = kernel.path("/run/kernel-livepatch/lock")
    assert stat.S_IMODE(os.stat(lock).st_mode) == 0o600
    os.unlink(lock)
    os.symlink(str(tmp_path / "elsewhere"), lock)
    with pytest.raises(OSError), change_lock(kernel):
        raise AssertionError("a link was followed")
    assert not (tmp_path / "elsewhere").exists()


def test_a_busy_host_is_not_changed(kernel, interface, bring, holder):
    with pytest.raises(LivepatchError) as caught:
        bring(SimulatedPatch())
    assert caught.value.code == "host-busy"
    assert (interface.state("fix"), kernel.loads) == ("absent", [])


def test_a_busy_host_can_be_asked_what_would_change(bring, holder):
    assert bring(SimulatedPatch(), check_mode=True)["changed"] is True
