# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing of what a simulated builder has made: the trial of the key before the build, and the signature."""

import hashlib
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building import context
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

SIGN_FILE = """\
#!/bin/sh
test -e {simulation}/no-signature && exit 3
printf '%s %s %s' "$1" "$2" "$3" >>"$4"
"""


SIGN_TRIAL = """\
#!/bin/sh
echo "$@" >{simulation}/tried
"""


def signing(host):
    host.program("tree/scripts/sign-file", SIGN_FILE.replace("{simulation}", host.directory))
    return {"sign_key": host.put("key.pem", "-----BEGIN PRIVATE KEY-----"),
            "sign_cert": host.put("cert.pem", "-----BEGIN CERTIFICATE-----")}


def test_a_patch_is_signed_by_the_program_of_the_kernel(build_host, step, ended):
    options = signing(build_host)
    result = ended(step(**options))
    with open(result["remote_file"], "rb") as stream:
        content = stream.read()
    assert content == b"a kernel module" + f"sha256 {options['sign_key']} {options['sign_cert']}".encode()
    assert result["build"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert result["build"]["signed"] is True


def test_a_signature_that_fails_is_no_patch(build_host, step, ended, until):
    build_host.hold()
    started = step(**signing(build_host))
    until(build_host.calls)
    build_host.put("no-signature", "")  # such as a key that is moved meanwhile
    build_host.let_go()
    with pytest.raises(LivepatchError) as caught:
        ended(started)
    assert caught.value.code == "signature-failed"


def test_the_key_is_tried_before_the_build_and_leaves_nothing(build_host, step, monkeypatch):
    monkeypatch.setattr(context, "SCRATCH", [build_host.path("scratch")])
    os.mkdir(build_host.path("scratch"))
    options = signing(build_host)
    build_host.program("tree/scripts/sign-file", SIGN_TRIAL.replace("{simulation}", build_host.directory))
    assert step(check_mode=True, **options)["findings"] == []
    hashed, key, certificate, file = build_host.read("tried").split()
    assert (hashed, key, certificate) == ("sha256", options["sign_key"], options["sign_cert"])
    assert file.startswith(build_host.path("scratch/")) and os.listdir(build_host.path("scratch")) == []


def test_a_key_in_a_token_is_not_tried_before_the_build(build_host, step):
    options = signing(build_host)
    build_host.program("tree/scripts/sign-file", SIGN_TRIAL.replace("{simulation}", build_host.directory))
    assert step(check_mode=True, **dict(options, sign_key="pkcs11:token=x"))["findings"] == []
    assert not os.path.exists(build_host.path("tried"))


def test_the_private_key_is_in_no_file_of_a_job(build_host, step, ended):
    result = ended(step(**signing(build_host)))
    for place, _directories, names in os.walk(os.path.dirname(os.path.dirname(result["remote_file"]))):
        for name in names:
            with open(os.path.join(place, name), "rb") as stream:
                assert b"PRIVATE KEY" not in stream.read()


@pytest.mark.parametrize("option", ["sign_key", "sign_cert", "config", "vmlinux"])
def test_a_file_that_never_ends_is_refused_and_not_waited_for(build_host, step, option):
    options = signing(build_host)
    os.mkfifo(build_host.path("fifo"))
    if option in options:
        options[option] = build_host.path("fifo")
    else:
        options["kernel"] = {option: build_host.path("fifo")}
    with pytest.raises(LivepatchError) as caught:
        step(check_mode=True, **options)
    assert caught.value.code in ("sign-key-unusable", "config-unreadable", "kernel-missing")
    if option in ("sign_key", "sign_cert"):
        assert "fifo cannot be used to sign the patch: it is not a regular file" in caught.value.message


@pytest.mark.parametrize("key", ["key.pem", "~/key.pem", "keys/key.pem"])
def test_a_key_with_a_relative_path_is_refused_wherever_the_task_runs(build_host, step, monkeypatch, key):
    options = signing(build_host)
    monkeypatch.chdir(build_host.directory)
    with pytest.raises(LivepatchError) as caught:
        step(check_mode=True, **dict(options, sign_key=key))
    assert (caught.value.code, "beginning with /" in caught.value.message) == ("bad-option", True)
