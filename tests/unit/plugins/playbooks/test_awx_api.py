# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the real modules of awx.awx make of the playbook awx, where they are. The API of AWX is simulated."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.kernel.livepatch.tests import awx_job
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.conftest import COLLECTION
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.simulated.awx_api import TOKEN, Awx
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.test_awx_playbook import needs_awx, real_modules

pytestmark = needs_awx
NODES = "workflow_job_template_nodes"


@pytest.fixture
def make(play, tmp_path, monkeypatch):
    """make(awx, **variables): the end of a run of the playbook with the guide's variables, by the real modules."""
    tree = tmp_path / "awx_collections"
    for name, place in (("kernel/livepatch", COLLECTION), ("awx/awx/plugins", real_modules().parent)):
        link = tree / "ansible_collections" / name
        link.parent.mkdir(parents=True)
        link.symlink_to(place)
    monkeypatch.setenv("CONTROLLER_OAUTH_TOKEN", TOKEN)

    def run(awx, **variables):
        monkeypatch.setenv("CONTROLLER_HOST", awx.address)
        given = {**yaml.safe_load(awx_job.example("# awx.yml")), **variables}
        return play("kernel.livepatch.awx", {}, variables=given, tree=tree)
    return run


def names(items):
    return [item.get("identifier") or item["name"] for item in items]


def workflow_of(awx):
    """Each node of the workflow: the template that it runs, and the nodes after its success and after its failure."""
    workflow, = awx.find("workflow_job_templates")
    templates = {item["id"]: item["name"].rpartition(": ")[2] for item in awx.find("unified_job_templates")}
    return {
        node["identifier"]: (
            templates[node["unified_job_template"]], names(awx.linked(NODES, node["id"], "success_nodes")),
            names(awx.linked(NODES, node["id"], "failure_nodes")))
        for node in awx.find(NODES, workflow_job_template=workflow["id"])}


WORKFLOW = {
    "preflight": ("preflight", ["canaries"], []), "canaries": ("rollout", ["approve"], []),
    "approve": ("approve all hosts", ["rest"], []), "rest": ("rollout", [], ["approve_rollback"]),
    "approve_rollback": ("approve the rollback of the canaries", ["rollback"], []), "rollback": ("rollback", [], [])}


def test_the_real_modules_make_it_all_and_the_second_run_changes_only_the_nodes(make):
    with Awx() as awx:
        done = make(awx)
        assert done.code == 0, done.output
        assert workflow_of(awx) == WORKFLOW
        templates = awx.find("job_templates")
        for template in templates:
            number = template["id"]
            assert names(awx.linked("job_templates", number, "credentials")) == ["Fleet root"]
            assert names(awx.linked("job_templates", number, "notification_templates_error")) == ["Live patches"]
            assert template["playbook"] in awx_job.project_files() and template["survey_enabled"] is True
        surveys = [awx.surveys["job_templates", template["id"]] for template in templates]
        assert awx_job.survey() in surveys and all(survey["spec"] for survey in surveys)
        rest, = awx.find(NODES, identifier="rest")
        assert rest["extra_data"] == {"livepatch_hosts": "all", "livepatch_on_breach": "rollback_all"}

        awx.changes.clear()
        again = make(awx)
        assert again.code == 0, again.output
        assert workflow_of(awx) == WORKFLOW
        assert {change.partition(" ")[0] for change in awx.changes} == {NODES, "workflow_approval_templates"}


def test_an_organization_has_its_own_notification_of_the_same_name(make):
    with Awx() as awx:
        theirs = awx.add("notification_templates", {"name": "Live patches", "organization": 1})
        other = awx.add("inventories", {"name": "Fleet"})
        own = awx.add("organizations", {"name": "Ops"})
        done = make(awx, livepatch_awx_organization="Ops", livepatch_awx_inventory=str(other["id"]))
        assert done.code == 0, done.output
        mine, = awx.find("notification_templates", organization=own["id"])
        workflow, = awx.find("workflow_job_templates")
        templates = awx.find("job_templates")
        links = [
            awx.linked("workflow_job_templates", workflow["id"], "notification_templates_approvals"),
            *(awx.linked("job_templates", one["id"], "notification_templates_error") for one in templates)]
        assert links == [[mine]] * 5 and mine["id"] != theirs["id"]
        assert {one["inventory"] for one in templates} == {other["id"]}


def test_what_awx_lacks_is_named(make):
    with Awx() as awx:
        awx.items["inventories"].clear()
        done = make(awx)
    assert done.code == 2 and "Request to /api/v2/inventories/?name=Fleet returned 0 items" in done.output, done.output
