# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated kernel: files below a directory, a clock that only moves in sleep(), and system calls that act on both.

It follows kernel/livepatch/core.c and transition.c of Linux 6.1 in what user space sees of them. A freed patch keeps
its directory, and then its reference, for long enough that tests meet both.
"""

import errno
import json
import os
import shutil
import stat
import struct
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import register_trial_process
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kmsg import KernelLog
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_child import (
    SimulatedChild,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_guard import (
    SimulatedGuard,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kprobes import (
    EVENTS,
    SimulatedKprobes,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
    simulated_module,
)

LIVEPATCH = "/sys/kernel/livepatch"
DYNDBG = "/proc/dynamic_debug/control"
DYNDBG_SITES = """\
init/main.c:1 [main]start =p "x"
kernel/livepatch/transition.c:300 [livepatch]klp_try =_ "y"
"""
HOOKED = "{} (1)   I  \ttramp: 0xffffffffc0a00000 (klp_ftrace_handler+0x0/0x110)\n"
# The functions that this kernel, and a module once it is loaded, has; all can be redirected.
FUNCTIONS = (
    "cmdline_proc_show", "meminfo_proc_show", "version_proc_show", "klp_enable_patch", "one", "two", "two", "other",
    *(f"function_{number}" for number in range(9)), "three [target]", "other [target]",
)
SYMBOL = "{:016x} t {}\n"
MODULES = "/lib/modules/6.1.0-56-amd64"
PID = 4711  # of the process that asks, as this kernel shows it; the name in the middle is its worst
STAT = f"{PID} (py) S 1 (3) S 1 {' '.join('0' for _field in range(17))} 12345 0\n"
START = 1795252613.25  # the wall clock at 0: 2026-11-21T09:16:53Z
SETTLE_SECONDS = 0.5
RETRY_SECONDS = 1.0
FREE_SECONDS = 0.05


class SimulatedKernel(Host):
    """A host without a kernel. Tests script it with `hold`, `at`, `say` and `plain_module`, and look at `loads`.

    `now()` starts at 0. `forbidden` are paths that this process may not read, `removal_errno` is what delete_module
    fails with. `commands` are those that were run and `spawned` those that were started, as lists of words; `answer`
    gives the status and the output of one. What ends trials is at once on its guard, and looks at the host unless
    `guard_looks` is false; it ends no trial. What is not in `owners`, as a user and a mode, is root's alone. `children`
    are those that were started; a command that raises Hang does not end by itself. With `replace_sets` it is a kernel
    as proposed: see _replaced_by. `kprobes` are its SimulatedKprobes.
    """

    def __init__(self, directory):
        super().__init__(str(directory))
        self.clock = 0.0
        self.loads = []
        self.forbidden = ()
        self.removal_errno = None
        self.replace_sets = False
        self.commands = []
        self.spawned = []
        self.answer = lambda argv: (0, "ready" if argv[-1] == "ready" else "")
        self.owners = {}
        self.writes = []
        self.children = []
        self.guard_looks = True
        self._events = []
        self._said = 0
        self._holders = {}
        self._patches = {}
        self._moving = None
        self._build_files()

    def _build_files(self):
        for directory in (LIVEPATCH, "/usr/local/sbin"):
            Path(self.path(directory)).mkdir(parents=True)
        for path, text in (
            ("/proc/sys/kernel/osrelease", "6.1.0-56-amd64"), ("/proc/sys/kernel/modules_disabled", "0"),
            ("/proc/self/status", "Name:\tpython3\nCapEff:\t000001ffffffffff\n"), ("/proc/modules", ""),
            ("/proc/self/stat", STAT), (f"/proc/{PID}/stat", STAT), ("/proc/self/patch_state", "-1"),
            ("/sys/kernel/tracing/enabled_functions", ""), ("/proc/1/task/1/patch_state", "-1"), ("/dev/kmsg", ""),
            ("/proc/1/task/1/stack", "[<0>] ep_poll+0x2a0/0x390\n"), (DYNDBG, DYNDBG_SITES),
            ("/usr/bin/python3", ""), ("/proc/cmdline", "quiet\n"),
            ("/proc/kallsyms", "".join(
                SYMBOL.format(number, line.replace(" ", "\t")) for number, line in enumerate(FUNCTIONS, start=1))),
            ("/sys/kernel/tracing/available_filter_functions", "".join(f"{line}\n" for line in FUNCTIONS)),
            ("/sys/kernel/debug/kprobes/list", ""), (f"{MODULES}/modules.dep", "kernel/target.ko:\n"),
            (f"{MODULES}/kernel/target.ko", simulated_module(
                symbols=("three", "other"), traced=(0, 1), build_id="bb" * 20, modinfo=("intree=Y",))),
        ):
            self.put(path, text)
        os.chmod(self.path("/usr/bin/python3"), 0o755)
        self.kprobes = SimulatedKprobes(self)

    # The host's seam

    def machine(self):
        return "x86_64"

    def now(self):
        return self.clock

    def wall_clock(self):
        return START + self.clock

    def user_id(self):
        return 0

    def user_name(self, uid):
        return {0: "root", 1000: "deploy"}.get(uid, str(uid))

    def sleep(self, seconds):
        """Advance the clock; what is due by then happens, in order."""
        self.clock += seconds
        while self._events and self._events[0][0] <= self.clock:
            self._events.pop(0)[1]()
        self._complete_if_nothing_holds()

    def interpreter(self):
        return "/usr/bin/python3"

    def status(self, path):
        if path.startswith(tuple(f"{top}/" for top in self.forbidden)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        real = super().status(path)
        uid, mode = self.owners.get(path, (0, stat.S_IMODE(real.st_mode) & 0o755))
        return os.stat_result((stat.S_IFMT(real.st_mode) | mode, 0, 0, 1, uid, 0, 0, 0, 0, 0))

    def run(self, argv, seconds):
        self.commands.append(argv)
        status, output = self.answer(argv)
        if argv[-1] == "end-trial" and status == 0:
            self._guard(PID)
        return status, output

    def spawn(self, argv):
        self.spawned.append(argv)
        pid = 5000 + len(self.spawned)
        self.put(f"/proc/{pid}/stat", STAT.replace(str(PID), str(pid)))
        if "end-trial" in argv:
            self._guard(pid)
        return pid

    def start_child(self, function):
        self.children.append(SimulatedChild(function))
        return self.children[-1]

    def wait_readable(self, sources, seconds):
        """Sleep from event to event, until the log among the sources has more to read."""
        end = self.clock + seconds
        log = next((source.fileno() for source in sources if isinstance(source, KernelLog)), None)
        while self.clock < end:
            if log is not None and os.fstat(log).st_size > os.lseek(log, 0, os.SEEK_CUR):
                return
            until = min([end, *(seconds for seconds, _event in self._events[:1])])
            self.sleep(max(until - self.clock, 1e-6))

    def read_bytes(self, path):
        if path.startswith(tuple(self.forbidden)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return super().read_bytes(path)

    def read_small(self, path, most):
        if path.startswith(tuple(self.forbidden)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return super().read_small(path, most)

    def write(self, path, text):
        self.writes.append((path, text))
        folder, _slash, attribute = path.rpartition("/")
        name = folder.rpartition("/")[2]
        if path == DYNDBG:
            self._debug(text)
        elif path == EVENTS:
            self.kprobes.write(text)
        elif path == "/dev/kmsg":
            self.say(text.rstrip("\n").partition(">")[2], priority=8 + int(text[1]))
        elif not os.path.isfile(self.path(path)):
            raise error_of(errno.ENOENT)
        elif attribute == "enabled":
            self._write_enabled(name, text == "1")
        elif attribute == "force":
            self._write_force(name)
        else:
            super().write(path, text)

    def finit_module(self, descriptor, parameters):
        patch = image_of(descriptor)
        name = patch["name"]
        self.loads.append((name, parameters))
        if os.path.exists(self.path(f"/sys/module/{name}")):
            raise error_of(errno.EEXIST)
        if self._moving:
            raise error_of(errno.EBUSY)
        if self.replace_sets and self._conflicts(patch):
            raise error_of(errno.EINVAL)
        if patch["refused"]:
            code, lines = patch["refused"]
            self.say(*lines)
            raise error_of(getattr(errno, code))
        self.plain_module(name, build_id=patch["build_id"], taint="OEK", refcnt=1)
        self._patches[name] = patch
        self._make_directory(patch)
        self.say(f"livepatch: enabling patch '{name}'")
        self._start(name, patching=True)

    def hold_trace_event(self, number):
        return self.kprobes.hold(number)

    def delete_module(self, name):
        if self.removal_errno:
            raise error_of(self.removal_errno)
        if not os.path.exists(self.path(f"/sys/module/{name}")):
            raise error_of(errno.ENOENT)
        if self.read(f"/sys/module/{name}/refcnt") != "0":
            raise error_of(errno.EAGAIN)
        shutil.rmtree(self.path(f"/sys/module/{name}"))
        lines = self.read("/proc/modules").splitlines()
        self.put("/proc/modules", "".join(f"{line}\n" for line in lines if line.split()[0] != name))

    # What tests script

    def put(self, path, content):
        """A file with a text or with bytes."""
        target = Path(self.path(path))
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))

    def at(self, seconds, event):
        """Call `event` when the clock has reached `seconds`."""
        self._events.append((seconds, event))
        self._events.sort(key=lambda entry: entry[0])

    def say(self, *lines, priority=5):
        """Log lines as records of /dev/kmsg; `priority` is a level, and 8 times a facility that is not the kernel's."""
        with open(self.path("/dev/kmsg"), "a", encoding="utf-8") as log:
            for line in lines:
                log.write(f"{priority},{self._said},{int(self.clock * 1e6)},-;{line}\n")
                self._said += 1

    def hold(self, tid, directions=("enabling",)):
        """Have a kernel thread `worker`, asleep in cmdline_proc_show, hold every such transition until `let_go`."""
        self._holders[tid] = directions
        base = f"/proc/{tid}/task/{tid}"
        self.put(f"{base}/comm", "worker\n")
        self.put(f"{base}/stat", f"{tid} (worker) S 2 0 0 0 -1 {0x00208040} 0 0\n")
        frames = ("msleep+0x2d/0x40", "cmdline_proc_show+0x1c/0x30 [fix]", "kthread+0xda/0x100")
        self.put(f"{base}/stack", "".join(f"[<0>] {frame}\n" for frame in frames))
        self.put(f"{base}/patch_state", "-1\n")

    def let_go(self, tid):
        del self._holders[tid]
        self.put(f"/proc/{tid}/task/{tid}/patch_state", "-1\n")

    def forget_all(self):
        """Every patch and module is gone, as after a reboot."""
        for name in self.names("/sys/module"):
            shutil.rmtree(self.path(f"/sys/module/{name}"))
        for name in self.names(LIVEPATCH):  # none on a host with another interface
            shutil.rmtree(self.path(f"{LIVEPATCH}/{name}"))
        self.put("/proc/modules", "")
        self._patches, self._moving, self._events = {}, None, []
        self._show_hooks()

    def plain_module(self, name, build_id="bb" * 20, taint="", refcnt=0):
        """A loaded module; `taint` with a K makes it a live patch."""
        base = f"/sys/module/{name}"
        note = struct.pack("=III", 4, len(build_id) // 2, 3) + b"GNU\0" + bytes.fromhex(build_id)
        for attribute, content in (("initstate", "live\n"), ("refcnt", f"{refcnt}\n"), ("taint", f"{taint}\n"),
                                   ("notes/.note.gnu.build-id", note)):
            self.put(f"{base}/{attribute}", content)
        Path(self.path(f"{base}/holders")).mkdir()
        older = self.read_bytes("/proc/modules").decode("utf-8")
        self.put("/proc/modules", f"{name} 16384 {refcnt} - Live 0x0\n{older}")

    # How the simulated kernel moves

    def _make_directory(self, patch):
        base = f"{LIVEPATCH}/{patch['name']}"
        for attribute, content in (("enabled", "0\n"), ("transition", "0\n"), ("force", "")):
            self.put(f"{base}/{attribute}", content)
        if self.replace_sets:
            self.put(f"{base}/replace_set", f"{patch['replace_set']}\n")
        for entry, functions in patch["objects"].items():
            present = entry == "vmlinux" or self.exists(f"/sys/module/{entry}")
            self.put(f"{base}/{entry}/patched", "1\n" if present else "0\n")
            for function, sympos in functions:
                if patch["defect"] != "unlisted":
                    Path(self.path(f"{base}/{entry}/{function},{sympos or 1}")).mkdir()

    def _guard(self, pid):
        """That process has begun to wait for the end of the trial that is on."""
        self.put("/proc/self/stat", self.read(f"/proc/{pid}/stat"))
        register_trial_process(self)
        self.put("/proc/self/stat", STAT)
        if self.guard_looks:
            SimulatedGuard(self, pid).begin()

    def _write_enabled(self, name, wanted):
        if wanted == (self.read(f"{LIVEPATCH}/{name}/enabled") == "1"):
            raise error_of(errno.EINVAL)
        if self._moving is None and not wanted:
            self._start(name, patching=False)
        elif self._moving and self._moving[0] == name:
            self._start(name, patching=wanted)
        else:
            raise error_of(errno.EBUSY if self._moving else errno.EINVAL)

    def _write_force(self, name):
        if not self._moving or self._moving[0] != name:
            raise error_of(errno.EINVAL)
        self.say("livepatch: forcing remaining tasks to the patched state")
        patching = self._moving[1]
        replaced = self._replaced_by(name) if patching else [name]
        for one in replaced:
            self._patches[one]["forced"] = True
        self._complete()

    def _start(self, name, patching):
        self._moving = (name, patching, self.clock + SETTLE_SECONDS)
        direction = "patching" if patching else "unpatching"
        self.say(f"livepatch: '{name}': starting {direction} transition")
        self.put(f"{LIVEPATCH}/{name}/enabled", "1\n" if patching else "0\n")
        self.put(f"{LIVEPATCH}/{name}/transition", "1\n")
        self._show_tasks()
        self._show_hooks()

    def _held_by(self):
        direction = "enabling" if self._moving[1] else "disabling"
        return [tid for tid, directions in self._holders.items() if direction in directions]

    def _complete_if_nothing_holds(self):
        if self._moving:
            self._show_tasks()
            if self.clock >= self._moving[2] and not self._held_by():
                self._complete()

    def _complete(self):
        name, patching, _end = self._moving
        freed = self._replaced_by(name) if patching else [name]
        self._moving = None
        for one in freed:
            self.put(f"{LIVEPATCH}/{one}/enabled", "0\n")
            self._free_later(one)
        self.put(f"{LIVEPATCH}/{name}/transition", "0\n")
        self.say(f"livepatch: '{name}': {'patching' if patching else 'unpatching'} complete")
        self._show_tasks()
        self._show_hooks()

    def _replaced_by(self, name):
        """With replace sets as proposed for Linux: the patches of the same set, whatever their `replace`."""
        others = [one for one in self._patches if one != name]
        if self.replace_sets:
            return [one for one in others if self._patches[one]["replace_set"] == self._patches[name]["replace_set"]]
        return others if self._patches[name]["replace"] else []

    def _conflicts(self, patch):
        """Whether a patch of another set has a function in common with this one."""
        functions = {(entry, tuple(function)) for entry, found in patch["objects"].items() for function in found}
        return any(
            functions.intersection((entry, tuple(function)) for entry, found in other["objects"].items()
                                   for function in found)
            for other in self._patches.values() if other["replace_set"] != patch["replace_set"])

    def _free_later(self, name):
        """The directory goes first, the kernel's reference after it, unless a forced transition keeps it for ever."""
        forced = self._patches.pop(name).get("forced")
        self.at(self.clock + FREE_SECONDS, lambda: shutil.rmtree(self.path(f"{LIVEPATCH}/{name}")))
        if not forced:
            self.at(self.clock + 2 * FREE_SECONDS, lambda: self.put(f"/sys/module/{name}/refcnt", "0\n"))

    def _show_tasks(self):
        held = self._held_by() if self._moving else []
        target = bool(self._moving and self._moving[1])
        for tid in self._holders:
            state = int(not target) if tid in held else int(target)
            self.put(f"/proc/{tid}/task/{tid}/patch_state", f"{state if self._moving else -1}\n")

    def _show_hooks(self):
        hooked = {
            function + ("" if entry == "vmlinux" else f" [{entry}]")
            for patch in self._patches.values() if patch["defect"] != "unhooked"
            for entry, functions in patch["objects"].items() for function, _sympos in functions}
        self.put("/sys/kernel/tracing/enabled_functions", "".join(map(HOOKED.format, sorted(hooked))))

    def _debug(self, query):
        """`file FILE [line N] +p` and `-p`; what is switched on explains the holders at the kernel's next retry."""
        argv = query.split()
        site = f"{argv[1]}:{argv[3]} " if argv[2] == "line" else f"{argv[1]}:"
        old, new = ("=_", "=p") if argv[-1] == "+p" else ("=p", "=_")
        lines = self.read(DYNDBG).splitlines()
        self.put(DYNDBG, "".join(
            (line.replace(old, new) if line.startswith(site) else line) + "\n" for line in lines))
        if argv[-1] == "+p":
            self.at(self.clock + RETRY_SECONDS, self._explain)

    def _explain(self):
        if self._moving and "transition.c:300 [livepatch]klp_try =p" in self.read(DYNDBG):
            for tid in self._held_by():
                self.say(f"livepatch: klp_try_switch_task: worker:{tid} is sleeping on function cmdline_proc_show")


def image_of(descriptor):
    """The SimulatedPatch's image behind a descriptor, as a dict."""
    return json.loads(os.read(descriptor, 1 << 20).decode("utf-8"))


def error_of(code):
    return OSError(code, os.strerror(code))
