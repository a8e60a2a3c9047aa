# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build jobs by real worker processes, with simulated builders: progress, ends, kills, options of the builders."""

import hashlib
import json
import os
import re
import signal
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._host import processes
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_builders import (
    CMDLINE,
    FIX,
    job_of,
    worker_of,
)

OTHER_FIX = FIX.replace("patched", "other")


def test_a_build_runs_without_its_caller(build_host, step, ended):
    started = step()
    assert (started["state"], started["changed"], started["build"]["sha256"]) == ("running", True, None)
    result = ended(started)
    assert (result["state"], result["changed"], result["job"]) == ("built", True, started["job"])
    with open(result["remote_file"]) as stream:
        assert stream.read() == "a kernel module"
    assert result["build"]["sha256"] == hashlib.sha256(b"a kernel module").hexdigest()
    assert (result["build"]["size"], result["progress"]["compiled"]) == (15, 4)
    assert build_host.read("patched") != CMDLINE + "\n"
    assert build_host.read("tree/fs/proc/cmdline.c") == CMDLINE


def test_only_the_owner_can_see_a_job(build_host, step, ended):
    result = ended(step())
    for path in (build_host.build_dir, os.path.dirname(os.path.dirname(result["remote_file"]))):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    job = job_of(build_host, result)
    for name in ("build.json", "spec.json", "worker.py", "lock", "result.json", "progress.json"):
        assert stat.S_IMODE(os.stat(job.path(name)).st_mode) == 0o600


def test_the_same_task_finds_a_running_and_a_finished_build(build_host, step, ended, until):
    build_host.hold()
    started = step()
    until(build_host.calls)
    again = step()
    assert (again["state"], again["job"], len(build_host.calls())) == ("running", started["job"], 1)
    build_host.let_go()
    ended(started)
    assert step()["state"] == "built"
    assert len(build_host.calls()) == 1


def contents(directory):
    found = {}
    for place, directories, names in os.walk(directory):
        found[place] = sorted(directories)
        for name in names:
            with open(os.path.join(place, name), "rb") as stream:
                found[os.path.join(place, name)] = stream.read()
    return found


@pytest.mark.parametrize("end", ["done", "failed", "running"])
def test_check_mode_takes_nothing_from_a_job_that_exists(build_host, step, until, end):
    """It would wait for the end of a build, put its file into the bundle, or use up the only report of a failure."""
    if end == "failed":
        build_host.put("fails", "broken")
    build_host.hold()
    job = job_of(build_host, step())
    until(build_host.calls)
    if end != "running":
        build_host.let_go()
    until(lambda: job.state() == end)
    before = contents(build_host.build_dir)
    planned = step(check_mode=True)
    assert (planned["state"], planned["changed"], planned["job"]) == ("planned", True, job.name)
    if end == "running":
        build_host.let_go()
    else:
        assert contents(build_host.build_dir) == before
    assert len(build_host.calls()) == 1


def test_what_the_bundle_has_is_not_built(build_host, step, ended):
    inputs = step(check_mode=True)["build"]["inputs"]
    result = step(known=[inputs])
    assert (result["state"], result["changed"]) == ("unchanged", False)
    assert build_host.calls() == [] and not os.path.exists(build_host.build_dir)


@pytest.mark.parametrize("change", [
    lambda host: {"src": [host.put("other.patch", OTHER_FIX)]}, lambda host: {"name": "other"},
    lambda host: {"replace": False}, lambda host: {"kernel": {"targets": ["fs/"]}},
    lambda host: host.configure("CONFIG_OTHER=y"), lambda host: host.vmlinux("-g", "-DX", name="tree/vmlinux") and None,
    lambda host: host.put("tools/kpatch-build", host.read("tools/kpatch-build") + "#") and None,
    lambda host: host.put("tree/fs/proc/cmdline.c", CMDLINE + "\n") and None])
def test_other_inputs_are_another_build(build_host, step, change):
    before = step(check_mode=True, name="livepatch_fix")["build"]
    options = {"name": "livepatch_fix", **(change(build_host) or {})}
    after = step(check_mode=True, **options)["build"]
    # A vmlinux from the same source is the same.
    assert (after["inputs"] != before["inputs"]) or after["kernel_build_id"] == before["kernel_build_id"]
    assert after["inputs"] != before["inputs"] or "-DX" in str(change.__code__.co_consts)


def test_what_does_not_change_the_file_is_the_same_build(build_host, step):
    before = step(check_mode=True, name="livepatch_fix")["build"]["inputs"]
    assert step(check_mode=True, name="livepatch-fix", jobs=7, cves=["CVE-2026-1234"], summary="x", version="2",
                bundle="elsewhere", space=2)["build"]["inputs"] == before


def test_progress_tells_the_step_and_the_objects(build_host, step, until):
    build_host.hold()
    started = step()

    def compiled():
        progress = step("look", job=started["job"])["progress"]
        return progress if progress["compiled"] else None

    seen = until(compiled)
    assert (seen["step"], seen["compiled"]) == ("Building original source", 3)
    build_host.let_go()


@pytest.mark.parametrize("output, code, words", [
    ("fs/proc/cmdline.c:12:3: error: 'x' undeclared", "build-compile-error", "'x' undeclared"),
    ("ERROR: cmdline.o: 1 unsupported section change(s)", "build-change-unsupported", "1 unsupported section change"),
    ("/k/create-diff-object: ERROR: x.o: kpatch_verify_patchability: 1: 1 unsupported section change(s)",
     "build-change-unsupported", "unsupported section"),
    ("ERROR: no functional changes found. Check /x/build.log for more details.", "build-without-change",
     "no functional changes found"),
    ("ERROR: Undefined symbols: not_there . Check", "build-symbol-missing", "not_there"),
    ("cc1: fatal error: x.o: No space left on device", "build-space-low", "No space left on device"),
    ("gcc: fatal error: Killed signal terminated program cc1", "build-memory-low", "smaller number of jobs"),
    ("scripts/x.sh: line 3: bison: command not found", "programs-missing", "the program bison"),
    ("ERROR: kernel option 'CONFIG_X86_KERNEL_IBT' not supported.", "config-unsupported", "CONFIG_X86_KERNEL_IBT"),
    ("something else", "build-failed", "exit status 1"),
])
def test_a_failed_build_tells_the_cause_and_the_lines(build_host, failed, output, code, words):
    build_host.put("fails", output)
    error = failed()
    assert error.code == code and words in error.message
    assert output in error.details["log"]
    assert build_host.read("tree/fs/proc/cmdline.c") == CMDLINE


def test_a_failed_build_is_told_once_and_then_built_again(build_host, step, ended, until):
    build_host.put("fails", "broken")
    started = step()
    until(lambda: job_of(build_host, started).state() == "failed")
    with pytest.raises(LivepatchError) as caught:  # another controller, which did not see the failure
        step()
    assert caught.value.code == "build-failed"
    os.unlink(build_host.path("fails"))
    assert ended(step())["state"] == "built"
    assert len(build_host.calls()) == 2


def test_a_killed_builder_leaves_the_tree_as_it_was(build_host, failed):
    build_host.put("dies", "")
    error = failed()
    assert (error.code, "exit status -9" in error.message) == ("build-failed", True)
    assert "patched" in build_host.read("patched")
    assert build_host.read("tree/fs/proc/cmdline.c") == CMDLINE


def test_a_killed_worker_is_seen_and_the_next_build_restores_the_tree(build_host, step, ended, until):
    build_host.hold()
    started = step()
    until(build_host.calls)
    os.kill(worker_of(build_host, started), signal.SIGKILL)
    with pytest.raises(LivepatchError) as caught:
        ended(started)
    assert caught.value.code == "build-killed"
    build_host.let_go()
    # As if the builder had been killed while the tree was patched.
    build_host.put("tree/fs/proc/cmdline.c", CMDLINE.replace("return 0", "return 1"))
    os.chmod(build_host.path("tree/fs/proc/cmdline.c"), 0o640)
    result = ended(step(src=[build_host.put("other.patch", OTHER_FIX)], name="other"))
    assert result["state"] == "built"
    assert build_host.read("tree/fs/proc/cmdline.c") == CMDLINE
    assert not os.path.exists(job_of(build_host, started).path("originals.json"))


@pytest.mark.parametrize("name", [
    "vmlinux", ".config", "Makefile", "scripts/link-vmlinux.sh", "scripts/Makefile.modfinal",
    "scripts/setlocalversion"])
def test_a_file_that_a_killed_builder_has_changed_is_restored_by_the_next_build(
        build_host, step, ended, until, name):
    """What kpatch-build changes, each under some configuration: see backup_kernel_file in it."""
    if not os.path.exists(build_host.path("tree", name)):
        build_host.put(f"tree/{name}", "as it was\n")
    with open(build_host.path("tree", name), "rb") as stream:
        before = stream.read()
    build_host.hold()
    started = step()
    until(build_host.calls)
    os.kill(worker_of(build_host, started), signal.SIGKILL)
    until(lambda: not job_of(build_host, started).is_running())
    os.unlink(build_host.path("tree", name))
    build_host.put(f"tree/{name}", "changed")
    build_host.let_go()
    ended(step(src=[build_host.put("other.patch", OTHER_FIX)], name="other"))
    with open(build_host.path("tree", name), "rb") as stream:
        assert stream.read() == before


@pytest.mark.parametrize("name", ["livepatch_fix", "other"])
def test_a_tree_that_is_patched_meanwhile_counts_as_it_was(build_host, step, ended, until, name):
    before = step(check_mode=True, name=name)["build"]["inputs"]
    build_host.hold()
    started = step()
    until(lambda: os.path.exists(job_of(build_host, started).path("originals.json")))
    build_host.put("tree/fs/proc/cmdline.c", "patched")
    build_host.put("tree/.config", "changed")
    os.unlink(build_host.path("tree/vmlinux"))
    meanwhile = step(check_mode=True, name=name)
    assert meanwhile["build"]["inputs"] == before
    assert meanwhile["state"] == "planned"
    assert (meanwhile["job"] == started["job"]) == (name == "livepatch_fix")
    build_host.put("tree/fs/proc/cmdline.c", CMDLINE)
    build_host.let_go()
    ended(started)
    assert step(check_mode=True, name=name)["build"]["inputs"] == before


def test_a_killed_build_is_built_again_by_the_same_task(build_host, step, ended, until):
    build_host.hold()
    started = step()
    until(build_host.calls)
    os.kill(worker_of(build_host, started), signal.SIGKILL)
    until(lambda: not job_of(build_host, started).is_running())
    build_host.let_go()
    again = step()
    assert again["state"] == "running"
    assert ended(again)["state"] == "built"


def test_two_builds_in_one_tree_wait_for_each_other(build_host, step, ended, until):
    build_host.hold()
    first = step()
    until(build_host.calls)
    second = step(src=[build_host.put("other.patch", OTHER_FIX)], name="other")
    assert second["job"] != first["job"]
    until(lambda: step("look", job=second["job"])["progress"]["step"].startswith("waiting for another build"))
    assert len(build_host.calls()) == 1
    build_host.let_go()
    assert [ended(one)["state"] for one in (first, second)] == ["built", "built"]
    assert build_host.read("tree/fs/proc/cmdline.c") == CMDLINE


def test_module_source_is_built_with_kbuild(build_host, step, ended):
    source = build_host.path("module")
    build_host.put("module/Kbuild", "obj-m := fix.o\n")
    build_host.put("module/fix.name", "")
    build_host.put("module/sub/fix.c", "int x;\n")
    build_host.put("module/.git/config", "secret")
    build_host.put("module/old.ko", "old")
    build_host.put("tree/include/config/kernel.release", "6.1.0-56-amd64\n")
    result = ended(step(src=[source], name="fix", kernel={"release": "6.1.0-56-amd64"}))
    assert (result["build"]["tool"], result["build"]["release"]) == ("kbuild", "6.1.0-56-amd64")
    with open(result["remote_file"]) as stream:
        assert stream.read() == "a kernel module"
    sources = job_of(build_host, result).path("sources")
    assert sorted(os.listdir(sources)) == ["Kbuild", "fix.ko", "fix.name", "sub"]


@pytest.mark.parametrize("written", ["live-patch-fix", "live_patch_fix", "live-patch_fix"])
@pytest.mark.parametrize("name", ["live-patch-fix", "live_patch_fix"])
def test_a_module_is_found_whatever_its_dashes(build_host, step, ended, written, name):
    """The file has the name as the makefile writes it, and the module has underscores: samples/livepatch."""
    build_host.put("module/Kbuild", f"obj-m := {written}.o\n")
    build_host.put(f"module/{written}.name", "")
    result = ended(step(src=[build_host.path("module")], name=name))
    assert result["state"] == "built" and os.path.basename(result["remote_file"]) == "live_patch_fix.ko"


def test_module_source_with_another_name_is_told(build_host, failed):
    build_host.put("module/Kbuild", "obj-m := other-fix.o\n")
    build_host.put("module/other-fix.name", "")
    error = failed(src=[build_host.path("module")], name="fix")
    assert error.code == "build-failed"
    assert "The source makes other modules than fix: other_fix. Set name" in error.message


def test_another_release_of_headers_is_refused(build_host, refused):
    build_host.put("module/Kbuild", "")
    build_host.put("tree/include/generated/utsrelease.h", '#define UTS_RELEASE "6.1.0-55-amd64"\n')
    assert "6.1.0-55-amd64" in refused(src=[build_host.path("module")], name="fix", kernel={
        "release": "6.1.0-56-amd64"})["kernel-source-mismatch"]


def test_klp_build_gets_its_options(build_host, step, ended):
    build_host.use_klp_build()
    result = ended(step(replace=False))
    assert result["progress"]["compiled"] == 1
    (call,) = build_host.calls()
    assert re.match(r"\['-v', '-j2', '--no-replace', '-o', '.*/output/livepatch_fix.ko', '.*/0000-fix.patch'\]", call)


CLANG = ("CONFIG_CC_IS_CLANG=y", "CONFIG_LD_IS_LLD=y")


@pytest.mark.parametrize("compiler, lines, variables", [
    ("gcc", (), []), ("gcc-x", (), ["CC=gcc-x"]), ("clang", CLANG, ["LLVM=1"]), ("clang", CLANG[:1], ["CC=clang"])])
@pytest.mark.parametrize("tool", ["kbuild", "klp-build"])
def test_make_gets_the_compiler_that_was_compared_with_the_kernels(
        build_host, step, ended, monkeypatch, compiler, lines, variables, tool):
    """Without it, make takes gcc for every kernel, and klp-build finds options missing in one of clang."""
    monkeypatch.setitem(processes.ENVIRONMENT, "PATH", f"{build_host.bin}:{processes.ENVIRONMENT['PATH']}")
    build_host.program(f"bin/{compiler}", f"#!/bin/sh\necho '{compiler} (ours 99) 99.1'\n")
    build_host.configure(*lines, CONFIG_CC_VERSION_TEXT=f'"{compiler} (ours 99) 99.1"')
    if tool == "klp-build":
        build_host.use_klp_build()
        llvm = "1" if variables == ["LLVM=1"] else ""
        build_host.put("tree/Makefile", build_host.read("tree/Makefile").replace(
            "listnewconfig:\n", f'listnewconfig:\n\t@test "$(LLVM)" = "{llvm}" || echo CONFIG_X=y\n'))
        if compiler == "gcc-x":  # klp-build has its name from no configuration
            build_host.program("bin/gcc", "#!/bin/sh\necho 'gcc (ours 99) 99.1'\n")
        result = step()
    else:
        build_host.put("tree/include/config/kernel.release", "6.1.0-56-amd64\n")
        build_host.put("module/Kbuild", "obj-m := fix.o\n")
        build_host.put("module/fix.name", "")
        result = step(src=[build_host.path("module")], name="fix")
    with open(job_of(build_host, result).path("spec.json")) as stream:
        spec = json.load(stream)
    ended(result)
    if tool == "kbuild":
        assert [word for word in spec["argv"] if "=" in word and not word.startswith("M=")] == variables
    else:
        assert spec["environment"].get("LLVM") == ("1" if variables == ["LLVM=1"] else None)


SECOND_FIX = FIX.replace("seq_putc(m, '\\n')", 'seq_puts(m, " patched\\n")').replace(
    '+\tseq_puts(m, " patched\\n");', '+\tseq_puts(m, " twice\\n");')
NEW_FILE = "--- /dev/null\n+++ b/fs/proc/new.h\n@@ -0,0 +1 @@\n+int new;\n"


def test_klp_build_gets_patches_that_build_on_each_other_as_one(build_host, step, ended):
    """It tries each patch on the original tree, when it has built the kernel; and one that only makes a file fails."""
    build_host.use_klp_build()
    patches = [build_host.put(f"{number}.patch", text) for number, text in enumerate((FIX, NEW_FILE, SECOND_FIX))]
    result = ended(step(src=patches, name="fix"))
    (call,) = build_host.calls()
    (sent,) = re.findall(r"'([^']*\.patch)'", call)
    with open(sent) as stream:
        assert sorted(line for line in stream if line[:1] in "+-") == sorted([
            "--- a/fs/proc/cmdline.c\n", "+++ b/fs/proc/cmdline.c\n", "-\tseq_putc(m, '\\n');\n",
            '+\tseq_puts(m, " twice\\n");\n', "--- /dev/null\n", "+++ b/fs/proc/new.h\n", "+int new;\n"])
    assert result["state"] == "built"


def test_a_patch_from_a_mail_is_for_the_tool_as_any_other(build_host, step, ended):
    """klp-build takes carriage returns as parts of file names, and finds that out when it has built the kernel."""
    build_host.use_klp_build()
    mail = build_host.put("mail/fix.patch", "")
    with open(mail, "w", newline="\r\n") as stream:
        stream.write(FIX)
    inputs = step(check_mode=True)["build"]["inputs"]
    ended(step(src=[mail]))
    (sent,) = re.findall(r"'([^']*\.patch)'", build_host.calls()[0])
    with open(sent, newline="") as stream:
        assert stream.read() == FIX
    assert step(check_mode=True)["build"]["inputs"] == inputs


@pytest.mark.parametrize("line, version", [
    ('VERSION="0.9.10"', "0.9.10"), ("VERSION=0.9.4", "0.9.4"), ("#", "unknown")])
def test_the_version_of_kpatch_build_is_in_the_script_beside_it(build_host, step, line, version):
    build_host.put("kpatch/kpatch", f"#!/bin/bash\n{line}\n")
    assert step(check_mode=True)["build"]["tool_version"] == version


def test_kpatch_build_gets_its_options(build_host, step, ended):
    ended(step(replace=False, kernel={"targets": ["modules_prepare", "fs/proc/"]}))
    (call,) = build_host.calls()
    for words in (
            "'-R'", "'-t', 'modules_prepare', '-t', 'fs/proc/'", "'-n', 'livepatch_fix'", "tree/vmlinux", "'-j2'"):
        assert words in call
