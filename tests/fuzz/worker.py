# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process that feeds inputs to a reader, within limits of time and memory."""

from __future__ import annotations

import ctypes
import dataclasses
import hashlib
import mmap
import multiprocessing
import resource
import struct
import time
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import Mutator
from tests.fuzz.targets import Target

# Of processor time, so that other work on the machine does not count.
MAX_SECONDS = 2.0
_ROUND = 1000  # hypothesis slows down when it has to remember more
_LENGTH = struct.Struct("<Q")
_LARGEST_INPUT = 8 * 1024 * 1024
_MOST_FAILURES = 10
_FORK = multiprocessing.get_context("fork")


class _Counters(ctypes.Structure):
    _fields_ = [
        ("inputs", ctypes.c_uint64),
        ("understood", ctypes.c_uint64),
        ("failures", ctypes.c_uint64),
        ("worst_seconds", ctypes.c_double),
        ("begun", ctypes.c_double),  # of the current input, time.monotonic(); 0 between inputs
        ("peak_bytes", ctypes.c_uint64),
    ]


@dataclasses.dataclass(frozen=True)
class Share:
    """What one process does: inputs `first`, `first + step` and so on, until there are enough or time is over."""

    target: Target
    seed: int
    first: int
    step: int
    inputs: int
    seconds: float | None
    failures: Path


class Failed(AssertionError):
    """An input failed; the text says how. For hypothesis, which then looks for a smaller one."""


class _TimeIsOver(BaseException):
    """Not an Exception: hypothesis would take it for a failure and look for a smaller input."""


class Worker:
    """A child process. What it counts, and the input that it is at, are in memory that it shares with its parent."""

    def __init__(self, share: Share, mutator: Mutator | None, strategy: st.SearchStrategy[bytes] | None) -> None:
        self.share = share
        self._mutator = mutator
        self._strategy = strategy
        self.counters = _FORK.RawValue(_Counters)
        self._current = mmap.mmap(-1, _LARGEST_INPUT)
        self._deadline = None if share.seconds is None else time.monotonic() + share.seconds
        self.process = _FORK.Process(target=self._work)
        self.process.start()

    def current_input(self) -> bytes:
        """The input that the process was at when it ended or was stopped."""
        size = _LENGTH.unpack_from(self._current)[0]
        return self._current[_LENGTH.size : _LENGTH.size + size]

    def _work(self) -> None:
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (used + self.share.target.memory, resource.RLIM_INFINITY))
        before = _peak()
        try:
            if self._mutator is not None:
                self._mutate(self._mutator)
            elif self._strategy is not None:
                self._generate(self._strategy)
        except Exception:
            self._keep(self.current_input(), f"the fuzzer itself failed, after this input:\n{traceback.format_exc()}")
        self.counters.peak_bytes = max(_peak() - before, 0)

    def _mutate(self, mutator: Mutator) -> None:
        number = self.share.first
        while self._wants_more():
            data = mutator.mutant(number)
            reason = self._try(data)
            if reason:
                self._keep(data, reason)
            number += self.share.step

    def _generate(self, strategy: st.SearchStrategy[bytes]) -> None:
        number = self.share.first
        while self._wants_more():
            self._one_round(strategy, number, min(_ROUND, self.share.inputs - self.counters.inputs))
            number += self.share.step

    def _one_round(self, strategy: st.SearchStrategy[bytes], number: int, inputs: int) -> None:
        smallest: list[tuple[bytes, str]] = []

        def examine(data: bytes) -> None:
            if self._is_late():
                raise _TimeIsOver
            reason = self._try(data)
            if reason:
                smallest[:] = [(data, reason)]
                raise Failed(reason)

        options = settings(
            max_examples=inputs,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        examine_all = seed(f"{self.share.seed}/{number}")(options(given(strategy)(examine)))
        try:
            examine_all()
        except Failed:
            self._keep(*smallest[0])
        except _TimeIsOver:
            pass  # _wants_more() says the same

    def _wants_more(self) -> bool:
        counters = self.counters
        return counters.inputs < self.share.inputs and counters.failures < _MOST_FAILURES and not self._is_late()

    def _is_late(self) -> bool:
        """After the first input: of each kind there shall be one, however busy the machine is."""
        return self._deadline is not None and self.counters.inputs > 0 and time.monotonic() > self._deadline

    def _try(self, data: bytes) -> str | None:
        """Feed one input; return what is wrong, or None."""
        data = data[: _LARGEST_INPUT - _LENGTH.size]
        self._current[_LENGTH.size : _LENGTH.size + len(data)] = data
        _LENGTH.pack_into(self._current, 0, len(data))
        self.counters.begun = time.monotonic()
        begun = time.process_time()
        reason = None
        try:
            self.counters.understood += self.share.target.read(data)
        except Exception:
            reason = traceback.format_exc()
        seconds = time.process_time() - begun
        self.counters.begun = 0
        self.counters.inputs += 1
        self.counters.worst_seconds = max(self.counters.worst_seconds, seconds)
        if seconds > MAX_SECONDS:
            reason = reason or f"took {seconds:.1f} s, more than {MAX_SECONDS:.0f} s\n"
        return reason

    def _keep(self, data: bytes, reason: str) -> None:
        self.counters.failures += 1
        keep_failure(self.share.failures, self.share.target.name, data, reason)


def keep_failure(directory: Path, target: str, data: bytes, reason: str) -> Path:
    """Write a failing input, and why it failed beside it; return where."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{target}-{hashlib.sha256(data).hexdigest()[:12]}.input"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(reason, encoding="utf-8")
    return path


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
