# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout is asked to do, out of variables of every type that they come in."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import NAMES, rollout_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import to_plain

EMPTY = [None, "", "  ", "\n", []]
RECORD = {
    "src": "patches/", "name": None, "version": None, "state": "accepted", "soak": 300, "looks": None, "trial": None,
    "longest_trial": 3600, "limits": {}, "without_domain": "refuse", "window": None, "halt_file": None, "shard": None,
    "transition_timeout": 90, "on_stall": "reverse", "budget": {"asked": "0", "hosts": None},
    "on_breach": "rollback_wave",
    "waves": ["canary", "10%", "50%", "100%"], "approve": [], "approved": [], "cohort_by": [], "health_checks": [],
    "before": [], "after": [], "hook_timeout": 300,
    "ignore_findings": [], "adopt": False, "take_lease": False, "partial_inventory": False, "params": {},
    "min_calls": 0,
}


def options(**variables):
    return rollout_options({"livepatch_src": "patches/", **{f"livepatch_{key}": variables[key] for key in variables}})


def refusal(**variables):
    with pytest.raises(TaskError) as caught:
        options(**variables)
    assert caught.value.code == "bad-option"
    return caught.value.message


def test_everything_has_its_default():
    assert options().as_record() == RECORD
    assert options().report_dir is None
    assert json.loads(json.dumps(options().as_record())) == RECORD


@pytest.mark.parametrize("name", [name for name in NAMES if name != "src"])
@pytest.mark.parametrize("empty", EMPTY)
def test_empty_means_the_default(name, empty):
    assert options(**{name: empty}) == options()


@pytest.mark.parametrize("variables", [{}, *({"livepatch_src": empty} for empty in EMPTY)])
def test_a_source_is_needed(variables):
    with pytest.raises(TaskError) as caught:
        rollout_options(variables)
    assert caught.value.message == (
        "livepatch_src is not set. Set it to a patch file or a bundle, as in -e livepatch_src=patches/.")


@pytest.mark.parametrize(("name", "given", "read"), [
    ("src", " /srv/fix.ko\n", "/srv/fix.ko"), ("name", "livepatch_fix", "livepatch_fix"), ("version", " 1.10", "1.10"),
    ("state", "enabled ", "enabled"), ("on_stall", "wait", "wait"), ("on_breach", "hold", "hold"),
    ("soak", 0, 0), ("soak", "600", 600), ("soak", 60.0, 60), ("soak", " 86400 ", 86400),
    ("looks", "0", 0), ("looks", 100, 100), ("trial", "2592000", 2592000),
    ("transition_timeout", 1, 1), ("report_dir", "reports", "reports"),
    ("approve", "all", ("all",)), ("approve", [2, "canary"], ("2", "canary")), ("approve", 3, ("3",)),
    ("approved", "1\ncanary, 1", ("1", "canary")), ("approved", '["10%", 2]', ("up to 10%", "2")),
    ("cohort_by", "ring,site", ("ring", "site")), ("cohort_by", ["ring", "ring"], ("ring",)),
    ("ignore_findings", "quarantined", ("quarantined",)), ("adopt", "yes", True),
    ("take_lease", "yes", True),
    ("partial_inventory", "yes", True),
    ("longest_trial", "7200", 7200), ("without_domain", "one_domain", "one_domain"),
    ("params", {"level": 2, "on": True}, {"level": 2, "on": True}), ("params", '{"names": ["a"]}', {"names": ["a"]}),
])
def test_a_variable_comes_as_its_type_or_as_text(name, given, read):
    assert getattr(options(**{name: given}), name) == read


@pytest.mark.parametrize("waves", [
    "canary, 10%, 5", "canary\r\n10%\r\n5\r\n", ["canary", "10%", 5], ["canary,10%", "5"], '["canary", "10%", 5]',
    ("canary", "10%", 5.0), " canary , 10 %,\n 5 hosts,",
])
def test_waves_come_as_a_list_or_as_text(waves):
    assert options(waves=waves).as_record()["waves"] == ["canary", "10%", "5"]


def test_the_budget_in_hosts_needs_the_covered_ones():
    assert options(failure_budget="5%").as_record(40)["budget"] == {"asked": "5%", "hosts": 2}
    assert options(failure_budget=3).as_record()["budget"] == {"asked": "3", "hosts": None}


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("src", ["a.ko"],
     "livepatch_src is ['a.ko']. Set it to a patch file or a bundle, as in -e livepatch_src=patches/."),
    ("src", "a\nb", "livepatch_src is 'a\\nb'. Set it to a patch file or a bundle, as in -e livepatch_src=patches/."),
    ("state", "Accepted", "livepatch_state is 'Accepted'. Give accepted or enabled."),
    ("on_breach", True, "livepatch_on_breach is True. Give rollback_wave, rollback_all or hold."),
    ("soak", "5m", "livepatch_soak is '5m'. Give a whole number of seconds from 0 to 86400."),
    ("looks", 101, "livepatch_looks is 101. Give a whole number from 0 to 100."),
    ("looks", "few", "livepatch_looks is 'few'. Give a whole number from 0 to 100."),
    ("soak", -1, "livepatch_soak is -1. Give a whole number of seconds from 0 to 86400."),
    ("soak", 86401, "livepatch_soak is 86401. Give a whole number of seconds from 0 to 86400."),
    ("soak", 1.5, "livepatch_soak is 1.5. Give a whole number of seconds from 0 to 86400."),
    ("soak", True, "livepatch_soak is True. Give a whole number of seconds from 0 to 86400."),
    ("soak", float("inf"), "livepatch_soak is inf. Give a whole number of seconds from 0 to 86400."),
    ("trial", 0, "livepatch_trial is 0. Give a whole number of seconds from 1 to 2592000."),
    ("transition_timeout", "0",
     "livepatch_transition_timeout is '0'. Give a whole number of seconds from 1 to 86400."),
    ("waves", {"canary": 1}, "livepatch_waves has {'canary': 1} in it. Give a list of texts, or a text with commas."),
    ("waves", [None], "livepatch_waves has None in it. Give a list of texts, or a text with commas."),
    ("waves", "\x1b[31mcanary",
     "livepatch_waves has '\\x1b[31mcanary' in it. Give a list of texts, or a text with commas."),
    ("waves", "canary; 50%",
     "livepatch_waves has 'canary; 50%' in it. Give canary, numbers of hosts from 1, growing shares up to 100%, and "
     "names of inventory groups, with commas between them."),
    ("approve", "yes",
     "livepatch_approve has 'yes' in it, which names no wave. Give numbers of waves from 1, or some of: canary, 10%, "
     "up to 10%, 50%, up to 50%, 100%, up to 100%, all."),
    ("params", ["a"], "livepatch_params is ['a']. Give a dict, or one as JSON text."),
    ("params", "a=1", "livepatch_params is 'a=1'. Give a dict, or one as JSON text."),
    ("params", {"a b": 1}, "livepatch_params: 'a b' is not a name for a module parameter. Correct it."),
    ("soak", "x" * 200, f"livepatch_soak is '{'x' * 79}.... Give a whole number of seconds from 0 to 86400."),
])
def test_what_makes_no_sense_is_refused_in_one_sentence(name, value, sentence):
    assert refusal(**{name: value}) == sentence


def test_text_that_begins_as_json_has_to_be_json():
    assert refusal(waves='["canary"').startswith("livepatch_waves begins with [ and is no JSON (")
    assert refusal(health_checks="[" * 100_000).startswith("livepatch_health_checks begins with [ and is no JSON (")


@pytest.mark.parametrize(("code", "why"), [
    ("wrong-release", "must never be ignored"), ("no-build", "is a note"), ("nonsense", "is not a code of a finding")])
def test_only_some_findings_can_be_ignored(code, why):
    message = refusal(ignore_findings=["quarantined", code])
    assert message.startswith(f"livepatch_ignore_findings: {code} {why}")


def test_variables_without_the_prefix_do_not_matter():
    assert rollout_options({"livepatch_src": "patches/", "waves": "1", "src": "x", "__livepatch_wave": 1}) == options()


class Text(str):
    """As in ansible-core 2.19 and newer, where values carry tags."""

    def __str__(self):  # pylint: disable=invalid-str-returned
        return self

    __slots__ = ()


class Number(int):
    pass


class List(list):
    pass


class Dict(dict):
    pass


def types_in(value):
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    return {type(value)}.union(*(types_in(item) for item in inner))


def test_what_is_read_is_plain():
    given = Dict({Text("a"): List([Text("b"), Number(1), 1.5, None, True]), "c": Dict(d=("e",))})
    assert to_plain(given) == {"a": ["b", 1, 1.5, None, True], "c": {"d": ["e"]}}
    assert types_in(to_plain(given)) == {dict, list, str, int, float, bool, type(None)}
    read = options(
        src=Text("patches/"), soak=Number(5), waves=List([Text("canary"), Text("100%")]), state=Text("enabled"),
        health_checks=List([Dict(unit=Text("a.service"), timeout=Number(3))]), params=Dict({Text("x"): Text("y")}))
    assert types_in(read.as_record(1)) == {dict, list, str, int, bool, type(None)}
    assert {type(read.src), type(read.soak), type(read.state)} == {str, int}


def test_values_with_tags_are_made_plain():
    tags = pytest.importorskip("ansible._internal._datatag._tags")
    tagged = tags.Origin(description="a test").tag
    given = tagged([tagged("canary"), tagged({tagged("a"): tagged(1)})])
    assert types_in(to_plain(given)) == {list, dict, str, int}


def checks(asked, directory=None):
    variables = {"livepatch_src": "patches/", "livepatch_health_checks": asked}
    return list(rollout_options(variables, directory).health_checks)


@pytest.mark.parametrize(("asked", "read"), [
    ({"command": " check  --fast "}, {"name": "check --fast", "command": "check  --fast", "timeout": 10}),
    ({"command": ["check", "two words", 3]},
     {"name": "check 'two words' 3", "command": ["check", "two words", "3"], "timeout": 10}),
    ({"url": "https://localhost:8443/up?token=x", "timeout": "300"},
     {"name": "https://localhost:8443/up", "url": "https://localhost:8443/up?token=x", "timeout": 300}),
    ({"url": "http://me:pw@[::1]/up"}, {"name": "http://[::1]/up", "url": "http://me:pw@[::1]/up", "timeout": 10}),
    ({"unit": "nginx.service", "name": "web", "timeout": 1}, {"name": "web", "unit": "nginx.service", "timeout": 1}),
    ({"unit": "getty@tty1", "name": "", "timeout": "", "command": None},
     {"name": "unit getty@tty1", "unit": "getty@tty1", "timeout": 10}),
    ({"command": "x" * 200}, {"name": "x" * 77 + "...", "command": "x" * 200, "timeout": 10}),
])
def test_a_health_check_is_read(asked, read):
    assert checks([asked]) == [read]
    assert checks(asked) == [read]
    assert checks(json.dumps(asked)) == checks(json.dumps([asked])) == [read]


def test_a_file_of_tasks_becomes_absolute(tmp_path, monkeypatch):
    (tmp_path / "check.yml").write_text("[]")
    read = [{"name": "tasks check.yml", "tasks": str(tmp_path / "check.yml"), "timeout": 10}]
    assert checks([{"tasks": "check.yml"}], tmp_path) == read
    assert checks([{"tasks": str(tmp_path / "check.yml")}]) == read
    monkeypatch.chdir(tmp_path)
    assert checks([{"tasks": "check.yml"}]) == read
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checks([{"tasks": "~/check.yml"}], tmp_path / "elsewhere") == read


@pytest.mark.parametrize(("asked", "sentence"), [
    (["nginx"], "has 'nginx' in it. Give a list of dicts such as {unit: nginx.service}, or one as JSON text."),
    ("nginx", "is 'nginx'. Give a list of dicts such as {unit: nginx.service}, or one as JSON text."),
    (3, "is 3. Give a list of dicts such as {unit: nginx.service}, or one as JSON text."),
    ([{}], "(1.) is {}. Give each check one of command, url, unit, tasks."),
    ([{"unit": "a", "url": "b"}], "(1.) has url and unit. Give each check one of command, url, unit, tasks."),
    ([{"unit": "a"}, {"unit": "b", "timout": 3}],
     "(2.) has the unknown key 'timout'. A check has command, url, unit, tasks, name and timeout."),
    ([{"unit": "a", "timeout": 301}], "(1.) has timeout 301. Give whole seconds from 1 to 300."),
    ([{"unit": "a", "timeout": 0}], "(1.) has timeout 0. Give whole seconds from 1 to 300."),
    ([{"unit": "a", "timeout": "10s"}], "(1.) has timeout '10s'. Give whole seconds from 1 to 300."),
    ([{"unit": "a", "name": 3}], "(1.) has the name 3. Give a text of one line."),
    ([{"unit": "a", "name": "b\nc"}], "(1.) has the name 'b\\nc'. Give a text of one line."),
    ([{"unit": "a"}, {"url": "http://x", "name": "unit a"}],
     "has the name 'unit a' twice. Give each check a name of its own."),
    ([{"unit": "a", "name": f"a{number}"} for number in range(51)], "are 51. Give at most 50 besides tasks."),
    *(([{"unit": unit}], f"(1.) has unit '{unit}'. Give the name of a systemd unit such as nginx.service or "
       "getty@tty1.service.") for unit in ("-a", "a b", "a@.service")),
    *(([{"url": url}], f"(1.) has url {url!r}. Give an address that begins with http:// or https://.")
      for url in ("ftp://x/", "http://", "x", "file:///etc/passwd", "http://x:99999/", "http://x y/", "http://[x", 3)),
    *(([{"command": command}],
       f"(1.) has command {command!r}. Give a program and its arguments, as one text or as a list; there is no shell.")
      for command in ("", " ", "'", "''", [], [""], ["a", None], ["a", "\0"], 3, {"a": 1})),
    ([{"tasks": "absent.yml"}],
     "(1.) has tasks 'absent.yml'. Give a file of tasks that is on the controller, absolute or below where Ansible was "
     "started."),
])
def test_a_health_check_that_makes_no_sense_is_refused(asked, sentence):
    with pytest.raises(TaskError) as caught:
        checks(asked)
    assert (caught.value.code, caught.value.message) == ("bad-option", f"livepatch_health_checks {sentence}")


def test_no_password_gets_into_the_record():
    read = options(health_checks=[{"url": "http://me:secret@x/up", "name": "up"}, {"unit": "a"}])
    assert read.health_checks[0]["url"] == "http://me:secret@x/up"
    assert [check.get("url") for check in read.as_record()["health_checks"]] == ["http://x/up", None]
