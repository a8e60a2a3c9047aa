# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which inventory sources this ansible-core could not read, asked of its own InventoryManager."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

GOOD, CONSTRUCTED = "web1\nweb2 rack=r1\n", "plugin: constructed\nstrict: {}\ngroups: {{of_rack: rack == 'r1'}}\n"
# Ansible itself reads none of these in a directory.
IGNORED = {
    "README.md": "# Hosts\n", "ansible.cfg": "[defaults]\n", "hosts.bak": "a b", ".gitkeep": "", "notes~": "a b",
    "group_vars/all.yml": "rack: r1\n", "host_vars/web1.yml": "a: 1\n", "job.retry": "a b"}


@pytest.fixture
def inventory():
    """The functions to be tested."""
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._options import inventory
    return inventory


@pytest.fixture
def unread(inventory, tmp_path, monkeypatch):
    """unread({file: text}, *sources): the sources that are not read, without the path of the test's directory."""
    monkeypatch.chdir(tmp_path)

    def run(files, *sources):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if text.startswith("#!") else 0o644)
        manager = InventoryManager(DataLoader(), list(sources))
        found = inventory.unread_sources(SimpleNamespace(_inventory=manager))
        return [os.path.relpath(name, tmp_path) if os.path.isabs(name) else name for name in found]
    return run


@pytest.mark.parametrize(("files", "sources"), [
    ({"hosts": GOOD}, ["hosts"]),
    ({"hosts": GOOD}, ["./hosts", "web3,web4"]),
    ({"hosts": GOOD}, ["hosts", "/dev/null"]),
    ({"hosts": GOOD, "empty": "", "empty.yml": ""}, ["hosts", "empty", "empty.yml"]),
    ({"d/hosts": GOOD, **{f"d/{name}": text for name, text in IGNORED.items()}}, ["d"]),
    ({"d/hosts": GOOD, "d/more/hosts": "web3", "d/more/README.md": "# Hosts"}, ["d/"]),
    ({"d/hosts": GOOD, "d/z.yml": CONSTRUCTED.format("false")}, ["d"]),
    ({"hosts": GOOD, "script": '#!/bin/sh\necho \'{"all": {"hosts": ["web3"]}}\'\n'}, ["hosts", "script"]),
    ({}, ["localhost,"]),
    ({}, []),
])
def test_nothing_is_missing_where_all_that_is_meant_was_read(unread, files, sources):
    assert unread(files, *sources) == []


def test_an_empty_directory_in_one_that_was_read_is_none_that_is_unread(unread, tmp_path):
    (tmp_path / "d" / "empty").mkdir(parents=True)
    assert unread({"d/hosts": GOOD}, "d") == []


def test_a_directory_with_variables_alone_is_none_that_is_unread(unread):
    assert unread({"hosts": GOOD, "d/group_vars/all.yml": "rack: r1\n"}, "hosts", "d") == []


@pytest.mark.parametrize("name", ["d", "d/lost+found", "d/.git"])
def test_a_directory_without_any_file_was_given_in_vain(unread, tmp_path, name):
    (tmp_path / name).mkdir(parents=True)
    assert unread({"hosts": GOOD}, "hosts", "d") == ["d"]


def test_a_directory_with_hidden_files_alone_was_given_in_vain(unread):
    assert unread({"hosts": GOOD, "d/.gitkeep": ""}, "d", "hosts") == ["d"]


@pytest.mark.parametrize(("files", "sources", "missing"), [
    ({"hosts": GOOD}, ["hosts", "nosuch.yml"], ["nosuch.yml"]),
    ({"hosts": GOOD}, ["hosts", "web3"], ["web3"]),
    ({"hosts": GOOD, "bad.yml": "all: {hosts: {web3: }\n"}, ["bad.yml", "hosts"], ["bad.yml"]),
    ({"d/hosts": GOOD, "d/bad.yml": "all: {hosts: {web3: }\n"}, ["d"], ["d/bad.yml"]),
    ({"d/hosts": GOOD, "d/more/bad.yml": "web: {\n", "d/README.md": ""}, ["d"], ["d/more/bad.yml"]),
    ({"hosts": GOOD, "script": "#!/bin/sh\nexit 3\n"}, ["hosts", "script"], ["script"]),
    ({"d/hosts": "web1\n", "d/z.yml": CONSTRUCTED.format("true")}, ["d"], ["d/z.yml"]),
    ({"hosts": GOOD, "cloud.yml": "plugin: no.such.plugin\n"}, ["hosts", "cloud.yml"], ["cloud.yml"]),
    ({"hosts": "web1 = = \n[web:nonsense]\n"}, ["hosts", "web3,", "a.yml", "b.yml"], ["hosts", "a.yml", "b.yml"]),
])
def test_each_source_that_could_not_be_read_is_named(unread, files, sources, missing):
    assert unread(files, *sources) == missing


def test_a_file_that_a_directory_only_points_to(unread, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mounted").symlink_to("/nosuch/hosts")
    assert unread({"d/hosts": GOOD}, "d") == ["d/mounted"]


@pytest.mark.parametrize(("there", "missing"), [(False, []), (True, ["hosts.default"])])
def test_the_default_source_may_be_absent_but_not_unreadable(unread, inventory, tmp_path, monkeypatch, there, missing):
    monkeypatch.setattr(inventory, "OPTIONAL", str(tmp_path / "hosts.default"))
    assert unread({"hosts.default": "all: {\n"} if there else {}, str(tmp_path / "hosts.default")) == missing


def test_an_ansible_that_does_not_say_it_needs_the_users_word(inventory):
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import Values
    assert inventory.unread_sources({"web1": {}}) is None
    with pytest.raises(TaskError) as caught:
        inventory.check_inventory(None, Values({}))
    assert caught.value.code == "inventory-incomplete" and "partial_inventory=true" in caught.value.message
    assert inventory.check_inventory(None, Values({"livepatch_partial_inventory": "yes"})) == []


def test_the_message_names_some_sources_and_the_command_that_shows_the_error(inventory):
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import Values
    with pytest.raises(TaskError) as caught:
        inventory.check_inventory([f"/i/{number}.yml" for number in range(5)], Values({}))
    assert caught.value.message == (
        "Ansible could not read the inventory source /i/0.yml, /i/1.yml, /i/2.yml and 2 more, so hosts of the "
        "inventory can be missing. Correct the source (ansible-inventory --list -i /i/0.yml shows the error), or "
        "continue with the hosts that were read, with -e livepatch_partial_inventory=true.")
