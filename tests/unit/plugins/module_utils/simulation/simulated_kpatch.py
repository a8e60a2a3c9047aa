# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated host with kpatch.ko 0.4 or later instead of livepatch.

It follows kmod/core/core.c and kmod/patch/kpatch-patch-hook.c of dynup/kpatch in what user space sees of them: the
files, their modes, their texts, the errnos and the log. No such kernel was run.
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

KPATCH = "/sys/kernel/kpatch"
HOOKED = "{} (1) R I\tkpatch_ftrace_handler+0x0/0x200\n"


class SimulatedKpatch(SimulatedKernel):
    """`in_use` are the functions that a task is in: they can be neither patched nor unpatched."""

    def _build_files(self):
        super()._build_files()
        shutil.rmtree(self.path(LIVEPATCH))
        os.makedirs(self.path(KPATCH))
        for path in ("/proc/self/patch_state", "/proc/1/task/1/patch_state"):
            os.unlink(self.path(path))
        self.plain_module("kpatch", taint="OE")
        self.in_use = set()

    def finit_module(self, descriptor, parameters):
        patch = image_of(descriptor)
        name = patch["name"]
        self.loads.append((name, parameters))
        if os.path.exists(self.path(f"/sys/module/{name}")):
            raise error_of(errno.EEXIST)
        self.plain_module(name, build_id=patch["build_id"], taint="OE")
        self._patches[name] = patch
        self._make_directory(patch)
        try:
            self._register(name, replace="replace=Y" in parameters.split())
        except OSError:
            self.delete_module(name)
            raise

    def delete_module(self, name):
        super().delete_module(name)
        shutil.rmtree(self.path(f"{KPATCH}/{name}"), ignore_errors=True)
        self._patches.pop(name, None)

    def forget_all(self):
        super().forget_all()
        shutil.rmtree(self.path(KPATCH))
        os.makedirs(self.path(KPATCH))
        self.plain_module("kpatch", taint="OE")

    def _make_directory(self, patch):
        base = f"{KPATCH}/{patch['name']}"
        self.put(f"{base}/enabled", "0\n")
        self.put(f"{base}/checksum", "0123456789abcdef0123456789abcdef\n")
        os.chmod(self.path(f"{base}/checksum"), 0o444)
        for entry, functions in patch["objects"].items():
            for function, sympos in functions:
                for address in ("old_addr", "new_addr"):
                    self.put(f"{base}/{entry}/{function},{sympos or 1}/{address}", "0xffffffff81000000\n")
                    os.chmod(self.path(f"{base}/{entry}/{function},{sympos or 1}/{address}"), 0o400)

    def _register(self, name, replace=False):
        self._check_activeness(name)
        for other in [one for one in self._patches if replace and one != name]:
            self._show(other, enabled=False)
            self.say(f"kpatch: unloaded patch module '{other}'")
        self._show(name, enabled=True)
        self.say(f"kpatch: loaded patch module '{name}'")

    def _write_enabled(self, name, wanted):
        if wanted == (self.read(f"{KPATCH}/{name}/enabled") == "1"):
            raise error_of(errno.EINVAL)
        if wanted:
            return self._register(name)
        self._check_activeness(name)
        self._show(name, enabled=False)
        return self.say(f"kpatch: unloaded patch module '{name}'")

    def _check_activeness(self, name):
        held = {function for functions in self._patches[name]["objects"].values()
                for function, _sympos in functions} & self.in_use
        if held:
            self.say(f"kpatch: activeness safety check failed for {sorted(held)[0]}", "kpatch: PID: 7 Comm: worker")
            raise error_of(errno.EBUSY)

    def _show(self, name, enabled):
        self.put(f"{KPATCH}/{name}/enabled", f"{int(enabled)}\n")
        self.put(f"/sys/module/{name}/refcnt", f"{int(enabled)}\n")
        hooked = {function for one, patch in self._patches.items() if self.read(f"{KPATCH}/{one}/enabled") == "1"
                  for functions in patch["objects"].values() for function, _sympos in functions}
        self.put("/sys/kernel/tracing/enabled_functions", "".join(map(HOOKED.format, sorted(hooked))))
