# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: stands in for the API of AWX, as far as the modules of awx.awx 24.6.1 need it for the playbook awx.

It keeps what it gets, finds it by its fields, and answers as AWX does: 201 for a new item, 204 for an association. It
knows no rules but those for surveys.
"""

from __future__ import annotations

import json
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.kernel.livepatch.tests.awx_survey import problems

PREFIX = "/api/v2/"
TOKEN = "simulated"
# What a person has made before.
EXISTING = {"organizations": "Default", "inventories": "Fleet", "credentials": "Fleet root"}
TEMPLATES = ("job_templates", "workflow_approval_templates")  # of unified_job_templates


class Awx(ThreadingHTTPServer):
    """A context: the API on a port of its own. `items`: by endpoint and id. `links`: ids by (endpoint, id, name)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.items: dict[str, dict[int, dict[str, t.Any]]] = {}
        self.links: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[tuple[str, int], dict[str, t.Any]] = {}
        self.changes: list[str] = []
        self._last = 0
        for endpoint, name in EXISTING.items():
            self.add(endpoint, {"name": name})
        self.changes.clear()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *error: t.Any) -> None:
        self.shutdown()
        super().__exit__(*error)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, endpoint: str, fields: dict[str, t.Any]) -> dict[str, t.Any]:
        self._last += 1
        url = f"{PREFIX}{endpoint}/{self._last}/"
        item = {
            "id": self._last, "url": url, "type": endpoint[:-1], "related": {"survey_spec": f"{url}survey_spec/"},
            "summary_fields": {}, "scm_revision": "", **fields}
        self.items.setdefault(endpoint, {})[self._last] = item
        self.changes.append(f"{endpoint} {fields.get('name') or fields.get('identifier')}")
        return item

    def find(self, endpoint: str, **fields: t.Any) -> list[dict[str, t.Any]]:
        """The items with these fields, compared as text; of the fields with `or__` before their name, one is enough."""
        endpoints = TEMPLATES if endpoint == "unified_job_templates" else (endpoint,)
        either = {name[4:]: value for name, value in fields.items() if name.startswith("or__")}
        both = {name: value for name, value in fields.items() if not name.startswith("or__")}

        def fit(item: dict[str, t.Any], wanted: dict[str, t.Any]) -> list[bool]:
            return [str(item.get(name)) == str(value) for name, value in wanted.items()]
        return [
            item for one in endpoints for item in self.items.get(one, {}).values()
            if all(fit(item, both)) and (any(fit(item, either)) or not either)]

    def linked(self, endpoint: str, number: int, name: str) -> list[dict[str, t.Any]]:
        """The items that another one is associated with."""
        ids = self.links.get((endpoint, number, name), [])
        return [item for items in self.items.values() for item in items.values() if item["id"] in ids]


class _Handler(BaseHTTPRequestHandler):
    server: Awx
    protocol_version = "HTTP/1.0"

    def log_message(self, *_words: t.Any) -> None:
        """Nothing is written to the terminal."""

    def do_GET(self) -> None:
        endpoint, number, name = self._place()
        if number is None:
            self._answer_list(self.server.find(endpoint, **dict(parse_qsl(urlsplit(self.path).query))))
        elif name == "survey_spec":
            self._answer(200, self.server.surveys.get((endpoint, number), {}))
        elif name:
            self._answer_list(self.server.linked(endpoint, number, name))
        else:
            found = self.server.items.get(endpoint, {}).get(number)
            self._answer(200 if found else 404, found or {"detail": "Not found."})

    def do_POST(self) -> None:
        endpoint, number, name = self._place()
        fields = self._fields()
        if number is None:
            self._answer(201, self.server.add(endpoint, fields))
        elif name == "survey_spec":
            wrong = problems(fields)
            if not wrong:
                self.server.surveys[endpoint, number] = fields
            self._answer(400 if wrong else 200, {"error": ", ".join(wrong)})
        elif name == "create_approval_template":
            made = self.server.add("workflow_approval_templates", {"name": fields["name"]})
            node = self.server.items[endpoint][number]
            node["unified_job_template"] = made["id"]
            node["related"]["unified_job_template"] = made["url"]
            self._answer(201, made)
        else:
            linked = self.server.links.setdefault((endpoint, number, name), [])
            linked.remove(fields["id"]) if fields.get("disassociate") else linked.append(fields["id"])
            self._answer(204, None)

    def do_PATCH(self) -> None:
        endpoint, number, _name = self._place()
        item = self.server.items[endpoint][number]
        item.update(self._fields())
        self.server.changes.append(f"{endpoint} {item.get('name') or item.get('identifier')}")
        self._answer(200, item)

    def do_DELETE(self) -> None:
        endpoint, number, _name = self._place()
        del self.server.items[endpoint][number]
        self._answer(204, None)

    def _place(self) -> tuple[str, int | None, str]:
        """The endpoint, the id, and the name of what belongs to that, out of the path."""
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise PermissionError(self.path)
        endpoint, number, name, *_more = [*urlsplit(self.path).path.removeprefix(PREFIX).strip("/").split("/"), "", ""]
        return endpoint, int(number) if number else None, name

    def _fields(self) -> dict[str, t.Any]:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer_list(self, items: list[dict[str, t.Any]]) -> None:
        self._answer(200, {"count": len(items), "next": None, "results": items})

    def _answer(self, status: int, content: t.Any) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if content is not None:
            self.wfile.write(json.dumps(content).encode())
