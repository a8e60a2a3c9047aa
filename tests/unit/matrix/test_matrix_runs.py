# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the matrix runs in other Pythons, and its command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.matrix import __main__ as program
from tests.matrix import controllers, guests, hosts, page
from tests.matrix.rows import Failure, Skip

CHECKOUT = Path(__file__).resolve().parents[3]
PAGE = CHECKOUT / "docs/docsite/rst/guide_matrix_results.rst"
OLD_ESCAPE = "PATTERN = '\\d'\n"  # a SyntaxWarning, in Python 3.11 a DeprecationWarning


def run(script, *arguments):
    command = [sys.executable, "-B", str(CHECKOUT / "tests/matrix" / script), *map(str, arguments)]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(("text", "code", "last"), [
    ("x = 1\n", 0, "1"), ("x = \n", 1, "SyntaxError: invalid syntax"), (OLD_ESCAPE, 1, "invalid escape sequence"),
    (None, 1, "0")])
def test_files_are_compiled_with_warnings_as_errors(tmp_path, text, code, last):
    (tmp_path / "a").mkdir()
    if text is not None:
        (tmp_path / "a" / "file.py").write_text(text)
    status, output = run("compile_files.py", tmp_path)
    assert (status, last in output.splitlines()[-1]) == (code, True), output
    assert list(tmp_path.rglob("*.pyc")) == []


def test_every_file_of_plugins_is_loaded():
    with controllers.collections() as tree:
        status, output = run("load_plugins.py", tree)
    assert (status, output.split()) == (0, [str(len(list((CHECKOUT / "plugins").rglob("*.py"))))]), output


@pytest.mark.parametrize(("text", "told"), [
    (OLD_ESCAPE, "invalid escape sequence"), ("import warnings\nwarnings.warn('old', DeprecationWarning)\n", "old"),
    ("", "AttributeError"), ("import no_such_module_here\n", "no_such_module_here")])
def test_a_plugin_that_does_not_load_or_is_deprecated_is_seen(tmp_path, text, told):
    plugin = tmp_path / "ansible_collections/kernel/livepatch/plugins/lookup/patch_file.py"
    plugin.parent.mkdir(parents=True)
    lookup = "from ansible.plugins.lookup import LookupBase\nclass LookupModule(LookupBase): pass\n" if text else ""
    plugin.write_text(lookup + text)
    status, output = run("load_plugins.py", tmp_path)
    assert (status, told in output) == (1, True), output


@pytest.mark.parametrize("name", [
    *(f"tests/unit/plugins/{name}" for name in controllers.UNIT_TESTS), *hosts.UNIT_TESTS, *guests.FILES])
def test_the_tests_of_the_matrix_are_there(name):
    path, _colons, test = name.partition("::")
    assert (CHECKOUT / path).exists()
    assert not test or f"def {test}(" in (CHECKOUT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize(("output", "found"), [
    ('{"a": {}}\n', {"a": {}}), ("[WARNING]: Collection ansible._x has\nno version\n\n{\n}\n", {}),
    ('{"a": {}}\n[WARNING]: Collection at /tmp/kernel-livepatch-matrix-x/ansible_collections/a\n', {"a": {}})])
def test_the_json_of_ansible_doc_is_found_among_warnings_about_others(output, found):
    assert controllers.documents(output) == found


@pytest.mark.parametrize("output", [
    "", "ERROR! no such kind\n", "[WARNING]: kernel.live\npatch.patch cannot be read\n{}\n",
    "{}\n[WARNING]: ansible._x\n[ERROR]: in /x/ansible_collections/kernel/livepatch/a\n"])
def test_a_warning_about_this_collection_is_a_failure(output):
    with pytest.raises(Failure):
        controllers.documents(output)


def test_each_playbook_is_parsed():
    assert set(controllers.PLAYBOOKS) == {file.stem for file in (CHECKOUT / "playbooks").iterdir() if file.is_file()}


@pytest.fixture
def handlers():
    """The handler of SIGTERM is that of this process again in the end."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "page.rst"
    path.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.fixture
def main(results, tmp_path, monkeypatch, handlers):
    """main(*parts): exit code and names of the rows that were computed; `fill` says how each ends."""
    def run_main(*parts, fill=lambda row: row.cells.extend(["3.11.2"] * 5)):
        computed = []

        def fill_and_note(row, *_version):
            computed.append(row.name)
            fill(row)
        for module in (controllers, hosts, guests):
            monkeypatch.setattr(module, "fill", fill_and_note)
        code = program.main(["--page", str(results), "--reports", str(tmp_path / "reports"), *parts])
        return code, computed
    return run_main


def test_without_a_part_every_row_is_computed(main):
    assert main() == (0, [row for table in page.TABLES for row in table.rows])


def test_a_part_is_a_table_or_rows(main):
    assert main("guests") == (0, list(page.GUEST_TABLE.rows))
    assert main("3.6", "2.17", "5.10/2.16") == (0, ["2.17", "3.6", "5.10/2.16"])


def test_a_part_that_there_is_not_is_named_and_nothing_runs(main, capsys):
    assert main("3.6", "3.5") == (2, [])
    assert capsys.readouterr().err.startswith("error: There is no part 3.5; use one of: 2.16, ")


def test_a_row_that_fails_is_written_and_the_next_one_runs(main, results, capsys):
    def fill(row):
        if row.name == "2.17":
            raise Failure("venv has failed")
        if row.name == "2.18":
            raise Skip("no interpreter")
        row.cells = ["2.16.19", *["1 passed"] * 7]
    assert main("2.16", "2.17", "2.18", fill=fill) == (1, ["2.16", "2.17", "2.18"])
    table = page.read_table(results, page.CONTROLLER_TABLE)
    assert [table[name][0] for name in ("2.16", "2.17", "2.18")] == [
        "2.16.19", "failed: venv has failed", "skipped: no interpreter"]
    assert {len(cells) for cells in table.values()} == {len(page.CONTROLLER_TABLE.columns) - 1}
    assert capsys.readouterr().err.endswith("error: These rows have a cell that failed: 2.17.\n")


def test_a_run_that_is_ended_removes_what_a_row_has_made(main, tmp_path):
    def fill(row):
        with tempfile.TemporaryDirectory(dir=tmp_path, prefix="of-a-row-"):
            os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        main("2.16", fill=fill)
    assert (ended.value.code, list(tmp_path.glob("of-a-row-*"))) == (143, [])


def test_a_row_that_is_only_skipped_is_no_failure(main):
    def fill(row):
        raise Skip("no interpreter")
    assert main("2.18", fill=fill)[0] == 0
