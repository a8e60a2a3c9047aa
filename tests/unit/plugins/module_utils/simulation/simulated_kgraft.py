# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated host with kGraft, as in SUSE Linux Enterprise 12, instead of livepatch.

It follows kernel/kgraft.c and kernel/kgraft_files.c of that kernel in what user space sees of them: the files, their
texts, the errnos and the log. No such kernel was run.
"""

import errno
import os
import shutil

from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import (
    LIVEPATCH,
    SETTLE_SECONDS,
    SimulatedKernel,
    error_of,
    image_of,
)

KGRAFT = "/sys/kernel/kgraft"
IN_PROGRESS = f"{KGRAFT}/in_progress"
# enum kgr_patch_state in include/linux/kgraft.h
SLOW, APPLIED, REVERT_SLOW, REVERTED, SKIPPED = 1, 2, 3, 4, 5
HEADER = f"{'Function':20}  {'Object':20}  Sympos  State\n"
ROW = "{:20}  {:20}  {:6}  {:5}\n"
HOOKED = "{} (1) R\tkgr_stub_fast+0x0/0x20\n"


class SimulatedKgraft(SimulatedKernel):
    """`hold` has a task hold every transition; nothing reverses it."""

    def _build_files(self):
        super()._build_files()
        shutil.rmtree(self.path(LIVEPATCH))
        for name in ("/proc/self", "/proc/1/task/1"):
            os.unlink(self.path(f"{name}/patch_state"))
        for name in ("/proc/self", "/proc/1", "/proc/1/task/1"):
            self.put(f"{name}/kgr_in_progress", "0\n")
        self.put(IN_PROGRESS, "0\n")
        self.put(f"{KGRAFT}/force_load_module", "0\n")
        self._states = {}
        self._applied = []  # the kernel's list of patches

    def directory(self, name):
        """The directory of a patch: it has the name of struct kgr_patch, which is not the module's."""
        return f"{KGRAFT}/kgraft-{name.replace('_', '-')}"

    def finit_module(self, descriptor, parameters):
        patch = image_of(descriptor)
        name = patch["name"]
        self.loads.append((name, parameters))
        if os.path.exists(self.path(f"/sys/module/{name}")):
            raise error_of(errno.EEXIST)
        self._refuse_in_progress()
        self.plain_module(name, build_id=patch["build_id"], taint="OE", refcnt=1)
        self._patches[name] = patch
        self.put(f"{self.directory(name)}/replace_all", f"{int(patch['replace'])}\n")
        self.put(f"{self.directory(name)}/revert", "")
        os.symlink(f"../../../module/{name}", self.path(f"{self.directory(name)}/owner"))
        if not patch["replace"]:
            self._refs(1, apart_from=name)
        self.put(f"{self.directory(name)}/refs", "0\n")
        self.say(f"kgr: applying patch 'kgraft-{name}'")
        self._begin(name, patching=True)

    def delete_module(self, name):
        super().delete_module(name)
        shutil.rmtree(self.path(self.directory(name)), ignore_errors=True)
        self._patches.pop(name, None)
        self._states.pop(name, None)

    def forget_all(self):
        for name in list(self._patches):
            shutil.rmtree(self.path(self.directory(name)))
        super().forget_all()
        self._states, self._applied = {}, []

    def write(self, path, text):
        if not path.startswith(KGRAFT):
            return super().write(path, text)
        self.writes.append((path, text))
        if not os.path.isfile(self.path(path)):
            raise error_of(errno.ENOENT)
        if path == IN_PROGRESS:
            if text[:1] != "0":
                raise error_of(errno.EINVAL)
            self._holders = {}
            return self.say("kgr: all processes marked as migrated on admin's request")
        name = next(one for one in self._patches if path == f"{self.directory(one)}/revert")
        return self._revert(name)

    def _revert(self, name):
        if self.read(f"{self.directory(name)}/refs") != "0":
            raise error_of(errno.EBUSY)
        self._refuse_in_progress()
        if name not in self._applied:
            raise error_of(errno.EINVAL)
        self.say(f"kgr: reverting patch 'kgraft-{name}'")
        self._applied.remove(name)
        self._begin(name, patching=False)

    def _refuse_in_progress(self):
        if self._moving:
            self.say("kgr: can't patch, another patching not yet finalized")
            raise error_of(errno.EAGAIN)

    def _refs(self, change, apart_from):
        for name in self._patches:
            if name != apart_from and name in self._applied:
                path = f"{self.directory(name)}/refs"
                self.put(path, f"{int(self.read(path)) + change}\n")

    def _begin(self, name, patching):
        self._moving = (name, patching, self.clock + SETTLE_SECONDS)
        self.put(IN_PROGRESS, "1\n")
        if patching and self._patches[name]["replace"]:
            kept = {(entry, function) for entry, function, _sympos in self._functions(name)}
            for other in self._applied:
                self._show(other, REVERT_SLOW, kept)
        self._show(name, SLOW if patching else REVERT_SLOW)
        self._show_tasks()

    def _complete(self):
        name, patching, _end = self._moving
        self._moving = None
        self._show(name, APPLIED if patching else REVERTED)
        gone = [] if patching else [name]
        if patching and self._patches[name]["replace"]:
            gone, self._applied = self._applied, []
        if patching:
            self._applied.append(name)
        for one in gone:
            self._show(one, REVERTED)
            self.put(f"/sys/module/{one}/refcnt", "0\n")
        if not patching:
            self._refs(-1, apart_from=name)
        self.put(IN_PROGRESS, "0\n")
        self.say("kgr: patching succeeded")
        self._show_tasks()

    def _functions(self, name):
        return [(entry, function, sympos) for entry, functions in self._patches[name]["objects"].items()
                for function, sympos in functions]

    def _show(self, name, state, kept=()):
        """Give every function of a patch a state, apart from those in `kept` and those of absent modules."""
        states = self._states.setdefault(name, {})
        for entry, function, _sympos in self._functions(name):
            if (entry, function) not in kept:
                present = entry == "vmlinux" or self.exists(f"/sys/module/{entry}")
                states[entry, function] = state if present else SKIPPED
        rows = [ROW.format(function, entry, sympos, states[entry, function])
                for entry, function, sympos in self._functions(name)]
        self.put(f"{self.directory(name)}/state", HEADER + "".join(rows))
        hooked = {function for one in self._states.values() for (_entry, function), now in one.items()
                  if now in (SLOW, APPLIED, REVERT_SLOW)}
        self.put("/sys/kernel/tracing/enabled_functions", "".join(map(HOOKED.format, sorted(hooked))))

    def _held_by(self):
        return list(self._holders)

    def _show_tasks(self):
        for tid in self._holders:
            self.put(f"/proc/{tid}/task/{tid}/kgr_in_progress", f"{int(bool(self._moving))}\n")

    def hold(self, tid, directions=("enabling", "disabling")):
        super().hold(tid, directions)
        os.unlink(self.path(f"/proc/{tid}/task/{tid}/patch_state"))
        self._show_tasks()

    def let_go(self, tid):
        del self._holders[tid]
        self.put(f"/proc/{tid}/task/{tid}/kgr_in_progress", "0\n")
