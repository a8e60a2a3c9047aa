# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's refusals, each from the line that it logs (texts of Linux 6.1) to one cause."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.load_errors import (
    ERRNO_CAUSES,
    LOG_CAUSES,
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
    ("EINVAL", "failed to validate module [fix] BTF: -22", "btf-mismatch", "type information is of another kernel"),
    ("ENOEXEC", "fix: module has no symbols (stripped?)", "module-stripped", "stripped of its symbols"),
]
UNTOLD = [
    ("EPERM", "not-permitted"), ("EACCES", "denied-by-security-module"), ("EBUSY", "transition-running"),
    ("EEXIST", "name-loaded"), ("ENOEXEC", "not-loadable"), ("EBADMSG", "signature-corrupt"),
    ("EKEYREJECTED", "signature-rejected"), ("ETXTBSY", "file-being-written"), ("ENOMEM", "no-memory"),
    ("EINVAL", "load-refused"),
]


def refused(name, lines):
    code = getattr(errno, name)
    return load_error("fix", OSError(code, os.strerror(code)), lines)


@pytest.mark.parametrize("name, line, code, words", TOLD)
def test_the_log_tells_the_cause(name, line, code, words):
    error = refused(name, ["usb 1-1: new device", line, "livepatch: failed to enable patch 'fix'"])
    assert error.code == code
    assert error.message.startswith("The kernel refused to load fix: ") and words in error.message
    assert error.details["errno"] == name
    assert line in error.details["kernel_log"] and "usb 1-1: new device" not in error.details["kernel_log"]


def test_every_row_of_the_table_is_tested():
    assert {code for _pattern, code, _why in LOG_CAUSES} == {code for _name, _line, code, _words in TOLD}
    assert {errno.errorcode[code] for code in ERRNO_CAUSES} == {name for name, _code in UNTOLD} - {"EINVAL"}


@pytest.mark.parametrize("name, code", UNTOLD)
def test_an_errno_alone_has_a_cause(name, code):
    error = refused(name, [])
    assert (error.code, error.details) == (code, {"errno": name, "kernel_log": []})


def test_the_first_cause_wins_over_what_follows_from_it():
    error = refused("EINVAL", ["fix: disagrees about version of symbol foo", "fix: Unknown symbol foo (err -22)"])
    assert error.code == "symbol-version-mismatch"


def test_what_another_module_s_load_logged_is_not_blamed_on_this_one():
    error = refused("EPERM", ["other: disagrees about version of symbol foo", "prefix: Unknown symbol foo (err -2)"])
    assert (error.code, error.details["kernel_log"]) == ("not-permitted", [])


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
