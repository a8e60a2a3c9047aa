# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of the lab for the tests, and what a test asks a guest directly, past the collection."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[3])]

for checks in ("verdicts", "wholeness", "fleet_runs"):
    pytest.register_assert_rewrite(checks)

import fleet_fixtures  # noqa: E402
from builder_cases import BuilderRecorder  # noqa: E402
from cases import NOT_ABOUT, PROPERTY, Recorder  # noqa: E402
from guest import RELEASE, Guest  # noqa: E402
from playbook import Playbooks, task  # noqa: E402
from results import Results, Row  # noqa: E402

from tests.lab import Lab  # noqa: E402
from tests.lab.builders.session import LABS  # noqa: E402
from tests.lab.kernels import DEFAULT_KERNEL, KERNELS, find_kernel  # noqa: E402

RESULTS = pytest.StashKey[Results]()
STARTED = pytest.StashKey[float]()
RELEASED = pytest.StashKey[str]()
# The Python of the first machine, for the report of a run.
PYTHON = pytest.StashKey[str]()
# What a worker of pytest-xdist hands over at its end.
HANDED_OVER = "results"

# The seconds of patch_info on a machine of a host that is not busy.
QUIET_LOOK = 5

# The files that take minutes, longest first, so that the last ones of two workers are short. In a limited time they are
# last: most tests get a turn then, and what has begun at its end is short.
LONG_FILES = (
    "test_source_to_fleet", "test_rollout", "test_fleet_rules", "test_findings", "test_real_builders", "test_load",
    "test_boot", "test_stall", "test_journal", "test_trial", "test_forecast", "test_look", "test_rollback",
    "test_phases", "test_selinux",
)


def pytest_addoption(parser):
    parser.addoption("--kernel", default=DEFAULT_KERNEL, help="which of the lab's kernels to test on")
    parser.addoption("--exhaustive", action="store_true", help="also the tests that go through every step of a change")
    parser.addoption("--every-phase", action="store_true", help="end changes at all of their phases: takes hours")
    parser.addoption("--fleet", type=int, metavar="MACHINES", help="of each kernel in a fleet: 4 if exhaustive, else 2")
    parser.addoption("--builders", action="store_true", help="build what kpatch-build and klp-build have not made yet")
    parser.addoption("--minutes", type=float, help="skip the tests whose turn comes later than this, and say so")
    parser.addoption("--results", type=Path, help="write what was seen into this file, as a table for a page")
    parser.addoption("--cases", type=Path, help="write each outcome into the table of this page, by test and kernel")
    parser.addoption("--builder-cases", type=Path, help="the same for the tests of real builders, by test and builder")


def pytest_configure(config):
    config.addinivalue_line("markers", "core: one of the tests of `make test`; the others run with `make test-all`")
    config.addinivalue_line("markers", "one_kernel: about the controller or the lab; runs with the default kernel only")
    config.addinivalue_line("markers", "exhaustive: takes many minutes; runs with --exhaustive only")
    config.pluginmanager.register(fleet_fixtures)
    config.stash[RESULTS] = Results()
    config.stash[STARTED] = time.monotonic()
    page = config.getoption("--cases")
    if page and not hasattr(config, "workerinput"):
        kernel = find_kernel(config.getoption("--kernel")).name
        config.pluginmanager.register(Recorder(page.resolve(), config.rootpath, tuple(KERNELS), kernel))
    page = config.getoption("--builder-cases")
    if page and not hasattr(config, "workerinput"):
        config.pluginmanager.register(BuilderRecorder(page.resolve(), config.rootpath, tuple(LABS)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A slow machine runs fewer tests in a limited time; before any fixture starts a machine for the others."""
    minutes = item.config.getoption("--minutes")
    if minutes is not None and time.monotonic() - item.config.stash[STARTED] > minutes * 60:
        pytest.skip(f"not run: the {minutes:g} minutes of this run are over")
    if item.get_closest_marker("one_kernel") and item.config.getoption("--kernel") != DEFAULT_KERNEL:
        pytest.skip(f"{NOT_ABOUT}: the controller decides it, see {DEFAULT_KERNEL}")


def pytest_runtest_teardown(item):
    if RELEASED in item.config.stash:
        item.user_properties.append((PROPERTY, item.config.stash[RELEASED]))
    if PYTHON in item.config.stash:
        item.user_properties.append(("python", item.config.stash[PYTHON]))


def pytest_collection_modifyitems(config, items):
    limited = config.getoption("--minutes") is not None
    order = {name: len(LONG_FILES) - place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path.stem, 0), reverse=not limited)
    if not config.getoption("--exhaustive"):
        for item in items:
            if item.get_closest_marker("exhaustive"):
                item.add_marker(pytest.mark.skip(reason="needs --exhaustive"))


def pytest_sessionfinish(session):
    path = session.config.getoption("--results")
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[HANDED_OVER] = session.config.stash[RESULTS].plain()
    elif path:
        session.config.stash[RESULTS].write(path)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Take the rows of a worker that has ended; one that crashed has none."""
    node.config.stash[RESULTS].add_plain(getattr(node, "workeroutput", {}).get(HANDED_OVER, []))


@pytest.fixture(scope="session")
def lab(request):
    with Lab(kernel=request.config.getoption("--kernel")) as the_lab:
        request.config.stash[RELEASED] = the_lab.image.release
        yield the_lab


@pytest.fixture(scope="session")
def patches(lab):
    """Path of each built patch and of the files derived from them, by name."""
    return lab.patches


@pytest.fixture(scope="session")
def machines(request, lab):
    started = lab.machines(1)
    ask = "import platform; print(platform.python_version())"
    request.config.stash[PYTHON] = started[0].ssh(["/usr/bin/python3", "-c", ask]).stdout.strip()
    return started


@pytest.fixture(scope="session")
def playbooks(lab, machines, tmp_path_factory):
    return Playbooks(tmp_path_factory.mktemp("playbooks"), lab.write_inventory(machines))


@pytest.fixture
def guest(machines):
    """A machine without any live patch or module of the lab."""
    the_guest = Guest(machines[0])
    the_guest.clean()
    return the_guest


@pytest.fixture
def play(playbooks, guest):
    """Run one task of this collection on the guest: play("patch", src=..., state=...)."""
    return one_task(playbooks, guest)


@pytest.fixture
def stretched(play):
    """As many seconds as a busy host needs for what a quiet one does in some: stretched(30)."""
    began = time.monotonic()
    play("patch_info")
    factor = max(1, (time.monotonic() - began) / QUIET_LOOK)
    return lambda seconds: round(seconds * factor)


@pytest.fixture
def held(guest, patches):
    """The guest, with a thread inside lab_hold()."""
    guest.hold(patches["lab_holder"])
    return guest


@pytest.fixture
def beside(lab, tmp_path):
    """Start a task on a guest while others run: beside(guest, module, ...) -> a future of its outcome."""
    guests = []

    def start_one(guest, module, /, **options):
        guests.append(guest)
        directory = tmp_path / f"beside{len(guests)}"
        playbooks = Playbooks(directory, lab.write_inventory([guest.machine], f"beside{len(guests)}"))
        return pool.submit(playbooks.run, [task(module, module, **options)], guest.name)
    with ThreadPoolExecutor() as pool:
        yield start_one
        for guest in guests:  # what is still waited for can end
            guest.run(f"! test -e /sys/module/lab_holder || {RELEASE}")


@pytest.fixture
def start(lab, tmp_path):
    """Start a machine for one test alone: start() -> the guest, and what `play` is for it."""
    started = []

    def start_one(kernel_words=""):
        machine, = lab.machines(1, kernel_words)
        started.append(machine)
        inventory = lab.write_inventory([machine], machine.name)
        the_guest = Guest(machine)
        return the_guest, one_task(Playbooks(tmp_path / machine.name, inventory), the_guest)
    yield start_one
    for machine in started:
        lab.end(machine)


@pytest.fixture
def seen(request, lab):
    """Add a row to the table of results: seen(case, what was seen); the seconds are those since the last one.

    What was seen on other kernels than the suite's own names them: seen(case, what, kernels).
    """
    began = [time.monotonic()]
    number = request.session.items.index(request.node)

    def add(case: str, what: str, kernels: str = "") -> None:
        began.append(time.monotonic())
        row = Row(case, kernels or lab.image.release, what, began[-1] - began[-2])
        request.config.stash[RESULTS].rows.append((number, row))
    return add


def one_task(playbooks, guest):
    def run_one(module, /, *flags, play_keywords=None, **options):
        return playbooks.run([task(module, module, **options)], guest.name, *flags, **(play_keywords or {}))
    return run_one
