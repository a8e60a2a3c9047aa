# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the controller's half of every module that takes a patch: describe it, ask the host, send what it lacks."""

from __future__ import annotations

import base64
import os
import typing as t
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kernel.livepatch.plugins.plugin_utils._errors import PatchFileError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._offer import Offer
from ansible_collections.kernel.livepatch.plugins.plugin_utils._parse_cache import ParseCache

# A description, a file of the host read, a file sent: a host that asks for more than these is not making progress.
MOST_ANSWERS = 3


class PatchAction(ActionBase):
    """Runs the module of the same name until it needs nothing more; one round trip when it needs nothing at all."""

    TRANSFERS_FILES = False  # so that no temporary directory is made on a host that needs no file
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        try:
            result.update(self._ask_host(task_vars))
        except PatchFileError as error:
            result.update(failed=True, msg=error.message, code=error.code)
        return result

    def _ask_host(self, task_vars: dict) -> dict:
        self._cache = ParseCache(Path(constants.DEFAULT_LOCAL_TMP))
        offer = self._offer()
        release = (task_vars.get("ansible_facts") or {}).get("kernel")
        result = self._call(offer, release, task_vars)
        for _answer in range(MOST_ANSWERS):
            if "needs" not in result:
                return result
            self._answer(result["needs"], offer, task_vars)
            result = self._call(offer, release, task_vars)
        if "needs" in result:
            raise AnsibleActionFail(f"The host asks again for its {', '.join(result['needs'])}: report this as a bug.")
        return result

    def _offer(self) -> Offer | None:
        source = self._task.args.get("src")
        if not source:
            return None
        if boolean(self._task.args.get("remote_src", False), strict=False):
            return Offer.of_host(source)
        self._source = Path(self._find_needle("files", os.path.expanduser(source)))
        return Offer.of_controller(self._source, self._cache)

    def _call(self, offer: Offer | None, release: str | None, task_vars: dict) -> dict:
        arguments = dict(self._task.args, _offer=offer.argument(release) if offer else None)
        result = self._execute_module(module_args=arguments, task_vars=task_vars)
        result.get("invocation", {}).get("module_args", {}).pop("_offer", None)
        return result

    def _answer(self, needs: dict, offer: Offer, task_vars: dict) -> None:
        if "description" in needs:
            offer.complete(needs["description"])
        if "reading" in needs:
            offer.tell(self._read_on_host(needs["reading"], task_vars))
        if "file" in needs:
            offer.deliver(self._send(needs["file"]))

    def _read_on_host(self, wanted: dict, task_vars: dict) -> dict:
        """Describe a file of the host; its bytes cross only when no host of this run has had the same."""
        known = self._cache.described(wanted["sha256"])
        if known:
            return dict(known, file=os.path.basename(wanted["path"]))
        answer = self._execute_module(
            module_name="ansible.legacy.slurp", module_args={"src": wanted["path"]}, task_vars=task_vars)
        if answer.get("failed"):
            raise AnsibleActionFail(f"{wanted['path']} on the host cannot be read: {answer.get('msg')}")
        content = base64.b64decode(answer["content"])
        description = self._cache.describe_bytes(content, os.path.basename(wanted["path"]))
        if description["sha256"] != wanted["sha256"]:
            raise AnsibleActionFail(f"{wanted['path']} on the host changed while it was read: run again.")
        return description

    def _send(self, sha256: str) -> str:
        """Put the uncompressed image into the task's temporary directory on the host; returns its path there."""
        image = self._cache.image_path(sha256)
        directory = self._make_tmp_path()
        target = self._connection._shell.join_path(directory, f"{sha256}.ko")
        Display().v(f"sending {self._source.name}, {image.stat().st_size} bytes", host=self._task_host())
        self._transfer_file(str(image), target)
        self._fixup_perms2((directory, target), execute=False)
        return target

    def _task_host(self) -> t.Any:
        return self._play_context.remote_addr
