# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks with livepatch_require_signature: what is not signed is refused before a host is asked.

The bundle is signed by the real ansible-sign and gpg; the hosts are simulated.
"""

from __future__ import annotations

import pytest

PLAYBOOKS = ("rollout", "apply", "preflight", "status")


@pytest.fixture
def signed(rollout, signer, tmp_path):
    """signed(playbook): the end of a run over one host, with a bundle that must be signed."""
    patches = tmp_path / "patches"
    patches.mkdir()
    (tmp_path / "fix.ko").rename(patches / "fix.ko")
    signer.sign(patches)
    return lambda playbook: rollout(
        ["web1"], playbook=f"kernel.livepatch.{playbook}", livepatch_src="patches",
        livepatch_require_signature=str(signer.keyring))


def asked(tmp_path):
    return (tmp_path / "calls.jsonl").exists()


def test_a_rollout_of_a_signed_bundle(signed, tmp_path, runs):
    run = signed("rollout")
    assert (run.code, asked(tmp_path)) == (0, True), run.output
    assert list(runs()) == ["web1"]


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_changed_file_is_refused_before_a_host_is_asked(signed, tmp_path, playbook):
    with open(tmp_path / "patches" / "fix.ko", "ab") as file:
        file.write(b"\0")
    run = signed(playbook)
    assert (run.code, "bundle-file-changed" in run.output, asked(tmp_path)) == (2, True, False), run.output
