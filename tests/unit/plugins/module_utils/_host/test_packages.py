# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package owns a file; the answers of the package managers are simulated."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._host.packages import owning_package
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

FILE = "/usr/lib/kpatch/5.14/fix.ko"
UNMERGED = FILE[len("/usr"):]


def answers(kernel, program, known):
    """The package manager is installed, and prints what `known` has for its words; other words are an error."""
    kernel.put(f"/usr/bin/{program}", "")
    kernel.answer = lambda argv: (0, known[" ".join(argv[1:])]) if " ".join(argv[1:]) in known else (1, "no such file")


@pytest.mark.parametrize("path", [FILE, UNMERGED])
@pytest.mark.parametrize("line", ["fix-tools: {}", "fix-tools:amd64, other: {}"])
def test_dpkg_under_either_name_of_a_file_on_a_merged_host(kernel, path, line):
    version = "--show --showformat=${Version}\\n fix-tools"
    answers(kernel, "dpkg-query", {
        f"--search {UNMERGED}": f"diversion by dash from: {UNMERGED}\n{line.format(UNMERGED)}",
        version: "1.2-3", f"{version}:amd64": "1.2-3"})
    assert owning_package(kernel, path) == {"name": "fix-tools", "version": "1.2-3", "manager": "dpkg"}


def test_rpm(kernel):
    answers(kernel, "rpm", {
        f"--query --file --queryformat %{{NAME}} %{{VERSION}}-%{{RELEASE}}\\n {FILE}": "kpatch-patch-5_14 1-2.el9"})
    assert owning_package(kernel, FILE) == {"name": "kpatch-patch-5_14", "version": "1-2.el9", "manager": "rpm"}


def test_pacman(kernel):
    answers(kernel, "pacman", {f"--query --owns --quiet {FILE}": "fix", "--query fix": "fix 7.2-1"})
    assert owning_package(kernel, FILE) == {"name": "fix", "version": "7.2-1", "manager": "pacman"}


def test_a_file_of_no_package_has_none(kernel):
    for program in ("dpkg-query", "rpm", "pacman"):
        answers(kernel, program, {})
    assert owning_package(kernel, FILE) is None
    assert {argv[0] for argv in kernel.commands} == {"/usr/bin/dpkg-query", "/usr/bin/rpm", "/usr/bin/pacman"}


def test_a_host_without_a_package_manager_starts_nothing(kernel):
    assert owning_package(kernel, FILE) is None
    assert kernel.commands == []


@pytest.mark.parametrize("output", ["", "fix-tools", "fix-tools: /another", "a file: {}x", "diversion by x to: {}"])
def test_what_does_not_name_this_file_is_not_guessed(kernel, output):
    answers(kernel, "dpkg-query", {
        f"--search {FILE}": output.format(FILE), "--show --showformat=${Version}\\n fix-tools": "1"})
    assert owning_package(kernel, FILE) is None


@pytest.mark.parametrize("path", ["/srv/*.ko", "/srv/[ab].ko", "/srv/a?.ko", "/srv/a\nb.ko", "/srv/a\\b.ko"])
def test_a_path_that_a_package_manager_would_read_as_a_pattern_is_not_asked_for(kernel, path):
    answers(kernel, "dpkg-query", {f"--search {path}": f"fix: {path}", "--show --showformat=${Version}\\n fix": "1"})
    assert owning_package(kernel, path) is None
    assert kernel.commands == []


def test_a_package_manager_that_does_not_answer_knows_nothing(kernel):
    def run(argv, seconds):
        raise LivepatchError("command-timed-out", "x")
    kernel.put("/usr/bin/rpm", "")
    kernel.run = run
    assert owning_package(kernel, FILE) is None
