# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The controller's part of every module with a patch: describe it, run the module, send missing parts."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache, is_digest
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import find_source
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.signed import read_keyring
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.host_action import HostAction
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.load_count import (
    FAILED,
    LoadCount,
    outcome_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.offer import Offer
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.reconnection import (
    merge_results,
    reset_connection,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.answer import requests_new_connection
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import (
    PatchFileError,
    TaskError,
    check_path,
)

# A description, a file read from the host, a file sent to it: a host with more requests makes no progress.
MOST_REQUESTS = 3


class PatchAction(HostAction):
    """Runs the module of the same name until it requests nothing more; often in one round trip."""

    def _run_on_host(self, task_vars: dict) -> dict:
        self._count = self._load_count()
        if self._count is None:
            return self._run_patch(task_vars)
        outcome = FAILED  # also of a lost connection
        try:
            result = self._run_patch(task_vars)
            outcome = outcome_of(result)
            return result
        finally:
            self._count.record(outcome)

    def _load_count(self) -> LoadCount | None:
        """The count over the hosts of a wave, if the task sets `hosts`, their number, and `wave`: a rollout does."""
        given = self._from_playbook()
        hosts = str(given.get("hosts", ""))
        if not hosts.isdecimal() or self._module() != "patch":
            return None
        # All waves have the same task.
        key = f"{self._task._uuid}-{given.get('wave', '')}"
        return LoadCount(Path(constants.DEFAULT_LOCAL_TMP), key, int(hosts))

    def _run_patch(self, task_vars: dict) -> dict:
        self._cache = ParseCache(Path(constants.DEFAULT_LOCAL_TMP))
        offer = self._offer()
        release = self._task.args.get("kernel") or (task_vars.get("ansible_facts") or {}).get("kernel")
        if self._only_accepts():
            return self._run_on_new_connection(offer, release, task_vars)
        result = self._run_until_complete(offer, release, task_vars)
        if "request" not in result:
            return result
        try:
            acceptance = self._run_on_new_connection(offer, release, task_vars)
        except (PatchFileError, TaskError) as error:
            acceptance = {
                "failed": True, "msg": error.message, "code": error.code, "transaction": result["transaction"],
                "patch": result["patch"]}
        return merge_results(result, acceptance)

    def _run_on_new_connection(self, offer: Offer | None, release: str | None, task_vars: dict) -> dict:
        reset_connection(self._connection)
        if offer is not None:
            offer.enclose_image(None, None)  # the host has loaded it
        return self._run_until_complete(offer, release, task_vars, fresh=True)

    def _only_accepts(self) -> bool:
        """Whether the task sets `fresh`: a rollout does, and then nothing is loaded."""
        return boolean(self._from_playbook().get("fresh", False), strict=False)

    def _run_until_complete(self, offer: Offer | None, release: str | None, task_vars: dict, **internal: t.Any) -> dict:
        """Run the module and answer its requests, until it has a result."""
        if offer is not None:
            self._send_ahead(offer, task_vars)
        result = self._call(offer, release, task_vars, **internal)
        for _request in range(MOST_REQUESTS):
            if "request" not in result or (not internal and self._may_reconnect(result["request"])):
                return result
            self._provide(result["request"], offer, task_vars)
            result = self._call(offer, release, task_vars, **internal)
        if "request" in result:
            raise _untrusted_host("it requests the same again")
        return result

    def _offer(self) -> Offer | None:
        source = self._task.args.get("src")
        if source is None:
            return None
        if not isinstance(source, str) or not source.strip():
            raise TaskError("bad-option", f"src is {source!r}. Set it to the path of a patch file or of a bundle.")
        keyring = self._task.args.get("require_signature")
        if boolean(self._task.args.get("remote_src", False), strict=False):
            check_path(source)
            if keyring or self._cache.keyrings():
                raise TaskError(
                    "bad-option",
                    "remote_src is true, and a signature is required. No file of a host is signed. Set src to a signed "
                    "bundle on the controller.")
            return Offer.of_host()
        return Offer.of_controller(
            find_source(self, source), self._cache, read_keyring(keyring) if keyring else None)

    def _call(self, offer: Offer | None, release: str | None, task_vars: dict, **internal: t.Any) -> dict:
        if offer and offer.image:
            internal["image"] = offer.image
        return self._execute(task_vars, offer=offer.to_argument(release) if offer else None, **internal)

    def _send_ahead(self, offer: Offer, task_vars: dict) -> None:
        """Send the file before the first call if the task sets `checked`, and that check found that the host lacks it.

        The host is not trusted: without its answer, or with a wrong one, it requests the file.
        """
        check = task_vars.get(str(self._from_playbook().get("checked")))
        if not isinstance(check, Mapping) or check.get("has_file") is not False:
            return
        patch = check.get("patch")
        sha256 = patch.get("sha256") if isinstance(patch, Mapping) else None
        if offer.kind != "host" and offer.has(sha256):
            self._send(offer, str(sha256))

    def _may_reconnect(self, request: t.Any) -> bool:
        """Whether the host requests a new connection, and this is the task to accept a patch."""
        accepts = self._module() == "patch" and self._task.args.get("state") == "accepted"
        return accepts and requests_new_connection(request)

    def _provide(self, needs: t.Any, offer: Offer | None, task_vars: dict) -> None:
        """Answer a request of the host. The host is not trusted, and gets only parts of the offer."""
        if not isinstance(needs, dict) or len(needs) != 1 or offer is None:
            raise _untrusted_host("malformed request")
        need, subject = next(iter(needs.items()))
        if need == "reading" and offer.kind == "host":
            offer.add_build(self._read_on_host(subject, task_vars))
        elif need == "description" and offer.has(subject):
            offer.send_full_description(subject)
        elif need == "file" and offer.kind != "host" and offer.has(subject):
            self._send(offer, subject)
        else:
            raise _untrusted_host("not part of the offer")

    def _read_on_host(self, requested: t.Any, task_vars: dict) -> dict:
        """Describe a file of the host; its bytes are fetched only if no host of this run had the same file."""
        path, sha256 = (requested.get("path"), requested.get("sha256")) if isinstance(requested, dict) else (None, None)
        if not isinstance(path, str) or not is_digest(sha256):
            raise _untrusted_host("malformed request")
        known = self._cache.find_description(sha256)
        if known:
            return dict(known, file=os.path.basename(path))
        content = self._read_remote_file(path, task_vars)
        try:
            description = self._cache.describe_bytes(content, os.path.basename(path))
        except PatchFileError as error:
            raise error.with_file(f"{path} on the host") from error
        if description["sha256"] != sha256:
            raise TaskError("changed", f"{path} on the host changed while it was read. Run the task again.")
        return description

    def _send(self, offer: Offer, sha256: str) -> None:
        """Send the uncompressed image with the next call, or a large one to the task's temporary directory."""
        text = self._cache.enclosure(sha256)
        if text:
            offer.enclose_image(sha256, text)
        else:
            offer.set_image_path(sha256, self._send_file(self._cache.image_path(sha256), f"{sha256}.ko"))


def _untrusted_host(why: str) -> TaskError:
    return TaskError(
        "host-not-trusted",
        f"The host returned an unexpected request ({why}). Check that the host has not been compromised.")
