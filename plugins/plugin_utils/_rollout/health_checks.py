# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The health checks in `livepatch_health_checks`."""

from __future__ import annotations

import shlex
import typing as t
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from ansible_collections.kernel.livepatch.plugins.module_utils._health.options import (
    LONGEST_NAME,
    LONGEST_TIMEOUT,
    MOST_CHECKS,
    TIMEOUT,
    parse_unit,
    parse_url,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    Values,
    bad_option,
    format_value,
    parse_whole,
)

NAME = "health_checks"


def health_checks(values: Values, directory: Path) -> tuple[dict[str, t.Any], ...]:
    """Each check as {"name", "command" | "url" | "unit" | "tasks", "timeout"}, in seconds; the names are all different.

    `command` is a text or a list of texts, `tasks` an absolute path, which was relative to `directory`.
    Raises TaskError `bad-option`.
    """
    value = values.parse(NAME, "[{")
    checks = []
    for number, check in enumerate(value if isinstance(value, list) else [] if value is None else [value], 1):
        if not isinstance(check, dict):
            raise bad_option(
                NAME, f"has {format_value(check)} in it" if isinstance(value, list) else f"is {format_value(value)}",
                "give a list of dicts such as {unit: nginx.service}, or one as JSON text")
        checks.append(_check(number, check, directory))
    if len(checks_of_hosts(checks)) > MOST_CHECKS:
        raise bad_option(NAME, f"are {len(checks_of_hosts(checks))}", f"give at most {MOST_CHECKS} besides tasks")
    names = [check["name"] for check in checks]
    for name in names:
        if names.count(name) > 1:
            raise bad_option(NAME, f"has the name {format_value(name)} twice", "give each check a name of its own")
    return tuple(checks)


def _check(number: int, check: dict[str, t.Any], directory: Path) -> dict[str, t.Any]:
    def wrong(problem: str, right: str) -> Exception:
        return bad_option(NAME, f"({number}.) {problem}", right)

    kinds = [kind for kind in _KINDS if check.get(kind) is not None]
    if len(kinds) != 1:
        raise wrong(
            f"has {' and '.join(kinds)}" if kinds else f"is {format_value(check)}",
            f"give each check one of {', '.join(_KINDS)}")
    for key in check:
        if key not in (*_KINDS, "name", "timeout"):
            raise wrong(
                f"has the unknown key {format_value(key)}", f"a check has {', '.join(_KINDS)}, name and timeout")
    kind = kinds[0]
    read, right = _KINDS[kind]
    value = read(check[kind], directory)
    if value is None:
        raise wrong(f"has {kind} {format_value(check[kind])}", right)
    name = check.get("name")
    if name is None or name == "":
        name = _default_name(kind, value)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise wrong(f"has the name {format_value(name)}", "give a text of one line")
    timeout = TIMEOUT if check.get("timeout") in (None, "") else parse_whole(check["timeout"])
    if timeout is None or not 1 <= timeout <= LONGEST_TIMEOUT:
        raise wrong(f"has timeout {format_value(check['timeout'])}", f"give whole seconds from 1 to {LONGEST_TIMEOUT}")
    return {"name": name.strip(), kind: value, "timeout": timeout}


def _command(value: t.Any, _directory: Path) -> str | list[str] | None:
    """A command, as text or as a list of arguments; there is no shell."""
    if isinstance(value, list):
        words = [str(word) if isinstance(word, (int, float)) and not isinstance(word, bool) else word for word in value]
        fine = all(isinstance(word, str) and "\0" not in word for word in words) and words and words[0]
        return words if fine else None
    try:
        fine = isinstance(value, str) and "\0" not in value and any(shlex.split(value))
    except ValueError:
        return None
    return value.strip() if fine else None


def _url(value: t.Any, _directory: Path) -> str | None:
    url = parse_url(value) if isinstance(value, str) else None
    return url if url and url.isprintable() else None


def _unit(value: t.Any, _directory: Path) -> str | None:
    return parse_unit(value) if isinstance(value, str) else None


def _tasks(value: t.Any, directory: Path) -> str | None:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        return None
    path = directory / Path(value.strip()).expanduser()
    return str(path) if path.is_file() else None


_KINDS: dict[str, tuple[Callable[[t.Any, Path], t.Any], str]] = {
    "command": (_command, "give a program and its arguments, as one text or as a list; there is no shell"),
    "url": (_url, "give an address that begins with http:// or https://"),
    "unit": (_unit, "give the name of a systemd unit such as nginx.service or getty@tty1.service"),
    "tasks": (_tasks, "give a file of tasks that is on the controller, absolute or below where Ansible was started"),
}


def _default_name(kind: str, value: str | list[str]) -> str:
    if isinstance(value, list):
        value = shlex.join(value)
    if kind == "command":
        name = " ".join(value.split())
    elif kind == "url":
        name = without_password(value).partition("?")[0]
    else:
        name = f"{kind} {Path(value).name if kind == 'tasks' else value}"
    return truncate(name, LONGEST_NAME)


def checks_of_hosts(checks: Iterable[Mapping[str, t.Any]]) -> list[Mapping[str, t.Any]]:
    """The checks that a host runs by itself; those of kind tasks run from the controller."""
    return [check for check in checks if "tasks" not in check]


def number_of_tasks(path: str) -> int:
    """The number of tasks in a task file; 1 for an unreadable file: Ansible reports that error itself.

    Includes, loops and retries are not counted.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            # Composed and not loaded: tags such as !vault need not be understood.
            return max(1, _tasks_below(yaml.compose(stream, Loader=yaml.SafeLoader)))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return 1


def _tasks_below(node: yaml.Node | None) -> int:
    if not isinstance(node, yaml.SequenceNode):
        return 0
    number = 0
    for task in node.value:
        parts = task.value if isinstance(task, yaml.MappingNode) else []
        inner = [value for key, value in parts if key.value in ("block", "rescue", "always")]
        number += sum(map(_tasks_below, inner)) if inner else 1
    return number


def without_password(url: str) -> str:
    """A URL without the user and the password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
