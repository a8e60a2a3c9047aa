# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check as a session of nox. `make` installs nox and what the sessions need of Debian, and calls it.

Sessions `env-NAME` install the pinned packages of tests/check/requirements/NAME.txt, once; the others use them.
antsibull-nox.toml adds docs-check, license-check, extra-checks and build-import-check.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import antsibull_nox
import nox
from antsibull_nox.collection import load_collection_data_from_disk, setup_current_tree

CHECKOUT = Path(__file__).resolve().parent
sys.path.insert(0, str(CHECKOUT))

from tests.check import ansible_test, awx_collection, interpreters, promtool, reports  # noqa: E402
from tests.check.lifetime import bound  # noqa: E402
from tests.check.linters import LINTERS  # noqa: E402
from tests.check.machines import run_options  # noqa: E402
from tests.check.packages import as_root  # noqa: E402
from tests.check.paths import REQUIREMENTS, cache_dir, short_lived  # noqa: E402
from tests.lab.kernels import KERNELS  # noqa: E402

RUN = Path(os.environ.get("KERNEL_LIVEPATCH_RUN") or tempfile.mkdtemp(prefix="kernel-livepatch-run-"))
REPORTS = RUN / "reports"
INSTALL_ONLY = bool(os.environ.get("KERNEL_LIVEPATCH_INSTALL_ONLY"))

OLDEST_CORE_PYTHONS = ("3.11", "3.12", "3.10")
HOST_PYTHON = "3.6"
HOST_TESTS = ("tests/unit/plugins/module_utils", "tests/unit/plugins/modules")
# Playbooks take most of the time of all units; these files are about the same code as the other ones.
SLOW_PLAYBOOKS = tuple(f"tests/unit/plugins/playbooks/test_{name}.py" for name in (
    "build_playbook", "hostile_texts", "rollout_hooks", "rollout_own_tasks", "rollout_surroundings",
    "rollout_variables", "runner", "runner_events", "runner_jobs", "runner_streamed", "awx_api", "awx_playbook",
    "pipeline_examples"))
# The same for the oldest ansible-core: what these test is decided by this collection alone.
NEWEST_CORE_PLAYBOOKS = (*SLOW_PLAYBOOKS, *(f"tests/unit/plugins/playbooks/test_{name}.py" for name in (
    "hostile_facts", "report_playbook", "rollout_unreachable_hooks", "wrong_patterns_and_names")))
# Campaigns over logic that no version of Python or of ansible-core decides, and that take long.
NEWEST_PYTHON_CAMPAIGNS = ("tests/unit/plugins/module_utils/scenarios/test_crash_points.py",)
NEWEST_CORE_CAMPAIGNS = ("tests/unit/plugins/plugin_utils/_report/test_bounds.py",)
# A CI system is to answer in this time: the last session gets what is left. It may also end a run that takes twice as
# long, so no session begins after LAST_BEGIN_MINUTES. What has no turn counts as skipped.
CI_MINUTES, LEAST_KERNEL_MINUTES, LAST_BEGIN_MINUTES = 37, 1, 60
BEGAN = time.monotonic()
# The table of every test on every kernel, to which the session `kernels` adds what it sees.
CASES = CHECKOUT / "docs" / "docsite" / "rst" / "guide_kernels_results.rst"
BUILDER_CASES = CASES.with_name("guide_builders_results.rst")
MATRIX = CASES.with_name("guide_matrix_results.rst")
REAL_PATCH, REAL_FILES = "cmdline-v1", "tests/unit/plugins/plugin_utils/_formats/test_real_files.py"
FUZZ_INPUTS, SHORT_FUZZ_SECONDS = 200_000, 15

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["units", "lint"]
antsibull_nox.load_antsibull_nox_toml()


# Environments

def _environment(name: str, python: str | None, *first: str) -> None:
    def install(session: nox.Session) -> None:
        if first:
            session.install(*first)
        session.install("--requirement", str(REQUIREMENTS / f"{name}.txt"))
    install.__doc__ = f"Install the packages of {name}.txt."
    nox.session(name=f"env-{name}", python=python, default=False)(install)


def _first(versions: tuple[str, ...]) -> str:
    return next((str(path) for path in map(interpreters.find, versions) if path), versions[0])


_environment("newest-core", None)
_environment("tools", None)
_environment("oldest-core", _first(OLDEST_CORE_PYTHONS))
_environment("host-python", _first((HOST_PYTHON,)), interpreters.LAST_PIP[HOST_PYTHON])


def _programs(session: nox.Session, name: str) -> Path:
    """Return the directory of an environment's programs; skips the session where there is no interpreter for it."""
    programs = Path(session.cache_dir).parent / f"env-{name}" / "bin"
    if not programs.is_dir():
        session.skip(f"there is no Python for {name} here")
    return programs


def _ci_minutes() -> float:
    """Return the minutes that a CI system has waited for this run; 0 without one."""
    return (time.monotonic() - BEGAN) / 60 if os.environ.get("CI") else 0


def _check(name: str, *environments: str) -> Callable:
    """Make a session of a function, with these environments."""
    def decorate(function: Callable[[nox.Session], None]) -> Callable[[nox.Session], None]:
        @functools.wraps(function)
        def check(session: nox.Session) -> None:
            if INSTALL_ONLY:
                return
            if _ci_minutes() > LAST_BEGIN_MINUTES:
                session.skip(f"not run: {LAST_BEGIN_MINUTES} minutes of this run are over")
            function(session)
        needed = [f"env-{environment}" for environment in environments]
        return nox.session(name=name, venv_backend="none", requires=needed, default=False)(check)
    return decorate


@contextmanager
def _collection() -> Iterator[Path]:
    """Yield a copy of what git tracks, and what is new and not ignored, at .../ansible_collections/kernel/livepatch.

    `parents[2]` of it is the directory for ANSIBLE_COLLECTIONS_PATH and PYTHONPATH.
    """
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-") as root:
        data = load_collection_data_from_disk(CHECKOUT, current=True)
        yield setup_current_tree(root, data).current_path


def _run(session: nox.Session, *command: object, minutes: float = 20, **options) -> None:
    session.run(*bound(command, minutes), external=True, **options)


# Unit tests

def _pytest(session: nox.Session, programs: Path, *arguments: object, report: str = "pytest") -> list[object]:
    """Return the command of pytest, which leaves its report with those of the run and nothing in the checkout."""
    report = REPORTS / session.name / f"{report}.xml"
    return [programs / "python", "-B", "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--color=no",
            f"--junitxml={report}", *arguments]


def _units(session: nox.Session, environment: str, *options: str, dist: str = "worksteal", **variables: str) -> None:
    # The runs of playbooks, which take longest, are all in a few files.
    workers = (f"--numprocesses={len(os.sched_getaffinity(0))}", f"--dist={dist}")
    with short_lived() as place:
        _run(session, *_pytest(session, _programs(session, environment), "--quiet", *workers, *options),
             env={**variables, **place}, minutes=30)


@_check("units", "newest-core")
def units(session: nox.Session) -> None:
    """The unit tests on the newest ansible-core, without the slowest."""
    place = promtool.ensure()
    if place is None:
        session.log("promtool could not be downloaded: the tests of metrics and alert rules with it are skipped")
    _units(session, "newest-core", "tests/unit", *(f"--ignore={path}" for path in SLOW_PLAYBOOKS),
           PATH=f"{os.environ['PATH']}:{place or ''}".rstrip(":"))


@_check("units-playbooks", "newest-core")
def units_playbooks(session: nox.Session) -> None:
    """The slowest unit tests: more runs of playbooks, on the newest ansible-core only."""
    awx = awx_collection.ensure((_programs(session, "newest-core") / "python", "-m", "pip"))
    if awx is None:
        session.log("The collection awx.awx could not be downloaded: the tests of its arguments are skipped")
    _units(session, "newest-core", *SLOW_PLAYBOOKS, KERNEL_LIVEPATCH_AWX=str(awx or ""))


@_check("units-oldest-core", "oldest-core")
def units_oldest_core(session: nox.Session) -> None:
    """The unit tests of what a controller runs, on the oldest ansible-core; Python 3.6 has its module_utils."""
    folders = ("action", "filter", "lookup", "modules", "playbooks", "plugin_utils")
    left_out = (f"--ignore={path}" for path in (*NEWEST_CORE_PLAYBOOKS, *NEWEST_CORE_CAMPAIGNS))
    _units(session, "oldest-core", *(f"tests/unit/plugins/{folder}" for folder in folders), *left_out)


@_check("units-host-python", "oldest-core", "host-python")
def units_host_python(session: nox.Session) -> None:
    """The host half's unit tests, on Python 3.6, with ansible-core 2.16, the last that drives it."""
    core = ansible_test.site_packages(_programs(session, "oldest-core"))
    with _collection() as collection:
        root = collection.parents[2]
        # `ansible` has module_utils there and nothing of a controller, like on a host.
        package = root / "host" / "ansible"
        package.mkdir(parents=True)
        package.joinpath("__init__.py").touch()
        package.joinpath("module_utils").symlink_to(core / "ansible" / "module_utils")
        # The collection is found through PYTHONPATH; the conftests above are written for a controller's Python.
        options = ("--confcutdir=tests/unit/plugins/module_utils", *HOST_TESTS,
                   *(f"--ignore={path}" for path in NEWEST_PYTHON_CAMPAIGNS))
        with session.chdir(collection):
            # The last pytest-xdist for this Python does not know `worksteal`.
            _units(session, "host-python", *options, dist="load", PYTHONPATH=f"{root}:{package.parent}")


# Fuzzers

def _fuzz(session: nox.Session, *options: object) -> None:
    python = _programs(session, "newest-core") / "python"
    failures = RUN / session.name
    _run(session, python, "-B", "-m", "tests.fuzz", "run", *options, "--failures", failures, minutes=60)


@_check("fuzz", "newest-core")
def fuzz(session: nox.Session) -> None:
    """Feed damaged and made-up files to everything that reads a patch file."""
    _fuzz(session, "--inputs", FUZZ_INPUTS)


@_check("fuzz-short", "newest-core")
def fuzz_short(session: nox.Session) -> None:
    """Feed the first of the same files."""
    _fuzz(session, "--seconds", SHORT_FUZZ_SECONDS)


# Static checks

@_check("lint", "tools")
def lint(session: nox.Session) -> None:
    """Every linter, over a copy of the collection, so that all find it by its name."""
    programs = _programs(session, "tools")
    failed = []
    with _collection() as collection:
        root = collection.parents[2]
        variables = {
            "ANSIBLE_COLLECTIONS_PATH": str(root), "PYTHONPATH": str(root), "MYPYPATH": str(root),
            "PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        for linter in LINTERS:
            session.log(f"Lint: {linter.name}")
            reason = ""
            try:
                with session.chdir(collection):
                    _run(session, *linter.command_for(collection), env=variables)
            except nox.command.CommandFailed as error:
                reason = str(error)
                failed.append(linter.name)
            reports.write_case(REPORTS / session.name / f"{linter.name}.xml", "lint", linter.name, failure=reason)
    if failed:
        session.error(f"{', '.join(failed)} failed")


def _sanity(session: nox.Session, environment: str, *options: str) -> None:
    programs = _programs(session, environment)
    variables = ansible_test.variables(programs, cache_dir() / "ansible-test", interpreters.find(HOST_PYTHON))
    # The tests are not in the collection that is published, and have linters of their own.
    options = ("--requirements", "--junit", "--color", "no", "--exclude", "tests/", *options)
    command = (programs / "ansible-test", "sanity", "--venv", *options)
    with _collection() as collection:
        try:
            with session.chdir(collection):
                _run(session, *command, env=variables)
        finally:
            ansible_test.keep_reports(collection, REPORTS / session.name)


@_check("sanity", "newest-core")
def sanity(session: nox.Session) -> None:
    """ansible-test sanity, on the newest ansible-core."""
    _sanity(session, "newest-core")


@_check("sanity-oldest-core", "oldest-core")
def sanity_oldest_core(session: nox.Session) -> None:
    """ansible-test sanity, on the oldest ansible-core."""
    # Its pylint is an older one; the newest core's has read the same files.
    _sanity(session, "oldest-core", "--skip-test", "pylint")


# Real kernels

def _as_root(session: nox.Session, minutes: float, *command: object) -> None:
    # What sudo drops of the environment otherwise.
    settings = ("PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1")
    _run(session, *as_root("env", *settings, *map(str, command)), minutes=minutes)


def _kernel(session: nox.Session, minutes: float, *options: str, report: str = "pytest") -> None:
    """Run the suite. It leaves a table of what was seen, for a page of the documentation."""
    results = RUN / f"{session.name}.rst"
    options = ("--verbose", *run_options(), "--results", str(results), *options, "tests/lab/suite")
    try:
        _as_root(session, minutes, *_pytest(session, _programs(session, "newest-core"), *options, report=report))
    finally:
        session.log(f"What was seen is in {results}")


@_check("real-files", "newest-core")
def real_files(session: nox.Session) -> None:
    """Build a patch with the real kpatch-build, and read it. klp-build is left out: it builds a whole kernel."""
    try:
        _as_root(session, 20, sys.executable, "-B", "-m", "tests.lab", "builders", "--builder", "kpatch-build",
                 "--patch", REAL_PATCH)
    except nox.command.CommandFailed:
        # The archives of Debian may lack a file that the builder needs. The tests say that they are skipped.
        session.log("kpatch-build has not made its patch, see above")
    programs = _programs(session, "newest-core")
    _as_root(session, 10, *_pytest(session, programs, "--quiet", REAL_FILES, "-k", f"kpatch-build-{REAL_PATCH}"))


@_check("kernel", "newest-core")
def kernel(session: nox.Session) -> None:
    """The suite that patches real kernels."""
    _kernel(session, 75)


@_check("kernel-core", "newest-core")
def kernel_core(session: nox.Session) -> None:
    """The tests of that suite that are marked `core`."""
    _kernel(session, 40, "-m", "core")


@_check("kernel-rest", "newest-core")
def kernel_rest(session: nox.Session) -> None:
    """Its other tests."""
    left = max(CI_MINUTES - _ci_minutes(), LEAST_KERNEL_MINUTES)
    _kernel(session, 75, "-m", "not core", *(("--minutes", f"{left:.0f}") if os.environ.get("CI") else ()))


@_check("kernel-all", "newest-core")
def kernel_all(session: nox.Session) -> None:
    """The suite with what takes long: a change that is ended before each of its steps."""
    _kernel(session, 240, "--exhaustive", "--every-phase")


@_check("kernels", "newest-core")
def kernels(session: nox.Session) -> None:
    """The suite with what takes long on each kernel of the lab, or on those that KERNELS names."""
    failed = []
    for name in os.environ.get("KERNELS", "").split() or KERNELS:
        try:
            pages = ("--cases", str(CASES), "--builder-cases", str(BUILDER_CASES))
            _kernel(session, 480, "--exhaustive", "--kernel", name, *pages, report=name)
        except nox.command.CommandFailed:
            failed.append(name)
    session.log(f"The outcome of each test is in {CASES}")
    if failed:
        session.error(f"tests failed on {', '.join(failed)}")


@_check("matrix", "newest-core")
def matrix(session: nox.Session) -> None:
    """Each ansible-core, each Python of hosts, real guests; or the parts and rows that PART names."""
    python = _programs(session, "newest-core") / "python"
    # Where interpreters are looked for; sudo has another home and another PATH.
    pyenv = os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"
    settings = (f"PATH={os.environ['PATH']}", f"PYENV_ROOT={pyenv}")
    options = ("--page", MATRIX, "--reports", REPORTS / session.name, *os.environ.get("PART", "").split())
    _as_root(session, 600, *settings, python, "-B", "-m", "tests.matrix", *options)


@_check("demo", "newest-core")
def demo(session: nox.Session) -> None:
    """The demonstration."""
    _as_root(session, 40, _programs(session, "newest-core") / "python", "-B", "-m", "tests.lab.demo")


# Documentation

@_check("docs", "tools")
def docs(session: nox.Session) -> None:
    """Build the documentation pages."""
    pages = cache_dir() / "docs"
    # Without what is left of pages that no longer exist.
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(mode=0o700)
    source = ("antsibull-docs", "sphinx-init", "--use-current", "--squash-hierarchy", "--lenient")
    with _collection() as collection:
        root = str(collection.parents[2])
        env = {"ANSIBLE_COLLECTIONS_PATH": root, "PATH": f"{_programs(session, 'tools')}:/usr/bin:/bin"}
        _run(session, *source, "--dest-dir", pages, "kernel.livepatch", env=env)
        _run(session, pages / "build.sh", env=env)
    session.log(f"The first page is {pages / 'build' / 'html' / 'index.html'}")


# Releases

@_check("release", "tools")
def release(session: nox.Session) -> None:
    """Make a release of the version that VERSION names."""
    programs = _programs(session, "tools")
    command = (programs / "python", "-B", "-m", "tests.check.release", os.environ.get("VERSION", ""))
    _run(session, *command, env={"PATH": f"{programs}:/usr/bin:/bin"})
