# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host keeps on its disk after acceptances and a crash: written by today's code, or by an earlier one.

The files of each version are in ../scenarios/records, as one JSON object: path to text, or to the target of a link.
Those before 0.1.0 were written by the code of their time. A stand-in is put in the place of the program.
"""

import json
import os
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import PROGRAM
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot, confirm_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._util.seal import seal
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    THREE,
    TWO,
    accept,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

RECORDS = Path(__file__).parents[1] / "scenarios" / "records"
TOPS = ("/var/lib/kernel-livepatch", "/etc/systemd/system")
EARLIER_PROGRAM = seal(b"#!/usr/bin/python3 -I -B\n", b"the program of another version")
SYMBOLS = [{"object": "vmlinux", "name": "one", "sympos": 0, "needed_by": ["vmlinux"]}]


def live(host, apply, systemd):
    """v1 and two accepted, three in quarantine after a crash, and one enabled."""
    accept(apply, SimulatedPatch("v1", build_id="11" * 20, replace=True, klp_symbols=SYMBOLS))
    apply(THREE, trial=60)
    reboot(host, clean=False)
    systemd.stop_all()
    boot(host)
    host.sleep(2000)
    confirm_boot(host)
    accept(apply, TWO)
    apply(ONE)


def records_of(host):
    """All files that a version left on the disk of the host."""
    found = {}
    for path in sorted(path for top in TOPS for path in Path(host.path(top)).rglob("*")):
        name = f"/{path.relative_to(host.path('/'))}"
        if path.is_symlink():
            found[name] = {"link": os.readlink(path)}
        elif path.is_file() and path.suffix != ".pyz":
            found[name] = path.read_text(encoding="utf-8")
    return found


def read_records(version):
    """The files of one version."""
    return json.loads((RECORDS / f"{version}.json").read_text(encoding="utf-8"))


def put_records(host, records):
    """Give a host these files."""
    for path, content in records.items():
        if isinstance(content, str):
            host.put(path, content)
        else:
            Path(host.path(path)).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(content["link"], host.path(path))
    host.put(PROGRAM, EARLIER_PROGRAM)
    os.chmod(host.path(PROGRAM), 0o700)


def shape_of(records):
    """{kind of file: the keys and types in it}, with all elements of a list as one."""
    shapes = {}
    for path, content in records.items():
        if path.endswith((".json", ".jsonl")):
            kind = "patches/*.json" if "/patches/" in path else path.rpartition("/")[2]
            for line in content.splitlines() if path.endswith(".jsonl") else [content]:
                record = json.loads(line)
                key = f"{kind} {record.get('event', '')}".strip()
                shapes[key] = _merge(shapes.get(key), dict(_shape(record), schema=record["schema"]))
    return shapes


def _shape(value):
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        merged = None
        for item in value:
            merged = _merge(merged, _shape(item))
        return [merged]
    return type(value).__name__


def _merge(one, other):
    """The shape that both have; None is that of nothing."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _merge(one.get(key), other.get(key)) for key in sorted({*one, *other})}
    if isinstance(one, list) and isinstance(other, list):
        return [_merge(one[0], other[0])]
    return other if one in (None, "NoneType") else one
