# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of one build job: `PYTHON -I -B worker.py JOB`. It outlives the connection of the task that starts it.

It is copied into the job's directory and runs there alone, so it imports the standard library only. See jobs.py for the
files of a job. It runs the builder in the root of the job, counts compiled objects, restores the source tree, signs the
result, and writes result.json last. A job without result.json and without a living worker was killed.
"""

import ctypes
import errno
import fcntl
import filecmp
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

CLONE_NEWNS = 0x20000  # include/uapi/linux/sched.h
MS_BIND, MS_REC, MS_SLAVE = 0x1000, 0x4000, 0x80000  # include/uapi/linux/mount.h
PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h
LOOK_SECONDS = 1
MOST_BYTES = 1 << 20  # of a log, read at once
SIGN_SECONDS = 60
END_SECONDS, END_PAUSE = 60, 0.05  # for the tool to clean up after itself
LARGE = 16 << 20  # bytes
LEAST_FREE = 256 << 10  # bytes; with less, the next file of a build fails
RESULT, PROGRESS, MANIFEST = "result.json", "progress.json", "originals.json"
# A file that is removed to make room for the result: a build can fill the disk.
RESERVE, RESERVED = "reserve", 64 << 10  # bytes


def enter(root, directory, dies_with_parent=False):
    """Move this process into `root`, with the host's /dev and /proc there, and to a directory; raises OSError.

    Only this process and its children see the mounts, so nothing has to be unmounted later.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if dies_with_parent:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if root != "/":
        _call(libc.unshare, CLONE_NEWNS)
        _call(libc.mount, b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_SLAVE), None)
        for place in ("dev", "proc"):
            target = os.fsencode(os.path.join(root, place))
            _call(libc.mount, os.fsencode("/" + place), target, None, ctypes.c_ulong(MS_BIND | MS_REC), None)
        os.chroot(root)
    os.chdir(directory)


def _call(function, *arguments):
    if function(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Job:
    """One job by its directory, a path outside of the job's root."""

    def __init__(self, directory):
        self.directory = directory
        self.spec = self.read("spec.json")
        self.progress = {"step": "starting", "compiled": 0, "began": time.time()}
        self.full = None  # the place on a disk that was full during the build
        self.counts = [_Count(self.outside(entry["file"]), entry["pattern"]) for entry in self.spec["counted"]]

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def read(self, name):
        with open(self.path(name)) as stream:
            return json.load(stream)

    def write(self, name, value):
        write_whole(self.path(name), json.dumps(value, sort_keys=True).encode("utf-8"))

    def outside(self, path):
        """A path of the job's root as a path of this process. Only for paths in the job's directory."""
        return path if self.spec["root"] == "/" else self.spec["root"] + path

    def run(self):
        """Run the job to its end; returns the dict for result.json."""
        lock = self._lock_tree()
        try:
            tree = Tree(self.spec["tree"], self) if self.spec["tree"] else None
            if tree:
                tree.restore_after_killed_jobs()
                tree.save()
            try:
                status = self._build(lock)
            finally:
                if tree:
                    tree.restore()
        finally:
            if lock is not None:
                os.close(lock)
        if status:
            # A full disk has no room for the builder's own words in its log.
            why = f"{os.strerror(errno.ENOSPC)}: {self.full}" if self.full else ""
            return {"state": "failed", "what": "builder", "status": status, "why": why}
        return self._finish()

    def _lock_tree(self):
        """Hold the source tree: builders change it. The lock also lives in the builder, which can outlive a worker."""
        if not self.spec["tree"]:
            return None
        self.show("waiting for another build in the same source tree")
        descriptor = os.open(self.spec["tree"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def _build(self, lock):
        """Run the builder; returns its exit status."""
        self.show("starting the builder")
        root, directory = self.spec["root"], self.spec["directory"]
        with open(self.path("log"), "ab") as log:
            builder = subprocess.Popen(
                self.spec["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=self.spec["environment"], start_new_session=True, pass_fds=() if lock is None else (lock,),
                preexec_fn=lambda: enter(root, directory, dies_with_parent=True))  # noqa: PLW1509 - it has no threads
            try:
                while builder.poll() is None:
                    self.count()
                    with suppress(subprocess.TimeoutExpired):
                        builder.wait(LOOK_SECONDS)
            finally:
                end(builder)  # the tree is restored next
        self.count()
        return builder.returncode

    def _finish(self):
        output = self.outside(self.spec["output"])
        if self.spec["found_below"]:
            made = modules_below(self.outside(self.spec["found_below"]))
            found = [path for path in made if module_name(path) == module_name(output)]
            if made and not found:
                names = ", ".join(sorted({module_name(path) for path in made}))
                return {"state": "failed", "what": "name", "status": 0, "why": names}
            if found:
                shutil.copyfile(found[0], output)
        if not os.path.isfile(output) or os.path.islink(output):
            return {"state": "failed", "what": "output", "status": 0}
        if self.spec["sign"]:
            failure = self._sign()
            if failure:
                return dict(failure, state="failed", what="signature")
        with open(output, "rb+") as stream:
            content = stream.read()
            os.fsync(stream.fileno())  # the result must not be on the disk without its file
        return {"state": "done", "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}

    def _sign(self):
        """Sign the patch; returns the `status` of a failure and `why`, or None."""
        self.show("signing")
        root = self.spec["root"]
        with open(self.path("log"), "ab") as log:
            signer = subprocess.Popen(
                self.spec["sign"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=self.spec["environment"], start_new_session=True,
                preexec_fn=lambda: enter(root, "/", dies_with_parent=True))  # noqa: PLW1509 - it has no threads
            try:
                status = signer.wait(SIGN_SECONDS)
            except subprocess.TimeoutExpired:  # such as a token that cannot be reached
                return {"status": 0, "why": f"it did not end within {SIGN_SECONDS} s"}
            finally:
                end(signer)
        return {"status": status, "why": f"exit status {status}"} if status else None

    def count(self):
        """Read what the logs have more by now, record the progress, and look whether a disk is full."""
        for place in filter(None, (self.directory, self.spec["tree"])):
            if _is_full(os.statvfs(place)):
                self.full = place
        for count in self.counts:
            count.read()
        steps = [count.step for count in self.counts if count.step]
        self.show(steps[0] if steps else "building", sum(count.compiled for count in self.counts))

    def show(self, step, compiled=None):
        progress = dict(self.progress, step=step)
        if compiled is not None:
            progress["compiled"] = compiled
        if progress != self.progress or not os.path.exists(self.path(PROGRESS)):
            with suppress(OSError):  # a disk that is full for a moment ends no build
                self.write(PROGRESS, progress)
                self.progress = progress


class _Count:
    """Compiled objects in a growing log, and the builder's last line about a step."""

    STEP = re.compile(
        r"^(?:\x1b\[[0-9;]*m)?((?:Testing|Reading|Building|Extracting|Using|Downloading|Unpacking|Validating|Copying"
        r"|Fixing|Generating|Diffing)\b[^\x1b\n]{0,100})", re.MULTILINE)

    def __init__(self, path, pattern):
        self.path = path
        self.pattern = re.compile(pattern, re.MULTILINE)
        self.offset = 0
        self.compiled = 0
        self.step = None

    def read(self):
        try:
            with open(self.path, "rb") as stream:
                stream.seek(self.offset)
                content = stream.read(MOST_BYTES)
        except OSError:  # not written yet, or removed by the builder
            return
        whole = content[:content.rfind(b"\n") + 1]
        self.offset += len(whole) or (len(content) if len(content) == MOST_BYTES else 0)
        text = whole.decode("utf-8", "replace")
        self.compiled += len(self.pattern.findall(text))
        steps = self.STEP.findall(text)
        if steps:
            self.step = "".join(letter for letter in steps[-1] if letter.isprintable())


class Tree:
    """The source tree of a job. Builders patch it and restore it, unless they are killed; then this class does it."""

    def __init__(self, directory, job):
        self.directory = directory
        self.job = job

    def save(self):
        """Copy each file that the builder changes into the job's directory, and list them in originals.json."""
        os.makedirs(self.job.path("originals"), 0o700, exist_ok=True)
        files = []
        for number, name in enumerate(self.job.spec["saved"]):
            path = os.path.join(self.directory, name)
            entry = {"name": name, "copy": None}
            if os.path.isfile(path) and not os.path.islink(path):
                entry = {"name": name, "copy": str(number), "mode": stat.S_IMODE(os.stat(path).st_mode)}
                _copy(path, self.job.path("originals", str(number)))
            files.append(entry)
        self.job.write(MANIFEST, {"tree": self.directory, "files": files})

    def restore(self):
        restore_tree(self.job.directory)

    def restore_after_killed_jobs(self):
        """Restore what other jobs have left in this tree; the lock proves that none of them runs."""
        jobs = os.path.dirname(self.job.directory)
        for name in sorted(os.listdir(jobs)):
            manifest = os.path.join(jobs, name, MANIFEST)
            if os.path.isfile(manifest) and not os.path.islink(manifest):
                with open(manifest) as stream:
                    tree = json.load(stream)["tree"]
                if tree == self.directory:
                    restore_tree(os.path.join(jobs, name))


def restore_tree(job):
    """Restore each file in originals.json of a job directory that differs, then remove the list and the copies."""
    manifest = os.path.join(job, MANIFEST)
    with open(manifest) as stream:
        saved = json.load(stream)
    for entry in saved["files"]:
        path = os.path.join(saved["tree"], entry["name"])
        if entry["copy"] is None:
            if os.path.isfile(path) and not os.path.islink(path):
                os.unlink(path)
            continue
        copy = os.path.join(job, "originals", entry["copy"])
        if not (os.path.isfile(path) and filecmp.cmp(path, copy, shallow=False)):
            _replace(path, copy, entry["mode"])
    os.unlink(manifest)
    shutil.rmtree(os.path.join(job, "originals"), ignore_errors=True)


def _is_full(status):
    """Whether a file system with this result of statvfs(3) has no room for this user, or no inode."""
    free = status.f_bavail if os.geteuid() else status.f_bfree
    return free * status.f_frsize < LEAST_FREE or (status.f_files > 0 and status.f_ffree == 0)


def modules_below(directory):
    """The paths of the modules in a directory, sorted."""
    return sorted(os.path.join(place, name) for place, _directories, names in os.walk(directory) for name in names
                  if name.endswith(".ko"))


def module_name(path):
    """The name of the module in a file: the build makes underscores of dashes (name-fix in scripts/Makefile.lib)."""
    return os.path.basename(path)[:-len(".ko")].replace("-", "_")


def _copy(path, copy):
    """Copy a file. A large one, vmlinux, is linked if that is possible: linkers write a new file."""
    if os.path.exists(copy):
        os.unlink(copy)
    if os.path.getsize(path) > LARGE:
        try:
            os.link(path, copy)
            return
        except OSError:  # another file system
            pass
    shutil.copyfile(path, copy)


def _replace(path, copy, mode):
    descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=os.path.dirname(path))
    os.close(descriptor)
    try:
        shutil.copyfile(copy, temporary)
        os.chmod(temporary, mode)
        os.rename(temporary, path)
    except BaseException:  # the next build tries again
        os.unlink(temporary)
        raise


def end(process):
    """End a process that leads a group, and everything in the group, if it still runs."""
    if process.returncode is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline and not _has_ended(process):
        time.sleep(END_PAUSE)
    os.killpg(process.pid, signal.SIGKILL)  # no other group can have its number before wait()
    process.wait()


def _has_ended(process):
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def write_whole(path, content):
    """Replace a file by one with this content (0600)."""
    descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main(directory):
    os.umask(0o022)  # builders make files for others in source trees; the job's directory is private anyway
    job = Job(directory)
    try:
        write_whole(job.path(RESERVE), os.urandom(RESERVED))
        result = job.run()
    except Exception as error:  # whatever goes wrong is the result: the job has no terminal
        result = {"state": "failed", "what": "worker", "status": 0, "why": f"{type(error).__name__}: {error}"}
    with suppress(OSError):
        os.unlink(job.path(RESERVE))
    job.write(RESULT, dict(result, ended=time.time(), seconds=time.time() - job.progress["began"]))


if __name__ == "__main__":
    main(sys.argv[1])
