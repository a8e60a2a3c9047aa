# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""release.yml: what is read, what is refused, and the ring of each host."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull import release
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.options import pull_options, ring_name
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

GOOD = {"rings": ["1%", "10%", "50%", "100%"], "releases": [{"src": "patches/", "up_to": 1}]}
MANY = 100_000
RINGS = [3, 3, 2, 2]


def parsed(**changed):
    return release.parse_release(yaml.safe_dump({**GOOD, **changed}).encode(), "release.yml")


def refused(content):
    content = content if isinstance(content, bytes) else yaml.safe_dump(content).encode()
    with pytest.raises(TaskError) as caught:
        release.parse_release(content, "release.yml")
    assert caught.value.code == "release-invalid" and "nothing was changed" in caught.value.message
    assert caught.value.message.isprintable() and len(caught.value.message) < 1000
    return caught.value.message


def test_a_release_has_its_rings_its_entries_and_its_times():
    read = parsed(releases=[{"src": "new/", "name": "fix", "version": "3", "up_to": 0}, {"src": "old/", "up_to": 3}])
    assert [end / release.PLACES for end in read.rings] == pytest.approx([0.01, 0.1, 0.5, 1])
    assert (read.halt, read.soak, read.trial) == (None, release.SOAK, release.SOAK + release.MARGIN)
    # The first entry that is for the ring.
    assert [read.release_for(ring).src for ring in range(4)] == ["new/", "old/", "old/", "old/"]
    assert parsed(releases=[]).release_for(0) is None and parsed().release_for(2) is None


@pytest.mark.parametrize(("halt", "reason"), [
    (False, None), (None, None), (True, "no reason is given"), ("web is slow\n", "web is slow"),
    ("\x1b[31m" + "x" * 999, None)])
def test_a_halt_has_a_reason(halt, reason):
    read = parsed(halt=halt).halt
    assert read == reason if len(str(halt)) < 99 else read.isprintable() and len(read) <= release.LONGEST_REASON


@pytest.mark.parametrize(("changed", "what"), [
    ({"ring": 1}, "unknown key 'ring'"), ({"rings": None}, "has no rings"), ({"releases": None}, "has no releases"),
    ({"rings": []}, "rings"), ({"rings": ["50%", "10%", "100%"]}, "rings"), ({"rings": ["1%", "50%"]}, "rings"),
    ({"rings": ["0%", "100%"]}, "rings"), ({"rings": [1, 100]}, "rings"), ({"rings": "100%"}, "rings"),
    ({"rings": ["10%", "10%", "100%"]}, "rings"), ({"rings": ["101%"]}, "rings"),
    ({"releases": {"src": "x"}}, "no list"), ({"releases": ["x"]}, "no mapping in an entry"),
    ({"releases": [{"src": "x"}]}, "has no up_to"), ({"releases": [{"up_to": 1}]}, "has no src"),
    ({"releases": [{"src": "x", "up_to": 4}]}, "up_to"), ({"releases": [{"src": "x", "up_to": -1}]}, "up_to"),
    ({"releases": [{"src": "x", "up_to": True}]}, "up_to"),
    ({"releases": [{"src": "x", "up_to": 1, "rings": 2}]}, "rings"),
    ({"releases": [{"src": "x", "up_to": 1, "version": 3}]}, "version"),
    ({"releases": [{"src": " ", "up_to": 1}]}, "src"), ({"releases": [{"src": "a\nb", "up_to": 1}]}, "src"),
    ({"releases": [{"src": "x", "up_to": 1} for _entry in range(21)]}, "at most 20"),
    ({"halt": 1}, "halt"), ({"halt": []}, "halt"), ({"halt": " "}, "halt"),
    ({"soak": -1}, "soak"), ({"soak": "long"}, "soak"), ({"soak": 10 ** 9}, "soak"),
    ({"soak": 600, "trial": 600}, "trial"), ({"trial": 10 ** 9}, "trial")])
def test_what_is_no_release_is_refused_with_what_is_right(changed, what):
    assert what in refused({**GOOD, **changed})


@pytest.mark.parametrize("content", [
    b"", b"[]", b"rings", b"\xff\xfe\xfd", b"{", b"rings: [1%\n", b"? [a, b]\n: 1\n", b"[" * 20000, b"a: &a [*a]\n",
    b"rings: [100%]\nrings: [100%]\nreleases: []\n", b"!!python/object/apply:os.system [true]\n",
    b"a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b]\n", b"rings: [100%]\nreleases: []\n2026-13-01: 1\n",
    b"halt: !!timestamp x\n", b"soak: !!int ''\n", b"soak: !!float ''\n", b"!!binary x: 1\n"])
def test_what_is_no_yaml_or_would_grow_is_refused(content):
    refused(content)


def test_a_file_is_bounded_and_its_patches_are_beside_it(tmp_path):
    def fail(_address, _most):
        raise AssertionError("A file needs no fetch.")
    file = tmp_path / "sub" / "release.yml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(GOOD))
    assert release.read_release("sub/release.yml", tmp_path, fail).releases[0].src == str(file.parent / "patches")
    file.write_text(yaml.safe_dump({**GOOD, "releases": [{"src": "/opt/patches", "up_to": 0}]}))
    assert release.read_release(str(file), tmp_path, fail).releases[0].src == "/opt/patches"
    file.write_bytes(b"#" * (release.MOST_BYTES + 1))
    for source, code in (("sub/release.yml", "release-invalid"), ("none.yml", "release-unreadable")):
        with pytest.raises(TaskError) as caught:
            release.read_release(source, tmp_path, fail)
        assert caught.value.code == code


class Server:
    """The requests for an address, and what they get."""

    def __init__(self, content):
        self.content, self.requests = content, []

    def fetch(self, address, most):
        self.requests.append(address)
        if isinstance(self.content, Exception):
            raise self.content
        return self.content[:most]


ABSOLUTE = yaml.safe_dump({**GOOD, "releases": [{"src": "/opt/patches", "up_to": 3}]}).encode()


def test_an_address_is_fetched_once(tmp_path):
    server = Server(ABSOLUTE)
    read = release.read_release("https://patches.example.com/release.yml", tmp_path, server.fetch)
    assert read.releases[0].src == "/opt/patches" and len(server.requests) == 1


@pytest.mark.parametrize(("address", "content", "code"), [
    ("http://example.com/r.yml", ABSOLUTE, "release-unreadable"), ("ftp://x/r.yml", ABSOLUTE, "release-unreadable"),
    ("file:///etc/r.yml", ABSOLUTE, "release-unreadable"),
    ("https://x/r", OSError("no route\x1b"), "release-unreadable"),
    ("https://x/r", ValueError("bad port"), "release-unreadable"), ("https://x/r", b"#" * 70000, "release-invalid"),
    # What is relative to an address would be a second fetch, of another kind.
    ("https://x/r", yaml.safe_dump(GOOD).encode(), "release-invalid")])
def test_what_cannot_be_trusted_or_read_stops_the_run(tmp_path, address, content, code):
    server = Server(content)
    with pytest.raises(TaskError) as caught:
        release.read_release(address, tmp_path, server.fetch)
    assert caught.value.code == code and caught.value.message.isprintable()
    assert len(server.requests) == address.startswith("https:")


NAMES = {
    "numbered": [f"host{number:06}.example.com" for number in range(MANY)],
    "racks": [f"r{number // 40}-n{number % 40}" for number in range(MANY)],
    "addresses": [f"ip-10-{number >> 16}-{number >> 8 & 255}-{number & 255}" for number in range(MANY)]}


@pytest.mark.parametrize("kind", NAMES)
def test_the_rings_of_a_large_fleet_are_even(kind):
    read = parsed()
    counts = Counter(map(read.ring_of, NAMES[kind]))
    for ring, share in enumerate((0.01, 0.09, 0.4, 0.5)):
        # Six standard deviations of a fair draw: it would be missed once in half a billion fleets.
        assert abs(counts[ring] - share * MANY) < 6 * math.sqrt(MANY * share * (1 - share))


def test_neighbours_are_not_in_one_ring():
    """Of the hosts of a rack, the first ring has a few at most."""
    read = parsed()
    of_rack = Counter(name.split("-")[0] for name in NAMES["racks"] if read.ring_of(name) == 0)
    assert max(of_rack.values()) <= 6


def test_a_ring_is_the_same_in_each_run_and_without_other_hosts():
    read, again = parsed(), parsed(halt=True, releases=[])
    assert [read.ring_of(name) for name in NAMES["numbered"]] == [again.ring_of(name) for name in NAMES["numbered"]]
    # Of one release of the collection and the next: these rings never change.
    assert [read.ring_of(name) for name in ("web1", "web2", "db1", "localhost.example.com")] == RINGS


def test_a_host_that_is_added_to_a_ring_leaves_no_other_one():
    """With a larger share, hosts only move to earlier rings."""
    small, large = parsed(), parsed(rings=["2%", "20%", "60%", "100%"])
    rings = [(small.ring_of(name), large.ring_of(name)) for name in NAMES["numbered"][:20_000]]
    assert all(later <= former for former, later in rings) and any(later < former for former, later in rings)


def test_one_ring_has_every_host():
    assert 0 <= release.place_of("") < release.PLACES
    assert parsed(rings=["100%"], releases=[]).ring_of("x") == 0


@pytest.mark.parametrize(("inventory", "node", "given", "name"), [
    ("web1", "node1", None, "web1"), ("localhost", "node1", None, "node1"), ("127.0.0.1", "node1", "own", "own"),
    ("localhost", "localhost", "own", "own")])
def test_the_name_of_a_host(inventory, node, given, name, tmp_path):
    options = pull_options({"livepatch_ring_name": given}, tmp_path)
    assert ring_name(options, inventory, node) == name


@pytest.mark.parametrize("node", ["", "localhost", "localhost.localdomain", "(none)"])
def test_a_host_without_a_name_of_its_own_has_no_ring(node, tmp_path):
    with pytest.raises(TaskError) as caught:
        ring_name(pull_options({}, tmp_path), "localhost", node)
    assert caught.value.code == "no-ring-name"


def test_files_of_tasks_are_refused(tmp_path):
    (tmp_path / "tasks.yml").write_text("[]")
    with pytest.raises(TaskError) as caught:
        pull_options({"livepatch_health_checks": [{"tasks": "tasks.yml"}]}, tmp_path)
    assert caught.value.code == "bad-option"
