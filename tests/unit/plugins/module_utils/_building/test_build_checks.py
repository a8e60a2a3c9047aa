# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each refusal of a build from its cause, on a simulated build host; nothing is built and nothing is changed."""

import gzip
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._building.checks import CHECKS
from ansible_collections.kernel.livepatch.plugins.module_utils._building.source_patch import make_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.build import BUILD
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_builders import (
    CMDLINE,
    DATA,
    FIX,
)


def releases(host, rule="$(shell cat include/config/kernel.release 2> /dev/null)", variables=None, **files):
    """The source tree makes its own release, as the kernel's does."""
    host.put("tree/Makefile", f"{host.read('tree/Makefile')}KERNELRELEASE = {rule}\n-include .kernelvariables\n")
    if variables:
        host.put("tree/.kernelvariables", f"override ARCH = x86\noverride KERNELRELEASE = {variables}\n")
    for name, text in files.items():
        host.put(f"tree/{name}", text)


def without_debug(host):
    host.vmlinux("-g0", name="tree/vmlinux")


def other_release(host):
    host.vmlinux(name="tree/vmlinux", release="6.1.0-55-amd64")


def other_version(host):
    host.put("tree/Makefile", host.read("tree/Makefile").replace("PATCHLEVEL = 1", "PATCHLEVEL = 12"))


def other_stable_version(host):
    host.put("tree/Makefile", host.read("tree/Makefile").replace("SUBLEVEL = 192", "SUBLEVEL = 150"))


def configure(*lines, **changed):
    return lambda host: host.configure(*lines, **changed)


def without_program(name):
    return lambda host: os.unlink(host.path("bin", name))


def patch(text):
    return lambda host: {"src": [host.put("fix2.patch", text)]}


def two_patches(first, second):
    return lambda host: {"src": [host.put("one.patch", first), host.put("two.patch", second)], "name": "fix"}


def leads_out(host):
    os.rename(host.path("tree/fs/proc"), host.path("outside"))
    os.symlink(host.path("outside"), host.path("tree/fs/proc"))


def linked_tree(name):
    """The source tree has another name, and the task the path of a link to it."""
    def change(host):
        os.rename(host.tree, host.path(name))
        os.symlink(name, host.tree)
        os.symlink(name, host.path("linked"))
        return {"kernel": {"source": host.path("linked")}}
    return change


def compressed_config(host):
    with gzip.open(host.path("config.gz"), "wb") as stream:
        stream.write(host.read("tree/.config").encode())
    return {"kernel": {"config": host.path("config.gz")}}


def signed(**options):
    return lambda host: {"sign_key": host.put("key.pem", "-----BEGIN PRIVATE KEY-----"),
                         "sign_cert": host.put("cert.pem", "-----BEGIN CERTIFICATE-----"), **options}


def unsigning(commands):
    """The kernel's sign-file does something else than to sign."""
    def change(host):
        host.program("tree/scripts/sign-file", f"#!/bin/sh\n{commands}\n")
        return signed()(host)
    return change


def encrypted(key):
    return lambda host: {**unsigning("exit 1")(host), "sign_key": host.put("encrypted.pem", key)}


def klp_build(cause):
    def change(host):
        host.use_klp_build()
        return cause(host)
    return change


TEXTS = {
    "fs/proc/cmdline.c": CMDLINE, "fs/init.c": "static int __init fix_init(void)\n{\n\treturn 0;\n}\n",
    "Documentation/fix.rst": "old\n", "include/linux/fix.h": "/* old */\nint fix(void);\n",
    "tools/testing/fix.c": "int old;\n"}


def change(path, old, new):
    """A source patch for one of the files in TEXTS."""
    return make_patch([(path, TEXTS[path], TEXTS[path].replace(old, new))])


def beside(*patches):
    """A source patch for more files than the one in the tree of every test."""
    def make(host):
        for path, text in TEXTS.items():
            host.put(f"tree/{path}", text)
        return patch("".join(patches))(host)
    return make


OTHER = FIX.replace("cmdline.c", "other.c")
SECOND = FIX.replace("seq_putc(m, '\\n')", 'seq_puts(m, " patched\\n")').replace(
    '+\tseq_puts(m, " patched\\n");', '+\tseq_puts(m, " twice\\n");')
# cause: changes the host, and may return options. code: of the finding. words: in its message.
CASES = [
    (without_debug, "no-debug-info", "tree/vmlinux has no debug information, and kpatch-build needs it"),
    (configure(CONFIG_DEBUG_INFO="n"), "no-debug-info", "CONFIG_DEBUG_INFO=y"),
    (configure(CONFIG_LIVEPATCH="n"), "no-livepatch-config", "no CONFIG_LIVEPATCH=y"),
    (configure("CONFIG_X86_KERNEL_IBT=y"), "ibt-unsupported", "Build the patch with klp-build"),
    (configure("CONFIG_DEBUG_INFO_SPLIT=y"), "config-unsupported", "CONFIG_DEBUG_INFO_SPLIT"),
    (configure("CONFIG_GCC_PLUGIN_RANDSTRUCT=y"), "config-unsupported", "CONFIG_GCC_PLUGIN_RANDSTRUCT"),
    (configure(CONFIG_CC_VERSION_TEXT='"gcc-4.8 (Other 4.8.5) 4.8.5"'), "compiler-mismatch",
     "built by gcc-4.8 (Other 4.8.5) 4.8.5, and the compiler on the build host is gcc ("),
    (lambda host: {"kernel": {"release": "6.1.0-55-amd64"}}, "kernel-source-mismatch",
     "the release in vmlinux is 6.1.0-56-amd64, and kernel: release is 6.1.0-55-amd64"),
    (other_version, "kernel-source-mismatch", "tree is 6.12.192, and the release is 6.1.0-56-amd64"),
    (other_stable_version, "kernel-source-mismatch", "tree is 6.1.150, and the release is 6.1.0-56-amd64"),
    (releases, "source-release-differs", "would be for kernel 6.1.192, and vmlinux is of 6.1.0-56-amd64"),
    (lambda host: os.unlink(host.path("tree/vmlinux")), "kernel-missing", "has no vmlinux on the build host"),
    (lambda host: os.unlink(host.path("tree/.config")), "kernel-missing", "has no configuration on the build host"),
    (lambda host: {"kernel": {"source": host.path("elsewhere")}}, "kernel-missing", "has no source tree"),
    (lambda host: {"kernel": {"source": None, "release": "1.2.3"}, "tool": "kbuild"}, "kernel-missing",
     "has no build directory on the build host (looked for /lib/modules/RELEASE/build)"),
    (lambda host: {"kernel": {"kpatch_build": host.path("no-such")}}, "tool-missing",
     "set kernel: kpatch_build to its path"),
    (lambda host: {"tool": "klp-build"}, "no-klp-build-config", "no CONFIG_KLP_BUILD=y"),
    (lambda host: os.chmod(host.tree, 0o777), "source-tree-shared", "chmod o-w"),
    (lambda host: {"build_dir": host.path("my jobs")}, "path-unusable", "my jobs, because it has a space in it"),
    (lambda host: {"build_dir": host.path("a:'$b/jobs")}, "path-unusable", "has $ and ' and : in it"),
    (linked_tree("tree of 6.1"), "path-unusable", "linked, because it has a space"),
    (compressed_config, "config-unreadable", "config.gz is no kernel configuration in plain text"),
    (lambda host: {"kernel": {"config": host.put("config", "")}}, "config-unreadable", "zcat /proc/config.gz"),
    (lambda host: {"kernel": {"config": host.tree}}, "config-unreadable", "zcat /proc/config.gz"),
    (without_program("gawk"), "programs-missing", "needs programs, and / lacks these: gawk"),
    (lambda host: os.unlink(host.path("tools/create-diff-object")), "programs-missing", "create-diff-object"),
    (patch(FIX.replace("fs/proc/cmdline.c", "lib/string.c")), "source-unsupported", "a patch to lib/string.c"),
    (patch(FIX.replace("fs/proc/cmdline.c", "arch/x86/entry/vdso/vma.c")), "source-unsupported", "the vDSO"),
    (patch(FIX.replace("fs/proc/cmdline.c", "arch/x86/kernel/head_64.S")), "source-unsupported", "assembly"),
    (patch(DATA), "source-data-only", "only changes data (fs/proc/cmdline.c)"),
    (patch(change("fs/proc/cmdline.c", "// What", "// Why")), "source-without-function",
     "only changes comments and white space (fs/proc/cmdline.c)"),
    (beside(change("fs/init.c", "return 0", "return 1")), "source-without-function",
     "functions with __init, which the kernel removes once they have run (fs/init.c)"),
    (beside(change("Documentation/fix.rst", "old", "new")), "source-without-function",
     "files that are no part of the kernel (Documentation/fix.rst)"),
    (beside(change("include/linux/fix.h", "/* old */", "/* new */"), change("tools/testing/fix.c", "old", "new"), DATA),
     "source-without-function",
     "files that are no part of the kernel and comments and white space and data (fs/proc/cmdline.c, "),
    (patch(FIX.replace("saved_command_line", "other_line")), "source-misfit", "Hunk #1 FAILED at 9"),
    (lambda host: {"kernel": {"targets": ["modules_prepare", "fs/ext4/"]}}, "source-not-compiled",
     "fix.patch changes fs/proc/cmdline.c, and none of kernel: targets (modules_prepare, fs/ext4/) compiles this"),
    (lambda host: {"kernel": {"targets": ["modules_prepare"]}}, "source-not-compiled", "Add the targets fs/proc/."),
    (patch(OTHER), "source-misfit", "can't find file to patch"),
    (patch(SECOND), "source-misfit", "does not apply"),
    (patch("no patch"), "source-unreadable", "it changes no file"),
    (patch(FIX.replace("b/fs/proc/cmdline.c", "b/../../etc/passwd")), "source-path-unsafe", "b/../../etc/passwd"),
    (leads_out, "source-path-unsafe", "a symbolic link leads out of the source tree"),
    (lambda host: {"space": 1 << 40}, "build-space-low", "needs 1099511627776 MiB there"),
    (lambda host: {"name": "fix.1"}, "name-unusable", "other characters than letters"),
    (lambda host: {"name": "a" * 49}, "name-unusable", "at most 48 characters"),
    (lambda host: {"kernel": {"root": "relative"}}, "bad-option", "absolute"),
    (lambda host: {"kernel": {"root": host.path("no-such")}}, "root-unusable", "cannot be used"),
    (lambda host: {"kernel": {"source": None}}, "bad-option", "names no kernel"),
    (lambda host: {"build_dir": "jobs"}, "bad-option", "not an absolute path"),
    (lambda host: {"sign_key": "/key"}, "bad-option", "sign_key and sign_cert belong together"),
    (lambda host: {"sign_key": "pkcs11:token=x?pin-value=1234", "sign_cert": "/cert"}, "bad-option", "pin-source"),
    (lambda host: {"src": [host.put("a.patch", FIX), host.put("b.patch", FIX)]}, "bad-option", "name is missing"),
    (lambda host: {"src": [os.path.dirname(host.put("series/0001-fix.patch", FIX))]}, "source-without-makefile",
     "series has neither Kbuild nor Makefile"),
    (lambda host: {"src": [os.path.dirname(host.put("module/src/Kbuild", "").replace("/src", ""))], "name": "fix"},
     "source-without-makefile", "the source patches in it as a list"),
    (lambda host: {"src": [host.path("missing.patch")]}, "unreadable", "No such file"),
    (signed(), "sign-program-missing", "tree/scripts/sign-file"),
    (lambda host: (host.program("tree/scripts/sign-file", ""), signed(sign_key=host.path("no-key"))(host))[1],
     "sign-key-unusable", "no such file"),
    (lambda host: (host.program("tree/scripts/sign-file", ""), signed(sign_key=host.put("text", "x"))(host))[1],
     "sign-key-unusable", "neither a PEM nor a DER file"),
    (unsigning("echo At main.c:324:; echo '- SSL error:05800074:x509 routines::key values mismatch: x.c:1'; exit 1"),
     "sign-key-unusable", "cert.pem (SSL error:05800074:x509 routines::key values mismatch: x.c:1). Give"),
    (unsigning("exit 3"), "sign-key-unusable", "cert.pem (no reason given)"),
    (encrypted("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "sign-key-unusable", "it is encrypted"),
    (encrypted("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"), "sign-key-unusable", "it is encrypted"),
    (klp_build(lambda host: host.put("listnewconfig", "CONFIG_NEW=y\n")), "config-outdated", "CONFIG_NEW=y"),
    (klp_build(lambda host: host.put("tree/Makefile", host.read("tree/Makefile").replace(
        "listnewconfig:", "listnewconfig:\n\t@no-such-program"))),
     "config-check-failed", "no-such-program"),
    (klp_build(lambda host: host.program("tree/tools/objtool/objtool", "#!/bin/sh\necho klp: not implemented")),
     "objtool-without-klp", "libxxhash-dev"),
    (klp_build(configure("CONFIG_LD_DEAD_CODE_DATA_ELIMINATION=y")), "config-unsupported", "klp-build does not"),
    (klp_build(without_program("recountdiff")), "programs-missing", "recountdiff"),
]


@pytest.mark.parametrize(
    "cause, code, words", CASES, ids=[f"{code}: {words[:40]}" for _cause, code, words in CASES])
def test_a_build_is_refused_before_it_begins(build_host, refused, cause, code, words):
    options = cause(build_host)
    found = refused(**(options if isinstance(options, dict) else {}))
    assert code in found and words in found[code]
    assert build_host.calls() == [] and not os.path.exists(build_host.build_dir)
    assert build_host.read("tree/fs/proc/cmdline.c") == CMDLINE


def test_every_refusal_has_a_cause_here():
    assert {code for _cause, code, _words in CASES} >= {
        code for code, (level, _ignorable, _message) in BUILD.items() if level == "blocker"}


def test_a_missing_file_of_the_kernel_hides_no_other_blocker(build_host, refused):
    build_host.configure("CONFIG_X86_KERNEL_IBT=y")
    os.unlink(build_host.path("tree/vmlinux"))
    assert {"kernel-missing", "ibt-unsupported"} <= set(refused(kernel={"kpatch_build": None}))


def test_a_compressed_configuration_is_the_only_finding_about_it(build_host, refused):
    assert set(refused(**compressed_config(build_host))) == {"config-unreadable"}


def test_other_characters_are_usable_in_paths(build_host, step):
    os.symlink(build_host.tree, build_host.path("tr\u00e4\u00e4-6.1.0~rc1+b1,x=y@z"))
    result = step(check_mode=True, build_dir=build_host.path("jobs~1"), kernel={
        "source": build_host.path("tr\u00e4\u00e4-6.1.0~rc1+b1,x=y@z")})
    assert (result["state"], result["findings"]) == ("planned", [])


@pytest.mark.parametrize("prepare", [
    lambda host: releases(host, variables="6.1.0-56-amd64"), lambda host: releases(host, rule="6.1.0-56-amd64"),
    lambda host: (releases(host), host.configure("CONFIG_LOCALVERSION_AUTO=y")),
    lambda host: (releases(host), os.mkdir(host.path("tree/.git"))),
    lambda host: (releases(host), host.put("tree/.scmversion", "-g123"))],
    ids=["headers", "own rule", "auto", "git", "scmversion"])
def test_a_tree_whose_release_fits_or_is_not_known_is_built(build_host, step, prepare):
    prepare(build_host)
    assert step(check_mode=True)["state"] == "planned"


@pytest.mark.parametrize("rule", [
    "$(shell cat include/config/kernel.release 2> /dev/null)", "$(call read-file, include/config/kernel.release)",
    "$(call read-file, $(objtree)/include/config/kernel.release)"])
def test_the_release_of_a_tree_has_its_local_parts(build_host, step, refused, rule):
    build_host.vmlinux(name="tree/vmlinux", release="6.1.192-rt1-ours", version="6.1.192")
    build_host.configure('CONFIG_LOCALVERSION="-ours"')
    releases(build_host, rule, **{"localversion-rt": "-rt1\n"})
    assert step(check_mode=True)["state"] == "planned"
    build_host.put("tree/localversion-zz", "-zz\n")
    assert "kernel 6.1.192-rt1-zz-ours, and" in refused()["source-release-differs"]
    build_host.put("tree/.kernelvariables", "override KERNELRELEASE = 6.1.192-rt1-ours\n")
    assert step(check_mode=True)["state"] == "planned"


def test_another_release_than_klp_build_will_make_is_refused(build_host, step, refused):
    build_host.use_klp_build()
    build_host.configure('CONFIG_LOCALVERSION="-ours"')
    releases(build_host)
    assert step(check_mode=True, kernel={"release": "6.1.192-ours"})["state"] == "planned"
    found = refused(kernel={"release": "6.1.192-cloud"})["kernel-source-mismatch"]
    assert f"the release of {build_host.tree} is 6.1.192-ours, and kernel: release is 6.1.192-cloud" in found
    os.mkdir(build_host.path("tree/.git"))  # only the build tells its release
    assert step(check_mode=True, kernel={"release": "6.1.192-cloud"})["state"] == "planned"


@pytest.mark.parametrize("prepare, release", [
    (releases, "6.1.192"), (lambda host: releases(host, variables="6.1.0-56-amd64"), "6.1.0-56-amd64"),
    (lambda host: (releases(host), os.mkdir(host.path("tree/.git"))), None),  # it gets a plus sign, if it has no tag
    (lambda host: (releases(host), host.put("tree/.git", "gitdir: x")), None),
    (lambda host: (releases(host), host.put("tree/.scmversion", "-g123")), None),
    (lambda host: releases(host, rule="6.1.0-1-other"), None),
    (lambda host: (releases(host), host.configure("CONFIG_LOCALVERSION_AUTO=y")), None)],
    ids=["rule", "headers", "git", "worktree", "scmversion", "own rule", "auto"])
def test_a_release_that_only_the_build_tells_is_not_guessed(build_host, step, prepare, release):
    """A wrong guess would refuse the patch file at the end of the build."""
    build_host.use_klp_build()
    prepare(build_host)
    assert step(check_mode=True)["build"]["release"] == release


def test_every_blocker_is_told_at_once(build_host, refused):
    build_host.configure("CONFIG_X86_KERNEL_IBT=y", CONFIG_CC_VERSION_TEXT='"gcc 1"')
    without_debug(build_host)
    assert set(refused(name="a" * 60)) == {"name-unusable", "ibt-unsupported", "no-debug-info", "compiler-mismatch"}


@pytest.mark.parametrize("options", [
    {}, {"tool": "kpatch-build", "kernel": {"release": "6.1.0-56-amd64"}},
    {"kernel": {"targets": ["fs/proc/"]}, "replace": False}])
def test_a_good_build_is_planned(build_host, step, options):
    result = step(check_mode=True, **options)
    assert (result["state"], result["changed"], result["findings"]) == ("planned", True, [])
    assert (result["build"]["release"], result["build"]["tool"]) == ("6.1.0-56-amd64", "kpatch-build")
    assert build_host.calls() == [] and not os.path.exists(build_host.build_dir)


def test_patches_that_build_on_each_other_fit(build_host, step):
    result = step(check_mode=True, **two_patches(FIX, SECOND)(build_host))
    assert (result["state"], result["findings"]) == ("planned", [])


@pytest.mark.parametrize("text", [
    change("fs/init.c", "return 0", "return 1") + FIX, change("include/linux/fix.h", "int fix", "long fix"),
    change("fs/init.c", "__init ", ""), change("Documentation/fix.rst", "old", "new") + FIX])
def test_a_change_that_can_be_in_a_function_is_built(build_host, step, text):
    assert step(check_mode=True, **beside(text)(build_host))["state"] == "planned"


def test_fuzz_is_a_warning(build_host, step):
    fuzzy = FIX.replace(" {\n", " {  \n", 1).replace("static int cmdline_proc_show", "static int cmdline_proc_other")
    result = step(check_mode=True, src=[build_host.put("fuzzy.patch", fuzzy)])
    assert [(entry["code"], entry["level"]) for entry in result["findings"]] == [("source-with-fuzz", "warning")]


def test_a_change_of_data_beside_code_is_no_change_of_data_only(build_host, step):
    both = DATA + FIX.split("\n", 2)[2]
    assert step(check_mode=True, src=[build_host.put("both.patch", both)])["state"] == "planned"


def test_each_changed_file_has_to_be_compiled_by_a_target(build_host, refused):
    build_host.put("tree/fs/ext4/fsync.c", CMDLINE)
    both = FIX + FIX.replace("fs/proc/cmdline.c", "fs/ext4/fsync.c")
    found = refused(src=[build_host.put("both.patch", both)], kernel={"targets": ["modules_prepare", "fs/proc/"]})
    assert set(found) == {"source-not-compiled"}
    assert "changes fs/ext4/fsync.c, and" in found["source-not-compiled"]


@pytest.mark.parametrize("targets", [
    ["fs/proc/"], ["fs/"], ["./fs/proc/"], ["fs/proc"], ["fs/proc/cmdline.o"], ["fs/proc/proc.ko"], ["vmlinux"],
    ["modules"], ["all"], ["fs/ext4/", "fs/proc/"]])
def test_a_target_that_compiles_the_changed_file_is_enough(build_host, step, targets):
    assert step(check_mode=True, kernel={"targets": targets})["state"] == "planned"


@pytest.mark.parametrize("targets", [["fs/proc2/"], ["fs/pro"], ["fs/proc/base.o"], ["fs/proc/deeper/"], ["scripts"]])
def test_a_target_of_another_file_is_not(build_host, refused, targets):
    assert set(refused(kernel={"targets": targets})) == {"source-not-compiled"}


@pytest.mark.parametrize("beside", ["tools/testing/selftests/proc/x.c", "samples/x.c", "scripts/x.c"])
def test_a_test_beside_the_fix_needs_no_target(build_host, step, beside):
    build_host.put(f"tree/{beside}", CMDLINE)
    both = build_host.put("both.patch", FIX + FIX.replace("fs/proc/cmdline.c", beside))
    assert step(check_mode=True, src=[both], kernel={"targets": ["fs/proc/"]})["state"] == "planned"


def test_headers_are_compiled_by_no_target_of_their_own(build_host, step):
    build_host.put("tree/fs/proc/internal.h", CMDLINE)
    header = FIX.replace("cmdline.c", "internal.h")
    assert step(check_mode=True, src=[build_host.put("header.patch", header)], kernel={
        "targets": ["modules_prepare", "fs/ext4/"]})["state"] == "planned"


def test_the_tree_with_klp_build_is_built_with_it(build_host, step):
    build_host.use_klp_build()
    releases(build_host)
    result = step(check_mode=True)
    assert (result["build"]["tool"], result["build"]["tool_version"], result["build"]["release"]) == (
        "klp-build", "6.1.192", "6.1.192")


def test_a_check_names_checks_that_run_before_it():
    names = [check.name for check in CHECKS]
    assert all(names.index(earlier) < names.index(check.name) for check in CHECKS for earlier in check.after)
