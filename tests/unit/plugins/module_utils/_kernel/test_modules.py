# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules in the kernel, and taking a disabled patch out."""

import errno
import os
import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import (
    loaded_module,
    remove_module,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError


def failure(kernel, name):
    with pytest.raises(LivepatchError) as caught:
        remove_module(kernel, name)
    return caught.value


def test_a_module_as_the_kernel_shows_it(kernel):
    kernel.plain_module("fix", taint="OEK", refcnt=2)
    kernel.put("/sys/module/fix/holders/user", "")
    assert loaded_module(kernel, "fix") == {
        "state": "live", "refcnt": 2, "taint": "OEK", "livepatch": True, "build_id": "bb" * 20, "holders": ["user"]}


def test_code_that_is_built_in_is_no_module(kernel):
    kernel.put("/sys/module/printk/parameters/time", "Y\n")
    assert loaded_module(kernel, "printk") is None
    assert remove_module(kernel, "printk") is False


def test_it_is_taken_out_once_nothing_refers_to_it(kernel):
    kernel.plain_module("fix", taint="K", refcnt=1)
    kernel.at(5, lambda: kernel.put("/sys/module/fix/refcnt", "0\n"))
    assert remove_module(kernel, "fix") is True
    assert 5 <= kernel.now() < 5.2
    assert remove_module(kernel, "fix") is False


def test_it_may_go_by_itself_meanwhile(kernel):
    kernel.plain_module("fix", taint="K")
    kernel.removal_errno = errno.ENOENT
    assert remove_module(kernel, "fix") is False


def test_it_may_go_by_itself_while_it_is_waited_for(kernel):
    kernel.plain_module("fix", taint="K", refcnt=1)
    kernel.at(5, lambda: shutil.rmtree(kernel.path("/sys/module/fix")))
    assert remove_module(kernel, "fix") is False
    assert 5 <= kernel.now() < 5.2


def test_a_reference_that_stays_pins_it(kernel):
    kernel.plain_module("fix", taint="K", refcnt=1)
    error = failure(kernel, "fix")
    assert error.code == "module-pinned"
    assert 15 <= kernel.now() < 15.2
    assert kernel.exists("/sys/module/fix")


def test_users_are_named(kernel):
    kernel.plain_module("fix", taint="K", refcnt=1)
    kernel.put("/sys/module/fix/holders/user", "")
    error = failure(kernel, "fix")
    assert (error.code, error.message) == (
        "module-in-use", "The module fix is used by user. Unload these modules first.")


def test_a_module_that_is_no_live_patch_is_left_alone(kernel):
    kernel.plain_module("e1000", taint="OE")
    assert failure(kernel, "e1000").code == "not-a-livepatch"
    assert kernel.exists("/sys/module/e1000")


@pytest.mark.parametrize("name, code", [
    ("EPERM", "not-permitted"), ("EAGAIN", "module-in-use"), ("EBUSY", "module-busy"), ("EINTR", "removal-refused")])
def test_a_refused_removal_is_told(kernel, name, code):
    kernel.plain_module("fix", taint="K")
    kernel.removal_errno = getattr(errno, name)
    error = failure(kernel, "fix")
    assert error.code == code
    assert error.message.startswith(
        f"The kernel refuses to unload the module fix with {name} ({getattr(errno, name)}): ")


def test_a_file_that_goes_while_it_is_read_is_no_failure(kernel):
    kernel.plain_module("fix", taint="K")
    for attribute in ("refcnt", "taint", "notes/.note.gnu.build-id"):
        os.unlink(kernel.path(f"/sys/module/fix/{attribute}"))
    assert loaded_module(kernel, "fix") == {
        "state": "live", "refcnt": 0, "taint": "", "livepatch": False, "build_id": None, "holders": []}
