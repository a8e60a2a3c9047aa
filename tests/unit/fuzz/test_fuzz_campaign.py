# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzers find readers that are broken in each way, keep the input, and come to an end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import strategies as st

CHECKOUT = Path(__file__).resolve().parents[3]
BAIT = b"bait"
MIB = 1024 * 1024


def raises(data):
    raise IndexError("not an answer")


def takes_memory(data):
    return bool(bytearray(200 * MIB))


def takes_time(data):
    begun = time.process_time()
    while time.process_time() - begun < 0.06:
        pass
    return True


def never_ends(data):
    while True:
        pass


def crashes(data):
    os._exit(3)


# (a reader, words of the reason that is kept)
BROKEN = {
    "raises": (raises, "IndexError: not an answer"),
    "takes memory": (takes_memory, "MemoryError"),
    "takes time": (takes_time, "took 0.1 s, more than"),
    "never ends": (never_ends, "was stuck at this input"),
    "crashes": (crashes, "the process ended with 3"),
}


@pytest.fixture
def campaign(monkeypatch):
    """The module, with limits of time that tests can wait for."""
    from tests.fuzz import campaign, worker

    monkeypatch.setattr(worker, "MAX_SECONDS", 0.05)
    monkeypatch.setattr(campaign, "_STUCK_SECONDS", 3.0)
    return campaign


def plan(campaign, failures, inputs=10):
    return campaign.Plan(inputs, seed=1, processes=1, failures=failures)


def made_up(campaign, read, contents):
    from tests.fuzz.targets import Target

    return campaign.Job("a reader", Target("reader", read, 100 * MIB), 100, 1, None, contents)


def damaged(campaign, read):
    from tests.fuzz.mutations import Mutator, Original
    from tests.fuzz.targets import Target

    mutator = Mutator([Original("bait", BAIT * 20, None)], 1)
    return campaign.Job("a reader", Target("reader", read, 100 * MIB), 100, 1, mutator)


@pytest.mark.parametrize(("read", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_reader_is_found_and_its_input_kept(campaign, tmp_path, read, reason):
    def read_bait(data):
        return read(data) if data == BAIT else True

    job = made_up(campaign, read_bait, st.sampled_from([b"harmless", BAIT]))
    found = campaign.run(job, plan(campaign, tmp_path), None, print)
    assert found.failures >= 1
    [kept] = tmp_path.glob("reader-*.input")
    assert kept.read_bytes() == BAIT
    assert reason in kept.with_suffix(".txt").read_text()


def test_a_made_up_input_that_fails_is_made_small(campaign, tmp_path):
    def read(data):
        assert len(data) < 10
        return True

    found = campaign.run(made_up(campaign, read, st.binary(max_size=1000)), plan(campaign, tmp_path, 200), None, print)
    assert found.failures >= 1
    assert bytes(10) in [kept.read_bytes() for kept in tmp_path.glob("*.input")]


def test_inputs_are_counted_and_those_that_were_understood(campaign, tmp_path):
    found = campaign.run(damaged(campaign, lambda data: len(data) % 2 == 0), plan(campaign, tmp_path, 100), None, print)
    assert (found.inputs, found.failures) == (100, 0)
    assert 0 < found.understood < 100
    assert list(tmp_path.iterdir()) == []


def test_time_ends_a_job_before_its_inputs_are_used_up(campaign, tmp_path):
    for make in (damaged, lambda *job: made_up(*job, st.binary())):
        job = make(campaign, lambda data: True)
        found = campaign.run(job, plan(campaign, tmp_path, 10**9), 0.3, print)
        assert found.failures == 0
        assert 0 < found.inputs < 10**9


def test_the_same_seed_gives_the_same_damage():
    from tests.fuzz.mutations import Mutator, Original

    original = Original("bait", BAIT * 20, None)
    first, second, other = (Mutator([original], seed) for seed in (1, 1, 2))
    assert [first.mutant(number) for number in range(50)] == [second.mutant(number) for number in range(50)]
    assert first.mutant(0) != other.mutant(0)


@pytest.fixture
def compiled(tmp_path):
    """An ELF file with symbols, data and relocations."""
    source = "int number = 1; int *pointer = &number; int function(void) { return number; }"
    target = tmp_path / "compiled.ko"
    subprocess.run(["gcc", "-c", "-x", "c", "-", "-o", str(target)], input=source, text=True, check=True)
    return target


def test_damage_reaches_every_part_of_a_module(compiled):
    from tests.fuzz.elf_fields import find_fields
    from tests.fuzz.mutations import Mutator, Original

    data = compiled.read_bytes()
    fields = find_fields(data)
    mutator = Mutator([Original("module", data, fields)], 1)
    same_size = [mutant for mutant in map(mutator.mutant, range(3000)) if len(mutant) == len(data)]
    touched = {place for mutant in same_size for place in range(len(data)) if mutant[place] != data[place]}
    for group in ("header", "section header", "symbol", "relocation", "data"):
        places = {field.offset for field in fields.fields[group]}
        assert len(places & touched) > len(places) / 4, group


def replay(path, *options):
    command = [sys.executable, "-B", "-m", "tests.fuzz", "replay", str(path), *options]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_a_kept_input_can_be_replayed(tmp_path):
    kept = tmp_path / "describe-0123456789ab.input"
    kept.write_bytes(b"\x7fELF")
    done = replay(kept)
    assert (done.returncode, "refused as it should be" in done.stdout) == (0, True)


def test_a_file_of_any_name_needs_the_name_of_its_reader(compiled):
    assert replay(compiled).returncode == 2
    assert "understood" in replay(compiled, "--target", "read-on-host").stdout
