# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs: real processes, which get nothing of this one."""

import errno
import os
import sys
from contextlib import suppress

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import process_identity
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# Prints who and where it is, and what it has been given.
SELF = """
import os, sys
print(sorted(os.environ.items()), os.getcwd(), os.getsid(0) == os.getpid(), repr(sys.stdin.read()), sys.argv[1:])
print(sorted(int(number) for number in os.listdir("/proc/self/fd"))[:3], file=sys.stderr)
sys.exit(3)
"""


def python(source, *argv):
    return [sys.executable, "-I", "-S", "-c", source, *argv]


def test_a_command_has_a_clean_environment_and_tells_all_it_says(monkeypatch):
    monkeypatch.setenv("LD_PRELOAD_OF_SOMEBODY", "x")
    status, said = Host().run(python(SELF, "$HOME; echo *"), 30)
    assert status == 3
    environment = "[('LC_ALL', 'C'), ('PATH', '/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin')]"
    assert sorted(said.split("\n")) == sorted([f"{environment} / True '' ['$HOME; echo *']", "[0, 1, 2]"])


def test_a_command_that_is_not_there_raises():
    with pytest.raises(FileNotFoundError):
        Host().run(["/nowhere/systemctl"], 30)
    with pytest.raises(FileNotFoundError):
        Host().spawn(["/nowhere/python"])


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path):
    pids = tmp_path / "pids"
    source = ("import os, sys, time\n"
              "child = os.fork()\n"
              "open(sys.argv[1], 'a').write('%d\\n' % os.getpid())\n"
              "time.sleep(60)\n")
    with pytest.raises(LivepatchError, match="longer than 1 s") as raised:
        Host().run(python(source, str(pids)), 1)
    assert raised.value.code == "command-timed-out"
    numbers = pids.read_text().split()
    assert len(numbers) == 2
    assert poll_until(Host(), lambda: not any(process_identity(Host(), number) for number in numbers), 10)


def in_child(argv):
    """What the command returns that a child runs, as the health checks of a trial are run."""
    host = Host()
    child = host.start_child(lambda: host.run(argv, 60))
    assert ended(child)
    child.close()
    assert gone(child)
    return tuple(child.value())


@pytest.fixture(params=[lambda argv: Host().run(argv, 60), in_child])
def run(request):
    return request.param


def test_a_command_has_ended_with_its_own_status_when_a_daemon_keeps_its_output(run, tmp_path):
    """As the master of a shared ssh connection does."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert run(["/bin/sh", "-c", f"echo said; setsid cat {pipe} & exit 3"]) == (3, "said")
    with open(pipe, "wb", buffering=0):  # only a living reader lets it be opened, and ends then
        pass


def test_a_job_that_a_command_leaves_behind_is_killed(run, tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(["/bin/sh", "-c", f"exec 9>{pipe}; echo said; (sleep 60; echo alive >&9) & exit 3"]) == (3, "said")
        os.set_blocking(reader, True)
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)


def test_a_started_process_has_a_session_and_no_files_of_this_one(tmp_path):
    seen_by_child = tmp_path / "told"
    source = ("import os, sys\n"
              "files = {os.readlink('/proc/self/fd/%d' % number) for number in range(3)}\n"
              "open(sys.argv[1] + '.new', 'w').write(repr((\n"
              "    os.getsid(0) == os.getpid(), os.getcwd(), sorted(os.environ), files)))\n"
              "os.rename(sys.argv[1] + '.new', sys.argv[1])\n")
    pid = Host().spawn(python(source, str(seen_by_child)))
    assert poll_until(Host(), seen_by_child.exists, 30)
    assert seen_by_child.read_text() == repr((True, "/", ["LC_ALL", "PATH"], {"/dev/null"}))
    with suppress(ChildProcessError):  # subprocess waits for it when another of this process begins
        os.waitpid(pid, 0)


def test_a_process_is_told_from_a_later_one_of_the_same_number(kernel):
    before = process_identity(kernel, 4711)
    assert before == process_identity(kernel, "self") == {"pid": 4711, "started": 12345}
    kernel.put("/proc/4711/stat", kernel.read("/proc/4711/stat").replace(" 12345 ", " 12346 "))
    assert process_identity(kernel, 4711) == {"pid": 4711, "started": 12346}
    kernel.put("/proc/4711/stat", kernel.read("/proc/4711/stat").replace("3) S ", "3) Z "))
    assert process_identity(kernel, 4711) == process_identity(kernel, 4712) == {}


# Children

def ended(child):
    return poll_until(Host(), child.poll, 60)


def gone(child):
    return poll_until(Host(), child.reap, 60)


def test_a_child_gives_the_value_of_its_function_and_leaves_nothing():
    before = len(os.listdir("/proc/self/fd"))
    child = Host().start_child(lambda: {"pid": os.getpid(), "group": os.getpgid(0)})
    assert ended(child)
    assert child.value() == {"pid": child.pid, "group": child.pid}
    child.close()
    assert gone(child)
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_child_holds_no_file_of_its_parent(tmp_path):
    """An event of perf stays armed, and the kernel's log stays open, as long as any process has them open."""
    (tmp_path / "event").touch()
    with open(tmp_path / "event", "rb") as event:
        inside = Host().start_child(lambda: os.listdir("/proc/self/fd"))
        files = Host().start_child(lambda: [
            os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{name}")])
        assert ended(inside) and ended(files)
        # Three standard files, the pipe of the value, and the directory that is listed.
        assert len(inside.value()) == 5 and event.name not in files.value()
    for child in (inside, files):
        child.close()
        assert gone(child)


def test_a_child_that_cannot_be_started_leaves_no_file_open(monkeypatch):
    def refuse():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "fork", refuse)
    for _time in range(3):
        with pytest.raises(BlockingIOError):
            Host().start_child(dict)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("function", [lambda: 1 / 0, lambda: sys.exit(0), object, lambda: os._exit(3)])
def test_a_child_that_fails_has_no_value_and_says_nothing(capfd, function):
    child = Host().start_child(function)
    assert ended(child) and child.value() is None
    child.close()
    assert gone(child)
    assert capfd.readouterr() == ("", "")


def test_a_child_is_killed_with_the_commands_that_it_runs(tmp_path):
    """The command's own child writes into the pipe if it lives on; the pipe ends when all of them are gone."""
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    host = Host()
    child = host.start_child(lambda: host.run(
        ["/bin/sh", "-c", f"exec >{pipe}; echo begun; (sleep 60; echo alive) & sleep 60"], 600))
    os.set_blocking(reader, True)
    while not os.read(reader, 100):  # the other end is not open yet
        pass
    assert child.poll() is False
    child.kill()
    assert gone(child)
    assert os.read(reader, 100) == b""
    os.close(reader)
    assert host.run(["/bin/sh", "-c", "exit 3"], 60) == (3, "")  # this process still gives commands their own session


def test_a_child_whose_parent_does_not_kill_it_ends_by_itself_with_its_group(tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    host = Host()
    child = host.start_child(lambda: host.run(["/bin/sh", "-c", f"exec >{pipe}; (sleep 60; echo alive) & sleep 60"], 3))
    assert ended(child) and child.value() is None
    child.close()
    assert gone(child)
    os.set_blocking(reader, True)
    assert os.read(reader, 100) == b""  # whoever could write is gone
    os.close(reader)


def test_a_child_is_waited_for_no_longer_than_it_runs_nor_than_was_asked():
    host = Host()
    child = host.start_child(lambda: "done")
    while not child.poll():
        host.wait_readable([child], 60)
    assert child.value() == "done"
    child.close()
    gone(child)
    host.wait_readable([], 0.001)
