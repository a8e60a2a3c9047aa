# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build job leaves: a full disk, hostile directories and records, the removal of old jobs."""

import errno
import hashlib
import json
import os
import signal

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building import context, jobs, plan, worker
from ansible_collections.kernel.livepatch.plugins.module_utils._building.jobs import KEPT_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_builders import (
    job_of,
    worker_of,
)

UNRECORDED = """\
#!/bin/sh
rm -f "$CACHEDIR/../progress.json"
mkdir -p "$CACHEDIR/../progress.json/in-the-way"
echo Building patched source
exec {real} "$@"
"""


def test_progress_that_cannot_be_written_ends_no_build(build_host, step, ended):
    os.rename(build_host.path("tools/kpatch-build"), build_host.path("tools/real"))
    build_host.program("tools/kpatch-build", UNRECORDED.replace("{real}", build_host.path("tools/real")))
    result = ended(step())
    assert (result["state"], result["progress"]["seconds"]) == ("built", 0)


def test_a_job_without_space_tells_so(build_host, failed, step):
    """SIMULATED: as from a worker whose disk is full, so that the log of the builder says nothing."""
    build_host.put("tools/kpatch-build", "#!/bin/sh\nrm -r \"$CACHEDIR/../output\"\nexit 0\n")
    started = step()
    error = failed()
    assert "it made no patch file" in error.message
    job = job_of(build_host, started)
    os.unlink(job.path("reported"))
    with open(job.path("result.json"), "w") as stream:
        json.dump({"state": "failed", "what": "worker", "status": 0, "why": f"OSError: {os.strerror(errno.ENOSPC)}"},
                  stream)
    assert job.failure("failed").code == "build-space-low"


@pytest.mark.parametrize("module, function", [
    (context.shutil, "copyfile"), (context.tempfile, "mkdtemp"), (jobs, "private_directory"), (plan, "write_sources")])
def test_a_full_disk_before_the_build_tells_so(build_host, step, monkeypatch, module, function):
    """SIMULATED: at each place where a task writes before the worker does."""
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patched:
        patched.setattr(module, function, full)
        with pytest.raises(LivepatchError) as caught:
            step()
    assert (caught.value.code, "no space left" in caught.value.message) == ("build-space-low", True)
    assert step()["state"] == "running"


@pytest.mark.parametrize("full", ["jobs", "tree"])
@pytest.mark.parametrize("free, inodes", [(0, 5), (3, 5), (100000, 0)])
def test_a_builder_that_fails_on_a_full_disk_tells_so_without_a_word_in_its_log(
        tmp_path, monkeypatch, full, free, inodes):
    """SIMULATED: the result of statvfs(3)."""
    job, tree = tmp_path / "jobs" / f"fix-{'0' * 16}", tmp_path / "tree"
    job.mkdir(parents=True)
    tree.mkdir()
    spec = {
        "root": "/", "directory": "/", "tree": str(tree), "saved": [], "counted": [], "environment": {},
        "argv": ["/bin/sh", "-c", "exit 120"], "found_below": None, "sign": None, "output": str(job / "fix.ko")}
    (job / "spec.json").write_text(json.dumps(spec))
    real = os.statvfs

    def statvfs(place):
        found = list(real(place))
        if f"/{full}" in str(place)[len(str(tmp_path)):]:
            found[1:7] = [4096, 100000, free, free, 100, inodes]
        else:
            found[1:7] = [4096, 100000, 50000, 50000, 100, 50]
        return os.statvfs_result(found)
    monkeypatch.setattr(worker.os, "statvfs", statvfs)
    worker.main(str(job))
    error = jobs.Job(str(job)).failure("failed")
    assert error.code == "build-space-low"
    assert f"No space left on device: {job if full == 'jobs' else tree}" in error.message


def test_a_builder_without_a_file_has_failed(build_host, failed):
    build_host.put("tools/kpatch-build", "#!/bin/sh\nexit 0\n")
    assert "it made no patch file" in failed().message


def test_a_program_that_does_not_start_is_told(build_host, failed):
    build_host.put("tools/kpatch-build", "no program")
    error = failed()
    assert error.code == "build-failed" and "could not run" in error.message


@pytest.mark.parametrize("damage", [
    lambda path: os.chmod(path, 0o755), lambda path: (os.rename(path, f"{path}.x"), os.symlink(f"{path}.x", path))])
def test_a_directory_for_jobs_that_others_control_is_refused(build_host, step, damage):
    os.mkdir(build_host.build_dir, 0o700)
    damage(build_host.build_dir)
    with pytest.raises(LivepatchError) as caught:
        step()
    assert caught.value.code == "directory-not-private"
    assert build_host.calls() == []


def test_a_link_in_place_of_a_job_is_refused(build_host, step):
    name = step(check_mode=True)["job"]
    os.mkdir(build_host.build_dir, 0o700)
    os.mkdir(build_host.path("elsewhere"))
    build_host.put("elsewhere/precious", "x")
    os.symlink(build_host.path("elsewhere"), os.path.join(build_host.build_dir, name))
    with pytest.raises(LivepatchError) as caught:
        step()
    assert caught.value.code == "directory-not-private"
    assert build_host.read("elsewhere/precious") == "x"


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc", "fix", "fix-0123456789abcdeg", "fix-0123456789abcdef/..", None])
def test_a_name_that_is_no_job_is_refused(build_host, step, ended, name):
    ended(step())
    with pytest.raises(LivepatchError) as caught:
        step("look", job=name)
    assert caught.value.code == "no-such-job"


def test_a_damaged_record_is_no_job(build_host, step, ended):
    result = ended(step())
    job = job_of(build_host, result)
    for content in ("", "[]", "{}", "\0", json.dumps({"name": 1})):
        with open(job.path("build.json"), "w") as stream:
            stream.write(content)
        with pytest.raises(LivepatchError) as caught:
            step("look", job=result["job"])
        assert caught.value.code == "no-such-job"


def directory_at(path):
    os.unlink(path)
    os.mkdir(path)


def fifo_at(path):
    os.rename(path, f"{path}.real")
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [
    os.unlink, directory_at, fifo_at, lambda path: os.truncate(path, 0), lambda path: os.truncate(path, 5)],
    ids=["gone", "directory", "fifo", "empty", "cut short"])
def test_a_patch_file_that_is_gone_or_damaged_is_told_and_built_again(build_host, step, ended, damage):
    """As after a power failure: its record was on the disk, and the file was not."""
    result = ended(step())
    damage(result["remote_file"])
    with pytest.raises(LivepatchError) as caught:
        step("look", job=result["job"])
    assert caught.value.code == "build-output-damaged" and "build again" in caught.value.message
    again = ended(step())
    assert (again["state"], again["build"]["sha256"]) == ("built", result["build"]["sha256"])
    assert len(build_host.calls()) == 2


def test_empty_paths_stand_for_the_defaults(build_host, step, monkeypatch):
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs import patch_build
    monkeypatch.setattr(patch_build, "BUILD_DIRECTORY", build_host.path("default"))
    assert step(check_mode=True, build_dir="", kernel={"root": ""})["remote_file"].startswith(
        build_host.path("default"))


def test_old_jobs_are_removed_but_those_that_left_a_tree_changed(build_host, step, ended):
    old, changed = ended(step(name="old")), ended(step(name="changed"))
    for result in (old, changed):
        job = job_of(build_host, result)
        if result is changed:
            with open(job.path("originals.json"), "w") as stream:
                json.dump({"tree": "/elsewhere", "files": []}, stream)
        before = os.stat(job.directory).st_mtime - KEPT_SECONDS - 10
        os.utime(job.directory, (before, before))
    new = ended(step(name="new"))
    kept = set(os.listdir(build_host.build_dir))
    assert kept == {".lock", changed["job"], new["job"]}


def test_a_failed_build_keeps_no_copies_of_the_tree(build_host, failed, step):
    """A copy of vmlinux can have a gigabyte, and a failed job stays for a week."""
    build_host.put("fails", "broken")
    started = step()
    failed()
    job = job_of(build_host, started)
    assert os.path.exists(job.path("log")) and not os.path.exists(job.path("originals"))


def test_a_killed_build_keeps_no_copies_once_its_tree_is_restored(build_host, step, ended, until):
    build_host.hold()
    started = step()
    until(build_host.calls)
    os.kill(worker_of(build_host, started), signal.SIGKILL)
    until(lambda: not job_of(build_host, started).is_running())
    assert os.listdir(job_of(build_host, started).path("originals"))
    build_host.let_go()
    ended(step(name="other"))
    assert not os.path.exists(job_of(build_host, started).path("originals"))


def test_a_finished_build_keeps_its_log_and_no_caches(build_host, step, ended):
    job = job_of(build_host, ended(step()))
    assert os.path.exists(job.path("log")) and not os.path.exists(job.path("cache"))


@pytest.mark.parametrize("sha256", ["0" * 64, ""])
def test_sources_with_other_bytes_than_were_sent_are_refused(build_host, sha256):
    from ansible_collections.kernel.livepatch.plugins.module_utils._building.sources import read_sent

    with pytest.raises(LivepatchError) as caught:
        read_sent(build_host.put("sent.json", "{}"), sha256)
    assert caught.value.code == "source-changed"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../x", "x y", ".", "a//b", ""])
def test_a_sent_file_with_a_name_that_leads_out_is_refused(build_host, name):
    from ansible_collections.kernel.livepatch.plugins.module_utils._building.sources import read_sent

    path = build_host.put("sent.json", json.dumps({"module": True, "files": [{"name": name, "content": ""}]}))
    with open(path, "rb") as stream:
        digest = hashlib.sha256(stream.read()).hexdigest()
    with pytest.raises(LivepatchError) as caught:
        read_sent(path, digest)
    assert caught.value.code == "unreadable"
