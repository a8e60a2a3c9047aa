# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report: private, whole, and never where somebody else leads them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report import files
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.files import check_report_dir, write_report
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import example_records as examples
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import fleet_status

NAME = "livepatch-rollout-20261121T160211Z-1a2b3c"


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


def without_hosts_of_cohorts(record):
    return dict(record, cohorts=[{key: one[key] for key in one if key != "hosts"} for one in record["cohorts"]])


def refused(path, code="report-dir-unusable"):
    with pytest.raises(TaskError) as caught:
        check_report_dir(path)
    assert caught.value.code == code
    return caught.value.message


def test_a_report_is_two_private_files_and_nothing_else(tmp_path):
    made = examples.rollout(8)
    paths = write_report(made, str(tmp_path / "a" / "reports"))
    directory = tmp_path / "a" / "reports"
    assert paths == {"json": f"{directory}/{NAME}.json", "html": f"{directory}/{NAME}.html"}
    assert sorted(os.listdir(directory)) == [f"{NAME}.html", f"{NAME}.json"]
    assert [mode(directory), mode(paths["json"]), mode(paths["html"])] == [0o700, 0o600, 0o600]
    assert examples.read(Path(paths["json"]).read_text()) == without_hosts_of_cohorts(made)
    assert Path(paths["html"]).read_text().startswith("<!DOCTYPE html>")


def test_a_status_is_five_files_and_without_a_cve_three(tmp_path):
    name = "livepatch-status-20261121T160211Z-1a2b3c"
    paths = write_report(fleet_status.record(), str(tmp_path / "a"))
    endings = {"json": "json", "html": "html", "csv": "csv", "openvex": "openvex", "oval": "oval.xml"}
    assert paths == {kind: f"{tmp_path}/a/{name}.{ending}" for kind, ending in endings.items()}
    assert {mode(path) for path in paths.values()} == {0o600}
    assert json.loads(Path(paths["openvex"]).read_text())["statements"]
    assert Path(paths["csv"]).read_bytes().startswith(b'"host","verdict",')
    nothing = fleet_status.record({"bare": fleet_status.FLEET["bare"]}, builds=None)
    assert sorted(write_report(nothing, str(tmp_path / "b"))) == ["csv", "html", "json"]


@pytest.mark.parametrize("make", [
    lambda: examples.rollout(8), lambda: examples.rollout(300, breach_in=3, no_build=12, unreachable=4, stalled=14),
    lambda: examples.planned(40), lambda: examples.rollout(3000),
    lambda: examples.rollout(3000, breach_in=4, no_build=40, unreachable=20, stalled=40)])
def test_the_json_is_no_larger_than_the_page_and_loses_nothing(make, tmp_path):
    made = make()
    paths = {kind: Path(path) for kind, path in write_report(made, str(tmp_path)).items()}
    assert paths["json"].stat().st_size <= paths["html"].stat().st_size
    assert examples.read(paths["json"].read_text()) == without_hosts_of_cohorts(made)


def test_what_is_the_same_on_hosts_is_written_once(tmp_path):
    made = examples.rollout(40)
    written = json.loads(Path(write_report(made, str(tmp_path))["json"]).read_text())
    assert len(written["groups"]) < 20 and "functions" not in written["hosts"]["web1.sim.example"]
    host = written["hosts"]["web1.sim.example"]
    assert written["groups"][host["group"]]["cohort"] in [cohort["title"] for cohort in written["cohorts"]]


def test_a_relative_directory_is_below_where_ansible_was_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_report_dir("reports/2026") == tmp_path / "reports" / "2026"


def test_home_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_report_dir("~/reports") == tmp_path / "reports"


def test_looking_leaves_nothing_in_the_directory_and_its_mode_as_it_was(tmp_path):
    tmp_path.chmod(0o755)
    assert check_report_dir(str(tmp_path)) == tmp_path
    assert (os.listdir(tmp_path), mode(tmp_path)) == ([], 0o755)


@pytest.mark.parametrize("path", ["", "  ", None, 7, ["x"], "a\0b"])
def test_what_is_no_path_is_refused(path):
    assert "Set it to the path of a directory" in refused(path, "bad-option")


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    assert "File exists" in refused(str(tmp_path / "file"))
    assert "Not a directory" in refused(str(tmp_path / "file" / "below"))


@pytest.mark.parametrize("bits", [0o777, 0o770, 0o702])
def test_a_directory_that_others_can_change_is_refused(tmp_path, bits):
    tmp_path.chmod(bits)
    assert "can be changed by other users" in refused(str(tmp_path))


def test_a_directory_like_tmp_is_good_enough(tmp_path):
    tmp_path.chmod(0o1777)
    assert check_report_dir(str(tmp_path)) == tmp_path


def test_a_link_of_another_user_is_refused_and_an_own_one_is_not(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    assert check_report_dir(str(link)) == link
    real = Path.lstat

    def of_somebody(path):
        status = real(path)
        return os.stat_result((*status[:4], 4711, *status[5:10])) if path == link else status
    monkeypatch.setattr(Path, "lstat", of_somebody)
    assert f"leads through {link}, a link of another user" in refused(str(link / "below"))


def test_a_directory_that_is_full_or_read_only_is_one_error(tmp_path, monkeypatch):
    def full(**_keywords):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(files.tempfile, "TemporaryFile", full)
    assert refused(str(tmp_path)) == (
        f"The directory for reports {tmp_path} cannot be used (No space left on device). Set another "
        "livepatch_report_dir, or correct its owner and mode.")


def test_a_link_in_a_files_place_is_replaced_and_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    directory = tmp_path / "reports"
    directory.mkdir(mode=0o700)
    (directory / f"{NAME}.html").symlink_to(victim)
    paths = write_report(examples.rollout(1), str(directory))
    assert victim.read_text() == "precious"
    assert not Path(paths["html"]).is_symlink()


def test_a_directory_in_a_files_place_is_one_error(tmp_path):
    (tmp_path / f"{NAME}.json" / "x").mkdir(parents=True)
    with pytest.raises(TaskError) as caught:
        write_report(examples.rollout(1), str(tmp_path))
    assert caught.value.code == "report-dir-unusable"
    assert f"does not take {NAME}.json" in caught.value.message
    assert os.listdir(tmp_path) == [f"{NAME}.json"]


@pytest.mark.parametrize("kind, identifier", [
    ("rollout", "../x"), ("rollout", ""), ("rollout", None), ("rollout", "a/b"), ("rollout", "x" * 81), ("other", "x"),
    (None, "x")])
def test_what_is_no_record_is_refused(tmp_path, kind, identifier):
    with pytest.raises(TaskError) as caught:
        write_report(dict(examples.rollout(1), kind=kind, id=identifier), str(tmp_path))
    assert caught.value.code == "bad-option"
    assert os.listdir(tmp_path) == []
