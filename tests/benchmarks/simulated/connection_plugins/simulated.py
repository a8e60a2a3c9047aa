# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: the connection to a host where every module succeeds. Everything on the controller is real.

The controller builds each module and its arguments, and checks the answer. Only ssh and the host are left out. The
answers come from answers.json in the working directory, which is as small for many hosts as for one. A call costs the
same in a large fleet as in a small one: it appends one line, `STEP BYTES`, to calls/HOST.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: simulated
short_description: simulated hosts
description: For benchmarks only.
options: {}
"""
# In the code that Ansible sends, before a module's name and before its arguments: since ansible-core 2.19, and earlier.
MODULE = (b"\nansible_module='", b"'ansible_' + '")
PARAMETERS = (b"\nparams=", b"\n    ANSIBALLZ_PARAMS = ")
STEPS = {"patch_check": "check", "patch_watch": "look", "patch_rollback": "back", "patch_verify": "proof"}


class Connection(ConnectionBase):
    """Answers each module as a host on which all is well."""

    transport = "simulated"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._connect()
        if in_data is None:
            return 0, self._shell_output(cmd).encode(), b""
        module, arguments = called(in_data)
        step = step_of(module, arguments)
        with open(Path("calls", self._play_context.remote_addr), "a") as file:
            file.write(f"{step} {len(in_data)}\n")
        return 0, answer(step, arguments).encode(), b""

    def _shell_output(self, command):
        """A temporary directory has a name that Ansible takes from the output."""
        made = re.search(r'echo ([\w.-]+)="?`', command)
        return f"{made[1]}=/tmp/{made[1]}\n" if made else ""

    def put_file(self, in_path, out_path):
        with open(Path("calls", self._play_context.remote_addr), "a") as file:
            file.write(f"file {Path(in_path).stat().st_size}\n")

    def fetch_file(self, in_path, out_path):
        raise NotImplementedError

    def reset(self):
        self.close()

    def close(self):
        self._connected = False


def called(code):
    """The name and the arguments of a module in the code that Ansible sends."""
    name = after(code, MODULE).partition(b"'")[0].decode()
    parameters = json.loads(ast.literal_eval(after(code, PARAMETERS).rstrip(b",").decode()))
    return name.rpartition(".")[2], parameters["ANSIBLE_MODULE_ARGS"]


def after(code, marks):
    """The rest of the line after one of the marks. A pattern would take longer than Ansible takes for the module."""
    for mark in marks:
        place = code.find(mark)
        if place >= 0:
            place += len(mark)
            return code[place:code.index(b"\n", place)]
    raise ValueError("The code of a module in another form.")


def step_of(module, arguments):
    if module != "patch":
        return STEPS.get(module, module)
    if not arguments.get("trial"):
        return "keep"
    return "load" if arguments["via_controller"].get("image") else "request"


def answer(step, arguments):
    """The text that the module prints. The host lacks the file of the first build that it is offered."""
    if step in ("check", "request"):
        sha256 = arguments["via_controller"]["offer"]["builds"][0]["sha256"]
    if step == "request":
        return json.dumps({"changed": False, "request": {"file": sha256}})
    result = json.loads(Path("answers.json").read_text())[step]
    if step == "check":
        result["patch"]["sha256"] = sha256
    return json.dumps(result)
