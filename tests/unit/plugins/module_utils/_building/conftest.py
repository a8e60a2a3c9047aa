# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated build host, and the job of the module patch_build on it.

The collection is imported in the fixtures: pytest reads this file before ../../../conftest.py has made it importable.
"""

import pytest

WAIT_SECONDS = 120  # for a worker on a busy machine; a test waits for a condition, and no longer


@pytest.fixture
def build_host(tmp_path, monkeypatch):
    from ansible_collections.kernel.livepatch.plugins.module_utils._building import root
    from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_builders import (
        SimulatedBuildHost,
    )

    simulated = SimulatedBuildHost(tmp_path / "host")
    simulated.vmlinux(name="tree/vmlinux")
    monkeypatch.setattr(root, "DIRECTORIES", [simulated.bin, *root.DIRECTORIES])
    return simulated


@pytest.fixture
def step(build_host):
    """step(stage="start", check_mode=False, job=None, **options): the result of one call of the module's job."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_build import build_patch

    def run(stage="start", check_mode=False, job=None, known=(), **options):
        request = build_host.request(**options)
        request["via_controller"] = {
            "step": stage, "sources": None, "sha256": None, "known": list(known), "job": job}
        return build_patch(Host(), request, check_mode)
    return run


@pytest.fixture
def refused(step):
    """refused(**options): the findings of a build that is refused, as {code: message}."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

    def run(**options):
        with pytest.raises(LivepatchError) as caught:
            step(check_mode=True, **options)
        found = caught.value.details.get("findings") or [{"code": caught.value.code, "message": caught.value.message}]
        messages = {}
        for entry in found:
            messages[entry["code"]] = messages.get(entry["code"], "") + entry["message"]
        return messages
    return run


@pytest.fixture
def until():
    """until(condition): the first true value of it."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
    from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until

    def wait(condition):
        value = poll_until(Host(), condition, WAIT_SECONDS)
        assert value
        return value
    return wait


@pytest.fixture
def ended(step, until):
    """ended(result): the result of a started build at its end."""
    def wait(result):
        def look():
            seen = step("look", job=result["job"])
            return seen if seen["state"] != "running" else None
        return until(look)
    return wait


@pytest.fixture
def failed(step, ended):
    """failed(**options): the error of a build that fails."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

    def run(**options):
        with pytest.raises(LivepatchError) as caught:
            ended(step(**options))
        return caught.value
    return run
