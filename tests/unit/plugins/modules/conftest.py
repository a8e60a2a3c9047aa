# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module in this process on a simulated kernel.

The collection is imported in the fixtures: pytest reads this file before ../../conftest.py has made it importable.
"""

import importlib
import json

import pytest

# AnsibleModule adds these to a result; since ansible-core 2.22 also the values of options with no_log.
OF_ANSIBLE = ("invocation", "_ansible_new_secrets")


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """The simulated kernel that the modules find instead of the host's."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs import ansible_module
    from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import (
        SimulatedKernel,
    )

    simulated = SimulatedKernel(tmp_path / "host")
    monkeypatch.setattr(ansible_module, "Host", lambda: simulated)
    return simulated


@pytest.fixture
def run(monkeypatch, capsys):
    """run(plugin, options): the module's exit code and its result, as Ansible reads it from standard output.

    `offer` is what the controller's half offers, `image` the text of an enclosed image. run.warned has the warnings of
    the last run.
    """
    from ansible.module_utils import basic

    from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.controller_half import (
        assert_fits,
    )

    def run_module(plugin, check_mode=False, offer=None, image=None, **options):
        if offer is not None:
            options["via_controller"] = {"offer": offer, "image": image}
        arguments = {"ANSIBLE_MODULE_ARGS": dict(options, _ansible_check_mode=check_mode)}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode("utf-8"))
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        # Where these go to depends on whether this process is a controller too.
        run_module.warned = []
        monkeypatch.setattr(basic.AnsibleModule, "warn", lambda self, text: run_module.warned.append(text))
        module = importlib.import_module(f"ansible_collections.kernel.livepatch.plugins.modules.{plugin}")
        with pytest.raises(SystemExit) as ended:
            module.main()
        result = json.loads(capsys.readouterr().out)
        for key in OF_ANSIBLE:
            result.pop(key, None)
        assert_fits(plugin, result)
        return ended.value.code, result

    return run_module
