# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""One self-contained HTML page from the record of a rollout, a status, a rollback or a preflight."""

from __future__ import annotations

import base64
import functools
import hashlib
import typing as t
from collections.abc import Mapping
from pathlib import Path

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report import vocabulary as words
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.breach import breach_result
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.calls import calls
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.causes import (
    MOST_CAUSES,
    MOST_IN_DETAIL,
    causes,
    coverage,
    details,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.cves import cve_rows, reboot_advice
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.grid import grid
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.holds import holds_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.timeline import timeline
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.verdict import by_state, failed_hosts, verdict
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import number_of

TEMPLATES = Path(__file__).resolve().parents[3] / "roles" / "report" / "templates"
# Longer texts of a host are truncated in the page. The JSON has the whole text.
MOST_LETTERS = 2000
MOST_CVES = 300
TITLES = {"rollout": "Rollout", "status": "Status", "rollback": "Rollback", "preflight": "Preflight"}


def render(record: Mapping[str, t.Any]) -> str:
    """The page of a record. Texts of hosts are escaped, and control characters are replaced."""
    environment = _environment()
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    found = causes(record)
    in_detail, more = details(record)
    rows = cve_rows(record)
    return environment.get_template("report.html.j2").render(
        record=record, words=words.state_words(record), title=TITLES[record["kind"]], verdict=verdict(record),
        breach=breach_result(record),
        states=by_state(record), failed=failed_hosts(record), grid=grid(record), causes=found[:MOST_CAUSES],
        more_causes=max(0, len(found) - MOST_CAUSES), details=in_detail, more_details=more, coverage=coverage(record),
        calls=calls(record), holds=holds_of(record), cves=rows[:MOST_CVES], more_cves=max(0, len(rows) - MOST_CVES),
        reboot=reboot_advice(record),
        timeline=timeline(record), options=_options(record), style=Markup(style), script=Markup(script),
        style_hash=_hash(style), script_hash=_hash(script))


@functools.lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=ChainableUndefined, finalize=_finalize,
        trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        clock=words.clock, duration=words.duration, few=join_limited, number_of=number_of, whole=_mark_whole,
        cell_class=_cell_class, cell_sign=_cell_sign)
    environment.globals.update(
        FUNCTIONS=words.FUNCTIONS, WAVES=words.WAVES, UNKNOWN_STATE=words.UNKNOWN_STATE,
        MOST_IN_DETAIL=MOST_IN_DETAIL)
    return environment


def _finalize(value: t.Any) -> t.Any:
    """The output of an expression in a template: truncated, and empty for None."""
    if value is None:
        return ""
    if isinstance(value, (Markup, Whole, int)):
        return value
    if isinstance(value, float):
        return f"{value:.1f}"
    text = str(value)
    return printable(text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…")


class Whole(str):
    """A text that is not truncated."""

    __slots__ = ()


def _mark_whole(text: str) -> str:
    return Whole(printable(text))


CELL_CLASSES = {"good": "f", "calm": "f c", "warn": "f w", "bad": "f b"}


def _cell_class(state: str | None) -> Markup:
    """The attribute of a cell of the grid."""
    word = words.FUNCTIONS.get(state, words.UNKNOWN_STATE) if state else None
    return Markup(f' class="{CELL_CLASSES[word.tone]}"' if word else "")


def _cell_sign(state: str | None) -> str:
    return words.FUNCTIONS.get(state, words.UNKNOWN_STATE).sign if state else ""


def _hash(text: str) -> str:
    """A source of a Content-Security-Policy, by digest."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _options(record: Mapping[str, t.Any]) -> list[tuple[str, str]]:
    options = record.get("options") or {}
    known = [(words.OPTIONS[key], _option(key, options[key])) for key in words.OPTIONS if key in options]
    others = [(str(key), _option(str(key), value)) for key, value in options.items() if key not in words.OPTIONS]
    return known + others


def _option(key: str, value: t.Any) -> str:
    if value in (None, [], {}, ""):
        return "none"
    if key in words.SECONDS:
        return words.duration(value)
    if key == "budget" and isinstance(value, Mapping):
        requested, hosts = value.get("asked"), value.get("hosts")
        if not isinstance(hosts, int):  # before the plan
            return str(requested)
        return number_of(hosts, "host") + (f" ({requested})" if str(requested) != str(hosts) else "")
    if key == "health_checks":
        return "; ".join(_health_check(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _health_check(check: Mapping[str, t.Any]) -> str:
    what = next(((kind, check[kind]) for kind in ("command", "url", "unit", "tasks") if check.get(kind)), None)
    if what is None:
        return str(check.get("name"))
    kind, value = what
    text = " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return f"{check.get('name') or kind} ({kind}: {text})"
