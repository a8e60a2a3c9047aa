# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated SELinux for a simulated kernel: labels of files, a policy for loads, and selinuxfs.

It follows the policies of Fedora: a login loads modules from any file, a service from files with the label of the
kernel's own modules.
"""

import errno
import os

MODULE = "system_u:object_r:modules_object_t:s0"
OTHER = "unconfined_u:object_r:var_lib_t:s0"
LOGIN = "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023"
INIT = "system_u:system_r:init_t:s0"
SERVICE = "system_u:system_r:unconfined_service_t:s0"
NUMBERS = {"process": 2, "system": 5}
BIT = 7  # of module_load


class SimulatedSelinux:
    """`labels` are those of real paths. `allowed` are (domain, label), None for any label. `domain` is who loads now.

    `flags` are those of a decision. `restored` are the paths that restorecon was given; it fails with `broken`.
    """

    def __init__(self, kernel, enforcing=True):
        self.kernel = kernel
        self.labels = {}
        self.allowed = {(LOGIN, None), (SERVICE, MODULE)}
        self.domain = LOGIN
        self.flags = 0
        self.restored = []
        self.broken = None
        kernel.put("/sys/fs/selinux/enforce", f"{int(enforcing)}")
        kernel.put("/sys/fs/selinux/class/system/perms/module_load", f"{BIT}\n")
        for kind, number in NUMBERS.items():
            kernel.put(f"/sys/fs/selinux/class/{kind}/index", f"{number}\n")
        kernel.put("/proc/self/attr/current", f"{LOGIN}\0")
        kernel.put("/proc/1/attr/current", f"{INIT}\0")
        kernel.put("/usr/sbin/restorecon", "")
        self.labels[kernel.path("/lib/modules")] = MODULE
        self._answer, self._load = kernel.answer, kernel.finit_module
        kernel.answer, kernel.finit_module = self.answer, self.finit_module
        kernel.label, kernel.set_label, kernel.ask = self.label, self.set_label, self.ask

    def label(self, file):
        return self.labels.get(self._real(file), OTHER)

    def set_label(self, file, label):
        self.labels[self._real(file)] = label

    def ask(self, path, text):
        source, target, number = text.split()
        if path == "/sys/fs/selinux/create" and (source, int(number)) == (INIT, NUMBERS["process"]):
            return SERVICE
        if path == "/sys/fs/selinux/access" and int(number) == NUMBERS["system"]:
            granted = 1 << (BIT - 1) if self._allows(source, target) else 0
            return f"{granted:x} ffffffff 0 ffffffff 1 {self.flags:x}"
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    def answer(self, argv):
        if argv[0] != "/usr/sbin/restorecon":
            return self._answer(argv)
        self.restored.append(argv[1:])
        return (1, self.broken) if self.broken else (0, "")

    def finit_module(self, descriptor, parameters):
        enforcing = self.kernel.read("/sys/fs/selinux/enforce") == "1"
        if enforcing and not self._allows(self.domain, self.label(descriptor)):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        self._load(descriptor, parameters)

    def _allows(self, domain, label):
        return bool(self.allowed & {(domain, label), (domain, None)})

    @staticmethod
    def _real(file):
        return os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else file
