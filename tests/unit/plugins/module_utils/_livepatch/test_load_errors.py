# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's refusals, each from the line that it logs (texts of Linux 6.1) to one cause."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kmsg import Record
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.load_errors import (
    ERRNO_CAUSES,
    LOG_CAUSES,
    LONGEST_LINE,
    MOST_LINES,
    load_error,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

# errno, what the kernel logs, code, words of the message; one row or more for each row of LOGGED.
TOLD = [
    ("ENOEXEC", "fix: version magic '6.1.0-57-amd64 SMP ' should be '6.1.0-56-amd64 SMP '", "vermagic-mismatch",
     "it is built for '6.1.0-57-amd64 SMP ' and the kernel wants '6.1.0-56-amd64 SMP '"),
    ("ENOEXEC", "fix: disagrees about version of symbol module_layout", "symbol-version-mismatch",
     "the kernel's module_layout has another version"),
    ("ENOENT", "fix: Unknown symbol no_such (err -2)", "symbol-not-exported", "nothing in the kernel exports no_such"),
    ("ENOEXEC", "fix: module is marked as livepatch module, but livepatch support is disabled",
     "livepatch-unsupported", "no live-patch support"),
    ("EPERM", "Lockdown: python3: unsigned module loading is restricted; see man kernel_lockdown.7", "locked-down",
     "takes signed modules only (unsigned module loading)"),
    # Ubuntu 4.15, Debian 4.19, and Linux 5.5 to 5.9 for the last one
    ("EPERM", "Lockdown: Loading of unsigned modules is restricted; see man kernel_lockdown.7", "locked-down",
     "takes signed modules only (Loading of unsigned modules)"),
    ("EPERM", "Lockdown: insmod: Loading of unsigned module is restricted; see https://wiki.debian.org/SecureBoot",
     "locked-down", "takes signed modules only (Loading of unsigned module)"),
    ("EKEYREJECTED", "fix: loading of unsigned module is rejected", "signature-missing",
     "it is not signed and the kernel enforces signatures"),
    ("EKEYREJECTED", "Loading of unsigned module is rejected", "signature-missing",
     "it is not signed and the kernel enforces signatures"),
    ("EKEYREJECTED", "Loading of module with unavailable key is rejected", "signature-key-unknown",
     "signed with a key unknown to the kernel"),
    ("EKEYREJECTED", "Loading of module with unsupported crypto is rejected", "signature-rejected",
     "the kernel enforces signatures (module with unsupported crypto)"),
    ("EPERM", "Module fix is blacklisted", "module-blacklisted", "module_blacklist"),
    ("EINVAL", "livepatch: symbol 'no_such' not found in symbol table", "symbol-missing",
     "the kernel has no function no_such"),
    ("EINVAL", "livepatch: unresolvable ambiguity for symbol 'show' in object 'vmlinux'", "symbol-ambiguous",
     "vmlinux has more than one show"),
    ("EINVAL", "livepatch: invalid access to vmlinux symbol 'show' from module-specific livepatch relocation section",
     "symbol-misplaced", "it refers to show of the kernel in a section for a module"),
    ("EINVAL", "livepatch: symbol position 3 for symbol 'show' in object 'vmlinux' not found", "sympos-out-of-range",
     "vmlinux has no show number 3"),
    ("EINVAL", "livepatch: failed to find location for function 'inlined'", "function-not-traceable",
     "ftrace cannot redirect inlined"),
    ("EINVAL", "livepatch: failed to set ftrace filter for function 'inlined' (-22)", "function-not-traceable",
     "ftrace cannot redirect inlined"),
    ("EBUSY", "livepatch: failed to register ftrace handler for function 'probed' (-16)", "ftrace-busy",
     "holds probed, or kernel.ftrace_enabled is 0"),
    ("ENODEV", "livepatch: pre-patch callback failed for object 'vmlinux'", "callback-refused",
     "pre-patch callback for vmlinux refused"),
    ("EINVAL", "livepatch: Livepatch patch (fix) is not compatible with the already installed livepatches.",
     "states-incompatible", "its states do not fit"),
    ("EPERM", "livepatch: func tiny size less than limit", "function-too-short", "tiny is too short for the jump"),
    ("EBUSY", "kpatch: activeness safety check failed for held", "function-in-use", "a task is in held"),
    ("EAGAIN", "kgr: can't patch, another patching not yet finalized", "transition-running",
     "another kGraft patch is still in transition"),
    ("ENOPKG", "livepatch: module 'target' not loaded", "dependency-not-loaded", "target is not loaded"),
    ("EINVAL", "failed to validate module [fix] BTF: -22", "btf-mismatch", "type information is of another kernel"),
    ("ENOEXEC", "fix: module has no symbols (stripped?)", "module-stripped", "stripped of its symbols"),
    ("EEXIST", "sysfs: cannot create duplicate filename '/kernel/livepatch/fix/vmlinux/show,1'", "duplicate-function",
     "it replaces vmlinux:show,1 twice"),
    ("EBUSY", "fix: init suspiciously returned -EEXIST: Overriding with -EBUSY", "load-refused",
     "init function refused with EEXIST"),
]
UNTOLD = [
    ("EPERM", "not-permitted"), ("EACCES", "denied-by-security-module"), ("EBUSY", "transition-running"),
    ("EEXIST", "name-loaded"), ("EAGAIN", "kernel-busy"), ("ENOEXEC", "not-loadable"), ("EBADMSG", "signature-corrupt"),
    ("EKEYREJECTED", "signature-rejected"), ("ETXTBSY", "file-being-written"), ("ENOMEM", "no-memory"),
    ("EINVAL", "load-refused"),
]


def refused(name, lines, **options):
    """The error of a load; a line is a text of the kernel with level 5, or (level, text)."""
    code = getattr(errno, name)
    pairs = [(5, line) if isinstance(line, str) else line for line in lines]
    records = [Record(level >> 3, level & 7, number, 1.0, text) for number, (level, text) in enumerate(pairs)]
    return load_error("fix", OSError(code, os.strerror(code)), records, **options)


@pytest.mark.parametrize("name, line, code, words", TOLD)
def test_the_log_tells_the_cause(name, line, code, words):
    error = refused(name, ["usb 1-1: new device", line, "livepatch: failed to enable patch 'fix'"])
    assert error.code == code
    number = getattr(errno, name)
    assert error.message.startswith(f"The kernel refused to load fix with {name} ({number}): ")
    assert words in error.message
    assert error.details["errno"] == name
    assert error.details["kernel_log"] == [line, "livepatch: failed to enable patch 'fix'", "usb 1-1: new device"]


def test_every_row_of_the_table_is_tested():
    assert {code for _pattern, code, _why in LOG_CAUSES} == {code for _name, _line, code, _words in TOLD}
    assert {errno.errorcode[code] for code in ERRNO_CAUSES} == {name for name, _code in UNTOLD} - {"EINVAL"}


@pytest.mark.parametrize("name, code", UNTOLD)
def test_an_errno_alone_has_a_cause(name, code):
    error = refused(name, [])
    assert (error.code, error.details) == (code, {"errno": name, "kernel_log": []})
    assert error.message.startswith(
        f"The kernel refused to load fix with {name} ({getattr(errno, name)}). The usual cause: ")
    assert error.message.endswith(". It logged nothing during the load.")


def test_the_first_cause_wins_over_what_follows_from_it():
    error = refused("EINVAL", ["fix: disagrees about version of symbol foo", "fix: Unknown symbol foo (err -22)"])
    assert error.code == "symbol-version-mismatch"


def test_what_another_module_s_load_logged_is_not_blamed_on_this_one():
    lines = ["other: disagrees about version of symbol foo", "prefix: Unknown symbol foo (err -2)"]
    error = refused("EPERM", lines)
    assert (error.code, error.details["kernel_log"]) == ("not-permitted", lines)


def test_what_lockdown_denies_to_another_process_is_no_cause():
    assert refused("EINVAL", ["Lockdown: dd: /dev/mem,kmem,port is restricted"]).code == "load-refused"


OWN_LINE = "sec-2026-0001: needs parameter ready=1 on this machine"


@pytest.mark.parametrize("name", ["ENOENT", "EPERM", "EINVAL", "EBUSY"])
def test_a_line_with_a_prefix_of_the_patch_s_own_is_shown(name):
    """Many patches print under the name of a fix, not of a module."""
    noise = [(4, "fix_module: loading out-of-tree module taints kernel."), (6, "usb 1-1: new device")]
    error = refused(name, [*noise, (3, OWN_LINE), "livepatch: tainting kernel with TAINT_LIVEPATCH"])
    assert error.message.endswith(
        f" It logged 4 lines during the load (see kernel_log). The most severe: {OWN_LINE}")
    assert OWN_LINE in error.details["kernel_log"]
    assert error.details["kernel_log"][0] == "livepatch: tainting kernel with TAINT_LIVEPATCH"
    assert "The usual cause: " in error.message


def test_what_a_process_wrote_to_the_log_is_not_the_kernel_s():
    error = refused("EINVAL", [(8 * 3 + 3, "livepatch: symbol 'forged' not found in symbol table")])
    assert (error.code, error.details["kernel_log"]) == ("load-refused", [])


def test_one_line_is_one_line():
    assert " It logged 1 line during the load (see kernel_log)." in refused("EINVAL", ["usb 1-1: new device"]).message


def test_a_long_log_is_cut_and_says_so():
    error = refused("EINVAL", [(6, f"line {number} " + "x" * 10_000) for number in range(102)] + [(3, "fix: at last")])
    lines = error.details["kernel_log"]
    assert len(lines) == MOST_LINES + 1
    assert lines[0] == "fix: at last"
    assert lines[-1] == "(3 more lines left out)"
    assert max(map(len, lines)) <= LONGEST_LINE
    assert "The most severe: fix: at last" in error.message


def test_a_log_that_lacks_lines_is_not_called_empty():
    error = refused("EINVAL", [], overwritten=True)
    assert error.message.endswith("Its log of that time was overwritten.")
    assert error.details["kernel_log"] == ["(the kernel has overwritten other lines of that time)"]
    error = load_error("fix", OSError(errno.EINVAL, "Invalid argument"), None)
    assert error.message.endswith("The kernel log (/dev/kmsg) could not be read. Read it on the host.")
    assert error.details["kernel_log"] == []


def test_text_of_the_log_controls_no_terminal():
    error = refused("EINVAL", [(3, "\x1b[2Jfix-1: gone")])
    assert "\x1b" not in error.message + "".join(error.details["kernel_log"])


def test_a_refused_load_leaves_the_host_as_it_was(kernel, interface, apply):
    line = "livepatch: symbol 'no_such' not found in symbol table"
    kernel.say("livepatch: failed to find location for function 'of_yesterday'")
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch(refused=("EINVAL", [line])))
    assert caught.value.code == "symbol-missing"
    assert caught.value.details["kernel_log"] == [line]
    assert caught.value.details["changed"] is False
    assert (interface.state("fix"), kernel.names("/sys/module")) == ("absent", [])


def test_a_leftover_that_was_taken_out_for_a_refused_load_is_a_change(apply):
    apply(SimulatedPatch())
    apply(name="fix", state="disabled")
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch(refused=("ENOMEM", [])))
    assert (caught.value.code, caught.value.details["changed"]) == ("no-memory", True)
    assert caught.value.details["patch"]["state"] == "absent"
