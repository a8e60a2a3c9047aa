# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated hosts of these tests cost as much in a large fleet as in a small one."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.simulated.host_of_fleet import Host


def test_a_call_reads_what_is_of_its_own_host_and_counts_its_own_steps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("behavior", "steps", "fleet"):
        Path(name).mkdir()
    for name in ("web1", "web2"):
        Path("behavior", name).write_text(json.dumps({"look": ["ok", "ill"]}))
    read = []
    monkeypatch.setattr(Path, "read_text", lambda path: read.append(path.name) or path.read_bytes().decode())
    assert [Host("web1").how("look"), Host("web1").how("check"), Host("web1").how("look")] == ["ok", "ok", "ill"]
    assert Host("web2").how("look") == "ok"
    assert read[:-1] == ["web1"] * (len(read) - 1)
