# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build jobs on the build host: each has a private directory, by the digest of everything that it is made of.

    WORK/JOB/lock            held by the worker as long as it lives
    WORK/JOB/build.json      the facts about the build, for the result of a task
    WORK/JOB/spec.json       for worker.py, which is copied beside it
    WORK/JOB/sources/        source patches, or the source of a module
    WORK/JOB/output/         the patch file
    WORK/JOB/log, cache/     output and caches of the builder
    WORK/JOB/originals*      files of the source tree that the builder changes
    WORK/JOB/progress.json   while it runs;  result.json  when it has ended;  reported  when a task has failed with it
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from contextlib import contextmanager, suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._building import worker
from ansible_collections.kernel.livepatch.plugins.module_utils._building.failures import (
    likely_cause,
    meaningful_lines,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import (
    open_regular,
    private_directory,
    refuse_shared_directory,
    write_private,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import spawn
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import (
    NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    matches,
    parse_json,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

JOB = re.compile(r"[A-Za-z0-9_]{1,64}-[0-9a-f]{16}\Z")
KEPT_SECONDS = 7 * 24 * 3600
LOCK, RESULT, PROGRESS, MANIFEST = "lock", worker.RESULT, worker.PROGRESS, worker.MANIFEST
LARGEST_RECORD = 1 << 20
LOG_BYTES = 256 << 10  # of the end of a log
LONGEST_NAMES = 300  # characters in a message
BULKY = ("cache", "originals")
BUILD = {
    "name": TEXT, "release": OPTIONAL_TEXT, "arch": TEXT, "kernel_build_id": OPTIONAL_TEXT, "tool": TEXT,
    "tool_version": TEXT, "compiler": OPTIONAL_TEXT, "source": TEXT, "inputs": TEXT, "replace": bool, "signed": bool}
PROGRESS_SHAPE = {"step": TEXT, "compiled": NUMBER, "began": NUMBER}


class Jobs:
    """The jobs below one work directory, a path on the build host outside of any root."""

    def __init__(self, directory):
        self.directory = directory

    def job(self, name):
        """The job of a name, whether it exists or not; raises LivepatchError `no-such-job` for another text."""
        if not isinstance(name, str) or not JOB.match(name):
            raise _no_such_job(name)
        return Job(os.path.join(self.directory, name))

    def originals(self):
        """The place of the saved copy by the path of each file that builds in source trees have changed until now."""
        found = {}
        for name in sorted(os.listdir(self.directory)) if os.path.isdir(self.directory) else ():
            job = Job(os.path.join(self.directory, name))
            saved = job.saved_files() if JOB.match(name) else None
            for entry in saved["files"] if saved else ():
                place = job.path("originals", entry["copy"] or "absent")
                found[os.path.join(saved["tree"], entry["name"])] = place
        return found

    @contextmanager
    def starting(self):
        """Hold the lock of the work directory: one job is started at a time."""
        private_directory(self.directory)
        with _locked(os.path.join(self.directory, ".lock"), fcntl.LOCK_EX):
            yield

    def sweep(self, now):
        """Remove jobs that ended long ago; not those that left a source tree changed."""
        for name in sorted(os.listdir(self.directory)):
            job = os.path.join(self.directory, name)
            if JOB.match(name) and os.path.isdir(job) and not os.path.islink(job):
                old = now - os.stat(job).st_mtime > KEPT_SECONDS
                if old and not os.path.exists(os.path.join(job, MANIFEST)) and not Job(job).is_running():
                    shutil.rmtree(job)


class Job:
    """One job by its directory."""

    def __init__(self, directory):
        self.directory = directory
        self.name = os.path.basename(directory)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def exists(self):
        return os.path.exists(self.path("build.json"))

    def state(self):
        """`absent`, `running`, `done`, `damaged` (done, with another file), `failed`, `reported` or `killed`.

        `reported`: failed, and a task has told it.
        """
        if not self.exists():
            return "absent"
        # The lock before the result: a worker ends between the two.
        running = self.is_running()
        result = self._read(RESULT, {"state": TEXT})
        if result and result["state"] == "done":
            return "done" if self._output_digest() == result.get("sha256") else "damaged"
        if result:
            return "reported" if os.path.exists(self.path("reported")) else "failed"
        return "running" if running else "killed"

    def saved_files(self):
        """The list of files that the builder changes in its source tree, or None."""
        return self._read(MANIFEST, {"tree": TEXT, "files": [{"name": TEXT, "copy": OPTIONAL_TEXT}]})

    def is_running(self):
        """Whether the worker lives: it holds the lock of the job."""
        try:
            with _locked(self.path(LOCK), fcntl.LOCK_SH | fcntl.LOCK_NB):
                return False
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return True
            if error.errno == errno.ENOENT:
                return False
            raise

    def build(self):
        """The dict in build.json; raises LivepatchError `no-such-job`."""
        found = self._read("build.json", BUILD)
        if found is None:
            raise _no_such_job(self.name)
        return found

    def output(self):
        return self.path("output", f"{self.name.rpartition('-')[0]}.ko")

    def _output_digest(self):
        try:
            with open_regular(self.output()) as stream:
                return hashlib.sha256(stream.read()).hexdigest()
        except OSError:
            return None

    def result(self):
        return self._read(RESULT, {"state": TEXT, "sha256": TEXT, "size": NUMBER})

    def progress(self, now):
        """`step`, `compiled` (a number of objects) and `seconds` since the begin."""
        found = self._read(PROGRESS, PROGRESS_SHAPE) or {"step": "starting", "compiled": 0, "began": now}
        ended = self._read(RESULT, {"ended": NUMBER})
        seconds = max(0, int((ended["ended"] if ended else now) - found["began"]))
        return {"step": found["step"], "compiled": int(found["compiled"]), "seconds": seconds}

    def prepare(self):
        """Make the directory, or empty it but for what the next worker needs to restore a source tree."""
        private_directory(self.directory)
        kept = (MANIFEST, "originals") if os.path.exists(self.path(MANIFEST)) else ()
        for name in os.listdir(self.directory):
            if name not in kept:
                path = self.path(name)
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
        for name in ("sources", "output", "cache"):
            private_directory(self.path(name))

    def start(self, build, spec, interpreter):
        """Record the job and start its worker, which inherits the lock and the job's life from here on."""
        self._write("spec.json", spec)
        source = sys.modules[worker.__name__].__spec__.loader.get_source(worker.__name__)
        write_private(self.path("worker.py"), lambda stream: stream.write(source.encode("utf-8")))
        self._write("build.json", build)
        descriptor = os.open(self.path(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # a look of another task holds it for a moment
            spawn([interpreter, "-I", "-B", self.path("worker.py"), self.directory], keep=(descriptor,))
        finally:
            os.close(descriptor)

    def tidy(self):
        """Remove what a finished build does not need any more; its log stays."""
        for name in BULKY:
            if name != "originals" or not os.path.exists(self.path(MANIFEST)):
                shutil.rmtree(self.path(name), ignore_errors=True)

    def failure(self, state):
        """The LivepatchError for a failed or killed job."""
        if state == "damaged":
            return LivepatchError(
                "build-output-damaged",
                f"{self.output()} is not there any more, or has other bytes than the build made. Run the task again to "
                "build again.", log=[], log_path=self.path("log"))
        with suppress(OSError):
            os.close(os.open(self.path("reported"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        text = "\n".join(_end_of(path) for path in self._logs())
        details = {"log": meaningful_lines(text), "log_path": self.path("log")}
        result = self._read(RESULT, {"what": TEXT, "status": NUMBER}) or {}
        cause = likely_cause(f"{text}\n{result.get('why') or ''}")
        if cause:
            return LivepatchError(cause[0], cause[1], **details)
        if state == "killed":
            return LivepatchError(
                "build-killed",
                "The build was ended from outside: the build host was rebooted, or a process was killed. Run the task "
                "again to build again.", **details)
        if result.get("what") == "signature":
            return LivepatchError(
                "signature-failed",
                f"sign-file could not sign the patch ({result.get('why')}). Check sign_key and sign_cert, "
                f"and see the last lines in log and {self.path('log')}.", **details)
        if result.get("what") == "name":
            made = truncate(str(result.get("why")), LONGEST_NAMES)
            return LivepatchError(
                "build-failed",
                f"The source makes other modules than {self.name.rpartition('-')[0]}: {made}. Set name to the name of "
                "the live patch.", **details)
        if result.get("what") == "worker":
            return LivepatchError(
                "build-failed", f"The build could not run ({result.get('why')}). Correct this and run again.",
                **details)
        how = f"exit status {result.get('status')}" if result.get("status") else "it made no patch file"
        return LivepatchError(
            "build-failed",
            f"The build failed ({how}), and its log shows no known cause. See the last lines in log, and "
            f"{self.path('log')} on the build host.", **details)

    def _logs(self):
        spec = self._read("spec.json", {"root": TEXT}) or {"root": "/", "counted": []}
        prefix = "" if spec["root"] == "/" else spec["root"]
        paths = [prefix + entry["file"] for entry in spec.get("counted") or []]
        return [path for path in reversed(paths) if os.path.isfile(path)] or [self.path("log")]

    def _read(self, name, shape):
        """The record in a file, or None if it is missing or has another shape."""
        try:
            with open(self.path(name), "rb") as stream:
                found = parse_json(stream.read(LARGEST_RECORD))
        except (OSError, ValueError):
            return None
        return found if matches(found, shape) else None

    def _write(self, name, value):
        write_private(self.path(name), lambda stream: stream.write(json.dumps(value).encode("utf-8")))


def existing_jobs(directory):
    """The Jobs of a work directory that has to exist; raises LivepatchError `no-such-job`, `directory-not-private`."""
    if not os.path.isdir(directory):
        raise _no_such_job(directory)
    refuse_shared_directory(directory)
    return Jobs(directory)


def _no_such_job(name):
    return LivepatchError(
        "no-such-job", f"The build host has no build job {name!r}. Run the task again to start it.")


def _end_of(path):
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - LOG_BYTES))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


@contextmanager
def _locked(path, how):
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if how == fcntl.LOCK_EX else 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
