# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: a small kernel source tree, and programs that behave like kpatch-build and klp-build without building.

What they print, what they change in the tree and how they restore it is taken from the real scripts. The patch file
that they "build" is one that the test gives them.
"""

import os
import subprocess
import sys
import textwrap

from ansible_collections.kernel.livepatch.plugins.module_utils._building.jobs import Jobs

RELEASE = "6.1.0-56-amd64"
VERSION = "6.1.192"
CMDLINE = """\
// What the diffs are about, with numbers of lines as in a file of the kernel.
#include <linux/fs.h>

static const int limits[] = {
\t1,
\t2,
};

static int cmdline_proc_show(struct seq_file *m, void *v)
{
\tseq_puts(m, saved_command_line);
\tseq_putc(m, '\\n');
\treturn 0;
}
"""
FIX = """\
--- a/fs/proc/cmdline.c
+++ b/fs/proc/cmdline.c
@@ -9,6 +9,6 @@
 static int cmdline_proc_show(struct seq_file *m, void *v)
 {
 \tseq_puts(m, saved_command_line);
-\tseq_putc(m, '\\n');
+\tseq_puts(m, " patched\\n");
 \treturn 0;
 }
"""
DATA = """\
--- a/fs/proc/cmdline.c
+++ b/fs/proc/cmdline.c
@@ -2,6 +2,6 @@
 #include <linux/fs.h>
\x20
 static const int limits[] = {
-\t1,
+\t3,
 \t2,
 };
"""
PROGRAMS = ("gawk", "recountdiff", "readelf", "objcopy", "strings", "getopt")
# Waits while SIMULATION/hold exists, and fails with the text in SIMULATION/fails if there is one.
COMMON = """\
#!{python} -IB
import os, shutil, subprocess, sys, time
simulation = {simulation!r}

def wait():
    while os.path.exists(os.path.join(simulation, "hold")):
        time.sleep(0.02)

def fail_if_told():
    path = os.path.join(simulation, "fails")
    if os.path.exists(path):
        print(open(path).read(), flush=True)
        return True
    return False

def note(name, text):
    with open(os.path.join(simulation, name), "a") as stream:
        stream.write(text + "\\n")

note("calls", repr(sys.argv[1:]))
"""
KPATCH_BUILD = COMMON + """\
import getopt
options, patches = getopt.gnu_getopt(sys.argv[1:], "a:s:c:v:j:t:n:o:R")
given = dict(options)
tree, cache = given["-s"], os.environ["CACHEDIR"]
log = open(os.path.join(cache, "build.log"), "a", buffering=1)
print("Using source directory at", tree, flush=True)
print("Testing patch file(s)", flush=True)
print("Building original source", flush=True)
for number in range(3):
    log.write("  CC      fs/proc/part%d.o\\n" % number)
wait()
for patch in patches:
    if subprocess.call(["patch", "-s", "-N", "-p1", "-d", tree, "-i", patch]):
        sys.exit("ERROR: " + patch + " file failed to apply. Check build.log for more details.")
note("patched", open(os.path.join(tree, "fs/proc/cmdline.c")).read())
print("Building patched source", flush=True)
log.write("  CC      fs/proc/cmdline.o\\n")
if os.path.exists(os.path.join(simulation, "dies")):
    os.kill(os.getpid(), 9)
wait()
failed = fail_if_told()
for patch in reversed(patches):
    subprocess.call(["patch", "-s", "-R", "-p1", "-d", tree, "-i", patch])
if failed:
    sys.exit(1)
shutil.copyfile(os.path.join(simulation, "built.ko"), os.path.join(given["-o"], given["-n"] + ".ko"))
print("SUCCESS", flush=True)
"""
KLP_BUILD = COMMON + """\
import getopt
options, patches = getopt.gnu_getopt(sys.argv[1:], "j:o:v", ["no-replace"])
given = dict(options)
print("Validating patch(es)\\nBuilding original kernel", flush=True)
print("  gcc -Wp,-MMD -O2 -c -o fs/proc/cmdline.o fs/proc/cmdline.c  ; ./tools/objtool/objtool x", flush=True)
wait()
print("Building patched kernel", flush=True)
if fail_if_told():
    sys.exit(1)
shutil.copyfile(os.path.join(simulation, "built.ko"), given["-o"])
print("SUCCESS", flush=True)
"""
MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 192
EXTRAVERSION =
listnewconfig:
\t@cat {simulation}/listnewconfig 2>/dev/null || true
modules:
\t@echo "  CC [M]  $(M)/fix.o"
\t@while test -e {simulation}/hold; do sleep 0.05; done
\t@if test -e {simulation}/fails; then cat {simulation}/fails; exit 1; fi
\t@cp {simulation}/built.ko $(basename $(wildcard $(M)/*.name)).ko
"""
CONFIG = """\
CONFIG_CC_VERSION_TEXT="{compiler}"
CONFIG_LIVEPATCH=y
CONFIG_DEBUG_INFO=y
CONFIG_MODULE_SIG_HASH="sha256"
"""
VMLINUX = """\
const char linux_banner[] = "Linux version {release} (x@y) (gcc) #1 SMP Debian {version}-2 (2026-10-01)\\n";
void _start(void) {{ }}
"""


class SimulatedBuildHost:
    """The files of a build host below one directory. `request` makes the options of the module patch_build."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.tree = self.path("tree")
        self.build_dir = self.path("jobs")
        self.bin = self.path("bin")
        os.makedirs(os.path.join(self.tree, "fs", "proc"))
        os.makedirs(self.bin)
        compiler = subprocess.check_output(["gcc", "--version"]).decode().partition("\n")[0]
        self.put("tree/Makefile", MAKEFILE.format(simulation=self.directory))
        self.put("tree/.config", CONFIG.format(compiler=compiler.replace("gcc ", "gcc-x ", 1)))
        self.put("tree/fs/proc/cmdline.c", CMDLINE)
        self.put("tree/scripts/setlocalversion", "#!/bin/sh\n")
        self.put("built.ko", "a kernel module")
        for name, source in (("kpatch-build", KPATCH_BUILD), ("klp-build", KLP_BUILD)):
            self.program(f"tools/{name}", source)
        self.put("tools/create-diff-object", "")
        for name in PROGRAMS:
            self.program(f"bin/{name}", "#!/bin/sh\n")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def put(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as stream:
            stream.write(text)
        return path

    def read(self, name):
        with open(self.path(name)) as stream:
            return stream.read()

    def program(self, name, source):
        self.put(name, source.replace("{python}", sys.executable).replace("{simulation!r}", repr(self.directory)))
        os.chmod(self.path(name), 0o755)

    def configure(self, *lines, **changed):
        """Add lines to the configuration, and replace values of options."""
        text = self.read("tree/.config")
        for option, value in changed.items():
            text = "".join(
                f"{option}={value}\n" if line.startswith(f"{option}=") else line for line in text.splitlines(True))
        self.put("tree/.config", text + "".join(f"{line}\n" for line in lines))

    def vmlinux(self, *flags, release=RELEASE, version=VERSION, name="vmlinux"):
        """A file like vmlinux: a banner, a build-id, and debug information by default."""
        source = self.put("vmlinux.c", textwrap.dedent(VMLINUX.format(release=release, version=version)))
        subprocess.check_call([
            "gcc", *(flags or ("-g",)), "-O1", "-nostdlib", "-static", "-ffreestanding", "-Wl,--build-id", "-o",
            self.path(name), source])
        return self.path(name)

    def use_klp_build(self):
        os.makedirs(self.path("tree/scripts/livepatch"), exist_ok=True)
        os.rename(self.path("tools/klp-build"), self.path("tree/scripts/livepatch/klp-build"))
        self.configure("CONFIG_KLP_BUILD=y")

    def hold(self):
        self.put("hold", "")

    def let_go(self):
        os.unlink(self.path("hold"))

    def calls(self):
        try:
            return self.read("calls").splitlines()
        except OSError:
            return []

    def request(self, **other):
        """The options of a build with kpatch-build in the tree, with defaults for the others."""
        kernel = {"release": None, "source": self.tree, "config": None, "vmlinux": None, "targets": [], "root": "/",
                  "kpatch_build": self.path("tools/kpatch-build")}
        kernel.update(other.pop("kernel", {}))
        request = {
            "src": [self.put("fix.patch", FIX)], "remote_src": True, "name": None, "version": None, "tool": "auto",
            "replace": True, "jobs": 2, "sign_key": None, "sign_cert": None, "cves": [], "summary": None,
            "bundle": "patches", "build_dir": self.build_dir, "space": 1}
        return dict(request, kernel=kernel, **other)


def job_of(host, result):
    """The Job that a result of the module is about."""
    return Jobs(host.build_dir).job(result["job"])


def worker_of(host, result):
    """The number of the process that runs a job."""
    wanted = os.fsencode(job_of(host, result).path("worker.py"))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                if wanted in stream.read().split(b"\0"):
                    return int(pid)
        except OSError:
            continue
    return None
