# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of a build job in this process: what it does when something else than the builder fails."""

import errno
import json
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building import worker

# Its child keeps the tree changed for as long as it lives, as a compiler does, and it needs no time to clean up.
BUILDER = """\
echo changed >{tree}/file
echo $$ >{job}/builder
(while test -d {tree}; do echo changed >{tree}/file; sleep 0.01; done) &
wait
"""


@pytest.fixture
def job(tmp_path):
    tree, directory = tmp_path / "tree", tmp_path / "job"
    tree.mkdir()
    directory.mkdir()
    (tree / "file").write_text("original\n")
    (directory / "output").mkdir()
    spec = {
        "root": "/", "directory": "/", "tree": str(tree), "saved": ["file"], "counted": [], "environment": {},
        "argv": ["/bin/sh", "-c", BUILDER.format(tree=tree, job=directory)], "found_below": None, "sign": None,
        "output": str(directory / "output" / "fix.ko")}
    (directory / "spec.json").write_text(json.dumps(spec))
    return directory


def running_in_group(group):
    """The processes of a group that can still do something."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
                state, _parent, theirs = stream.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if theirs == group and state not in "ZX":
            found.append(pid)
    return found


def result_of(job):
    return json.loads((job / worker.RESULT).read_text())


def test_the_builder_has_ended_before_the_tree_is_restored(job, monkeypatch):
    def fail_with_the_builder_at_work(self):
        if (job / "builder").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(worker.Job, "count", fail_with_the_builder_at_work)
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.01)
    worker.main(str(job))
    assert (result_of(job)["what"], "Input/output error" in result_of(job)["why"]) == ("worker", True)
    assert running_in_group((job / "builder").read_text().strip()) == []
    assert (job.parent / "tree" / "file").read_text() == "original\n"
    assert not (job / worker.MANIFEST).exists()


@pytest.mark.parametrize("fails", ["nothing", "everything"])
def test_a_full_disk_has_room_for_the_result(job, monkeypatch, fails):
    """SIMULATED: a disk that is full as long as the reserve exists."""
    whole = worker.write_whole

    def write(path, content):
        reserved = (job / worker.RESERVE).exists()
        if reserved and (fails == "everything" or os.path.basename(path) in (worker.RESULT, worker.PROGRESS)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(path, content)

    monkeypatch.setattr(worker, "write_whole", write)
    monkeypatch.setattr(worker.Job, "_build", lambda self, lock: 1)
    worker.main(str(job))
    found = result_of(job)
    assert (found["state"], found["what"]) == ("failed", "builder" if fails == "nothing" else "worker")
    assert not (job / worker.RESERVE).exists()


def test_a_program_that_signs_for_ever_is_ended_and_told(job, monkeypatch):
    """SIMULATED: a token that does not answer."""
    spec = json.loads((job / "spec.json").read_text())
    output = job / "output.ko"
    output.write_text("x")
    spec.update(output=str(output), sign=["/bin/sh", "-c", f"tail -f /dev/null & echo $$ >{job}/builder; wait"])
    (job / "spec.json").write_text(json.dumps(spec))
    monkeypatch.setattr(worker, "SIGN_SECONDS", 1)
    monkeypatch.setattr(worker.Job, "_build", lambda self, lock: 0)
    worker.main(str(job))
    found = result_of(job)
    assert (found["what"], found["status"], found["why"]) == ("signature", 0, "it did not end within 1 s")
    assert running_in_group((job / "builder").read_text().strip()) == []


def test_a_tree_that_cannot_be_restored_for_lack_of_space_is_restored_later_and_has_no_other_files(job, monkeypatch):
    def build(self, lock):
        (job.parent / "tree" / "file").write_text("patched\n")
        return 0

    def full(_copy, _path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(worker.Job, "_build", build)
    with monkeypatch.context() as patched:
        restore = worker.restore_tree

        def restore_on_a_full_disk(directory):
            patched.setattr(worker.shutil, "copyfile", full)
            restore(directory)
        patched.setattr(worker, "restore_tree", restore_on_a_full_disk)
        worker.main(str(job))
    assert "No space left" in result_of(job)["why"]
    assert (job / worker.MANIFEST).exists() and os.listdir(job.parent / "tree") == ["file"]
    worker.restore_tree(str(job))
    assert (job.parent / "tree" / "file").read_text() == "original\n"
    assert os.listdir(job.parent / "tree") == ["file"]
