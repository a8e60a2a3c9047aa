# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report: whole, by itself, and with nothing in it that a host could have smuggled in."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from html.parser import HTMLParser

import pytest
from jinja2 import StrictUndefined

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report import page as page_module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.causes import coverage
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.page import render
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.vocabulary import OPTIONS
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import rollout_options
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import example_records as examples

# Tags that HTML lets one leave open; the grid does, to stay small.
LEFT_OPEN = ("td", "th", "tr", "dt", "dd")
WITHOUT_END = ("meta", "input")


class Page(HTMLParser):
    """Elements of a page, its text, and tags that do not fit together."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.wrong, self._open = [], [], [], []
        self.feed(text)
        self.close()
        self.wrong += [tag for tag in self._open if tag not in LEFT_OPEN]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in WITHOUT_END:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self._open and self._open[-1] != tag and self._open[-1] in LEFT_OPEN:
            self._open.pop()
        if not self._open or self._open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.texts.append(data)

    def attributes(self, name):
        return [attributes[name] for _tag, attributes in self.elements if name in attributes]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module", params=[name for name in examples.EXAMPLES if name != "five-thousand"])
def page(request):
    return Page(render(examples.EXAMPLES[request.param]()))


def test_tags_fit_together_and_anchors_lead_somewhere(page):
    assert page.wrong == []
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.attributes("href") if link.startswith("#")} <= set(ids)


def test_nothing_is_loaded_and_nothing_runs_but_what_is_in_the_page(page):
    assert not page.attributes("src") and not page.attributes("style")
    assert [name for _tag, attributes in page.elements for name in attributes if name.startswith("on")] == []
    assert [tag for tag, _attributes in page.elements if tag in ("link", "img", "iframe", "base", "object")] == []
    assert [tag for tag, _attributes in page.elements].count("script") == 1
    assert [link for link in page.attributes("href") if not re.match("#|https?://", link)] == []


def test_the_policy_has_the_digests_of_the_style_and_the_script():
    text = render(examples.rollout(1))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy.replace("&#39;", "'")
    assert policy.startswith("default-src 'none';")


def test_every_text_of_a_host_is_shown_as_text():
    text = render(examples.hostile())
    assert "<script>document" not in text and "<img" not in text
    assert "\u202e" not in text and "\x1b" not in text
    assert "javascript:" not in text
    assert "{{ 7 * 7 }}" in Page(text).text


@pytest.mark.parametrize("text", ["x" * 100_000, "\ud800", ""])
def test_odd_texts_are_no_harm(text):
    assert len(render(examples.hostile(text))) < 400_000


def test_no_template_asks_for_what_a_record_does_not_have(monkeypatch):
    monkeypatch.setattr(page_module, "ChainableUndefined", StrictUndefined)
    page_module._environment.cache_clear()
    made = dict(examples.rollout(8, breach_in=1, stalled=1, no_build=1), notes=["A note."])
    assert "A note." in render(made)
    page_module._environment.cache_clear()


def test_a_record_of_another_release_that_lacks_something_has_a_page_too():
    made = examples.rollout(8, breach_in=1, stalled=1)
    for host in made["hosts"].values():
        for key in ("cohort", "findings", "blockers", "health", "functions", "loaded_at"):
            del host[key]
    for wave in made["waves"]:
        del wave["looks"]
    assert "Stopped in wave 1" in Page(render({**made, "options": {}, "patches": None, "lines": None})).text


def test_each_host_is_in_the_grid_with_its_functions():
    made = examples.rollout(8, no_build=1)
    text = render(made)
    row = re.search(r'<tr><th scope="row">db1\.sim\.example.*', text).group(0)
    assert row.count(' class="f">✓') == 7
    assert text.count('<tr><th scope="row">mail2.sim.example') == 1
    assert all(name in text for names in examples.FUNCTIONS.values() for name in names)


def test_functions_of_an_unreachable_host_are_not_said_to_be_patched():
    text = render(examples.rollout(8, breach_in=1, unreachable=1))
    row = re.search(r'<th scope="row">web1\.sim\.example<td.*', text).group(0)
    assert (row.count('class="f w">?'), row.count("✓")) == (7, 0)


def test_failures_stand_by_their_cause_with_hosts_and_who_holds_them():
    text = Page(render(examples.rollout(8, breach_in=1, stalled=1))).text
    assert "✗ failed transition-stalled on 1 host, during the load" in text
    assert "Then run again. web1.sim.example" in text
    assert "Its transition is held by 1 task" in text and "nginx (pid 4711" in text


def test_a_failed_host_has_what_its_watch_has_seen():
    record = examples.rollout(8)
    host = record["hosts"]["web1.sim.example"]
    host.update(failure={"code": "watch-failed", "message": "It failed.", "step": "accept"}, health=[
        {"name": "site", "ok": True, "message": "30 of 30 succeeded."}, {"name": "db", "ok": None, "message": "none"},
        {"name": "mail", "ok": False, "message": "28 of 30 succeeded."}])
    text = Page(render(record)).text
    assert "The host looked at its patch 30 times, from 2026-11-21 16:0" in text
    assert "✓ site: 30 of 30 succeeded. ? db: none ✗ mail: 28 of 30 succeeded." in text


def test_cves_are_said_to_be_covered_only_where_the_patch_stays():
    text = Page(render(examples.rollout(300, breach_in=3, no_build=12, unreachable=4, stalled=14))).text
    said = text[text.index("CVE coverage"):text.index("Options Patch or bundle")]
    assert "CVE-2026-1234 CVE-2026-1301" in said
    assert re.search(r"✓ covered 30 ", said)
    assert re.search(r"✗ not covered: not patched 150 ", said)
    assert re.search(r"✗ not covered: without a build 12 ", said)
    assert re.search(r"✗ not covered: reverting automatically 4 ", said)


@pytest.mark.parametrize(("changed", "said"), [
    ({"sha256": "5e" * 32, "build_id": "77" * 20}, "✗ not covered: another build of this patch 1"),
    ({"sha256": "5e" * 32, "build_id": None}, "✗ not covered: another build of this patch 1"),
    ({"sha256": None, "build_id": None}, "? enabled by name, build unknown 1"),
    ({"kernel": "6.1.0-1-amd64"}, "✗ not covered: another build of this patch 1"),
    ({"verified": False}, "✗ not covered: enabled, and its verification failed 1"),
])
def test_a_host_with_another_build_of_the_name_is_not_covered(changed, said):
    made = examples.rollout(3)
    assert "✓ covered 3" in Page(render(made)).text
    made["hosts"]["web1.sim.example"].update(changed)
    text = Page(render(made)).text
    assert "✓ covered 2" in text
    assert said in text


def test_a_host_is_not_said_to_miss_a_patch_whose_name_holds_the_release_of_another_kernel():
    made = examples.rollout(40)
    patch, = made["patches"]
    made["patches"] = [
        dict(patch, name=f"{patch['name']}_{number}", builds=[build]) for number, build in enumerate(patch["builds"])]
    for host in made["hosts"].values():
        host["patch"] = f"{patch['name']}_{[one['release'] for one in patch['builds']].index(host['kernel'])}"
    found = coverage(made)
    assert sorted(host for one in found for host in one.covered) == sorted(made["hosts"])
    assert [one.missing for one in found] == [[], []]


def test_a_plan_says_what_is_not_covered_yet_without_an_alarm():
    text = Page(render(examples.planned(8, no_build=1))).text
    assert "○ not covered yet: to be patched 8" in text and "✗ not covered: without a build 1" in text


def test_what_runs_on_trial_covers_for_now():
    made = examples.rollout(1)
    made["hosts"]["web1.sim.example"]["state"] = "on_trial"
    text = Page(render(made)).text
    assert "✓ covered 0" in text and "◔ for now, on trial 1 web1.sim.example" in text


def test_five_thousand_hosts_stay_small_and_folded():
    text = render(examples.EXAMPLES["five-thousand"]())
    assert len(text.encode()) < 5_000_000
    assert '<details class="group panel">' in text and '<details class="group panel" open' not in text
    assert text.count('<th scope="row">') > 5130
    assert Page(text).wrong == []


def test_a_patch_of_a_thousand_functions_has_a_grid_that_can_be_read():
    made = examples.rollout(3)
    for host in made["hosts"].values():
        host["functions"] = [
            {"object": "vmlinux", "name": f"f{number}", "sympos": 1, "state": "patched"} for number in range(1000)]
    made["hosts"]["db1.sim.example"]["functions"][7]["state"] = "overridden"
    text = render(made)
    assert "999 functions" in text and ">f7<" in text
    assert text.count('class="f b">≠') == 1


def test_the_record_is_left_as_it_was():
    made = examples.hostile()
    before = copy.deepcopy(made)
    render(made)
    assert made == before


def test_every_option_of_a_rollout_has_words_in_the_page():
    assert set(rollout_options({"livepatch_src": "patches/"}).as_record(3)) <= set(OPTIONS)
