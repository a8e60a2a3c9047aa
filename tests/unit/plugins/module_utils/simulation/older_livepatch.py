# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated hosts with older and other versions of the kernel's livepatch interface. No such kernel was run.

They follow kernel/livepatch/core.c of Linux 4.19 and of openEuler's 4.19 in what user space sees of them.
"""

import errno
import os
import shutil

from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import (
    LIVEPATCH,
    SimulatedKernel,
    error_of,
    image_of,
)

STATE = "/proc/livepatch/state"


class SimulatedRegistry(SimulatedKernel):
    """Linux 4.12 to 5.0: a load registers a patch and enables it, and only the unload of its module ends that.

    A disabled patch keeps its directory. Patches are a stack: the kernel enables one only above enabled ones, and
    disables only the last enabled one (__klp_enable_patch, __klp_disable_patch). The file `force` came with 4.15.
    """

    has_force = False

    def _build_files(self):
        super()._build_files()
        self._registered = {}  # in the order of their load

    def finit_module(self, descriptor, parameters):
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        patch = image_of(descriptor)
        os.lseek(descriptor, place, os.SEEK_SET)
        if not self._moving and not all(map(self._is_enabled, self._registered)):
            self.loads.append((patch["name"], parameters))
            raise error_of(errno.EBUSY)
        super().finit_module(descriptor, parameters)
        self._registered[patch["name"]] = patch

    def delete_module(self, name):
        super().delete_module(name)
        if self._registered.pop(name, None):
            shutil.rmtree(self.path(f"{LIVEPATCH}/{name}"))

    def forget_all(self):
        super().forget_all()
        self._registered = {}

    def _make_directory(self, patch):
        super()._make_directory(patch)
        if not self.has_force:
            os.unlink(self.path(f"{LIVEPATCH}/{patch['name']}/force"))

    def _write_enabled(self, name, wanted):
        names = list(self._registered)
        at = names.index(name)
        if self._moving is None and wanted != self._is_enabled(name):
            if not all(map(self._is_enabled, names[:at])) or any(map(self._is_enabled, names[at + 1:])):
                raise error_of(errno.EBUSY)
            if wanted:
                self._patches[name] = self._registered[name]
                self.put(f"/sys/module/{name}/refcnt", "1\n")
                self._start(name, patching=True)
                return
        super()._write_enabled(name, wanted)

    def _free_later(self, name):
        forced = self._patches.pop(name).get("forced")
        if not forced:
            self.put(f"/sys/module/{name}/refcnt", "0\n")

    def _replaced_by(self, name):
        return []

    def _is_enabled(self, name):
        return self.read_or(f"{LIVEPATCH}/{name}/enabled") == "1"


class SimulatedSignal(SimulatedRegistry):
    """Linux 4.15 to 5.0: each patch has a file `signal`, and a holder of `sleepers` lets go when it is written."""

    has_force = True
    sleepers = ()

    def _make_directory(self, patch):
        super()._make_directory(patch)
        self.put(f"{LIVEPATCH}/{patch['name']}/signal", "")
        os.chmod(self.path(f"{LIVEPATCH}/{patch['name']}/signal"), 0o200)

    def write(self, path, text):
        if not path.endswith("/signal"):
            return super().write(path, text)
        self.writes.append((path, text))
        if not self._moving or not path.startswith(f"{LIVEPATCH}/{self._moving[0]}/"):
            raise error_of(errno.EINVAL)
        self.say("livepatch: signaling remaining tasks")
        for tid in self.sleepers:
            if tid in self._holders:
                self.let_go(tid)


class SimulatedOpenEuler(SimulatedKernel):
    """CONFIG_LIVEPATCH_WO_FTRACE and CONFIG_LIVEPATCH_STOP_MACHINE_CONSISTENCY: a load registers the patch only.

    `in_use` are the functions that a task is in: they can be neither patched nor unpatched. With `has_stack` it has
    CONFIG_LIVEPATCH_STACK.
    """

    has_stack = False

    def _build_files(self):
        super()._build_files()
        for path in ("/proc/self/patch_state", "/proc/1/task/1/patch_state"):
            os.unlink(self.path(path))
        self.in_use = set()
        self._show_states()

    def finit_module(self, descriptor, parameters):
        patch = image_of(descriptor)
        name = patch["name"]
        self.loads.append((name, parameters))
        if os.path.exists(self.path(f"/sys/module/{name}")):
            raise error_of(errno.EEXIST)
        for entry in patch["objects"]:
            if entry != "vmlinux" and not self.exists(f"/sys/module/{entry}"):
                self.say(f"livepatch: module '{entry}' not loaded")
                raise error_of(errno.ENOPKG)
        self.plain_module(name, build_id=patch["build_id"], taint="OEK")
        self._patches[name] = patch
        self._make_directory(patch)
        self._show_states()

    def delete_module(self, name):
        super().delete_module(name)
        shutil.rmtree(self.path(f"{LIVEPATCH}/{name}"), ignore_errors=True)
        self._patches.pop(name, None)
        self._show_states()

    def _make_directory(self, patch):
        self.put(f"{LIVEPATCH}/{patch['name']}/enabled", "0\n")
        for entry, functions in patch["objects"].items():
            for function, sympos in functions:
                os.makedirs(self.path(f"{LIVEPATCH}/{patch['name']}/{entry}/{function},{sympos or 1}"))

    def _write_enabled(self, name, wanted):
        if wanted == (self.read(f"{LIVEPATCH}/{name}/enabled") == "1"):
            raise error_of(errno.EINVAL)
        names = list(self._patches)
        at = names.index(name)
        if self.has_stack and (
                not all(map(self._is_enabled, names[:at])) or any(map(self._is_enabled, names[at + 1:]))):
            raise error_of(errno.EBUSY)
        held = {function for functions in self._patches[name]["objects"].values()
                for function, _sympos in functions} & self.in_use
        if held:
            self.say(f"livepatch: func {sorted(held)[0]} is in use!")
            raise error_of(errno.EBUSY)
        self.say(f"livepatch: {'enabling' if wanted else 'disabling'} patch '{name}'")
        self.put(f"{LIVEPATCH}/{name}/enabled", f"{int(wanted)}\n")
        self.put(f"/sys/module/{name}/refcnt", f"{int(wanted)}\n")
        self._show_states()

    def _show_states(self):
        """The table of every registered patch (state_show)."""
        line = "-" * 47 + "\n"
        rows = "".join(
            f"{number:<5}\t{name:<26}\t{'enabled' if self._is_enabled(name) else 'disabled':<8}\n"
            for number, name in enumerate(self._patches, start=1))
        self.put(STATE, f"{'Index':<5}\t{'Patch':<26}\t{'State':<8}\n{line}{rows}{line}")

    def _is_enabled(self, name):
        return self.read_or(f"{LIVEPATCH}/{name}/enabled") == "1"
