# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux: the mode, what the policy allows, and the labels of this collection's own files.

The kernel asks for `system:module_load` between the process and the label of the module's file
(selinux_kernel_module_from_file() in security/selinux/hooks.c). The reference policy grants it for the label of the
kernel's own modules only (files_load_kernel_modules in policy/modules/kernel/files.if). Fedora's grants a login more
than a service: a patch with another label loads in a task, and neither at boot nor at the end of a trial.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

SELINUX = "/sys/fs/selinux"
MODULES = ("/lib/modules", "/usr/lib/modules")
RESTORECON = ("/usr/sbin/restorecon", "/sbin/restorecon", "/run/current-system/sw/bin/restorecon")
SECONDS = 60
PERMISSIVE_DOMAIN = 1  # SELINUX_AVD_FLAGS_PERMISSIVE in security/selinux/include/security.h


def mode(host):
    """`enforcing`, `permissive`, or None without SELinux."""
    return {"1": "enforcing", "0": "permissive"}.get(host.read_or(f"{SELINUX}/enforce", ""))


def restorecon(host):
    """The path of the program that sets labels, or None."""
    return next((path for path in RESTORECON if host.exists(path)), None)


def restore_labels(host, paths):
    """Give the policy's labels to files; returns the findings. Does nothing without SELinux or without restorecon.

    Raises LivepatchError `labels-not-set` if that fails and SELinux is enforcing.
    """
    program = mode(host) and restorecon(host)
    if not program:
        return []
    present = [path for path in paths if host.exists(path)]
    try:
        status, output = host.run([program, *present], SECONDS)
    except (LivepatchError, OSError) as error:
        status, output = 1, str(error)
    if status == 0:
        return []
    why = output.rpartition("\n")[2] or "no output"
    if mode(host) == "enforcing":
        raise LivepatchError(
            "labels-not-set",
            f"{program} cannot set the SELinux labels of {', '.join(present)} ({why}), and SELinux is enforcing, so "
            "nothing is loaded. Run it on the host to find the cause, then run the task again.")
    return [finding("labels-not-restored", program, program=program, why=why)]


def label_as_module(host, descriptor):
    """Give an opened patch file the label of the kernel's own modules. If that fails, the kernel decides at the load.

    A relabelling of the whole host sets another one, so this is done before each load.
    """
    wanted = module_label(host) if mode(host) else None
    if wanted and host.label(descriptor) != wanted:
        host.set_label(descriptor, wanted)


def module_label(host):
    """The label of the kernel's own modules as text, or None."""
    return next(filter(None, map(host.label, map(host.path, MODULES))), None)


def denied_task(host):
    """The domain of this process if an enforcing policy does not let it load a patch, else None."""
    return _denied(host, lambda: _context(host, "self"))


def denied_service(host, interpreter):
    """The domain of a service of systemd that runs a Python, if an enforcing policy does not let it load a patch."""
    return _denied(host, lambda: _asked(
        host, "create", _context(host, "1"), host.label(host.path(interpreter)), "process"))


def _denied(host, domain_of):
    """What the policy does not say is not denied."""
    label = module_label(host) if mode(host) == "enforcing" else None
    domain = label and domain_of()
    return domain if domain and _denies(host, domain, label) else None


def _denies(host, context, label):
    """Whether the policy denies system:module_load, by the kernel's own decision (selinuxfs, `access`)."""
    bit = host.read_or(f"{SELINUX}/class/system/perms/module_load", "")
    answer = (_asked(host, "access", context, label, "system") or "").split()
    if not bit.isdigit() or len(answer) < 6:
        return False
    allowed, flags = int(answer[0], 16), int(answer[5], 16)
    return not allowed >> (int(bit) - 1) & 1 and not flags & PERMISSIVE_DOMAIN


def _asked(host, question, source, target, kind):
    """The kernel's answer to a question about two contexts and a class of objects, or None."""
    number = host.read_or(f"{SELINUX}/class/{kind}/index", "")
    if not (source and target and number.isdigit()):
        return None
    try:
        return host.ask(f"{SELINUX}/{question}", f"{source} {target} {number}")
    except OSError:
        return None


def _context(host, process):
    return host.read_or(f"/proc/{process}/attr/current", "").rstrip("\0\n")
