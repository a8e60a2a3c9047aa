# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_build`: check a build, start it detached from the connection, and tell how it goes."""

import os
import re

from ansible_collections.kernel.livepatch.plugins.module_utils._building.checks import build_finding, run_checks
from ansible_collections.kernel.livepatch.plugins.module_utils._building.context import BuildContext
from ansible_collections.kernel.livepatch.plugins.module_utils._building.jobs import Jobs, existing_jobs
from ansible_collections.kernel.livepatch.plugins.module_utils._building.plan import describe_build, write_job
from ansible_collections.kernel.livepatch.plugins.module_utils._building.root import Root, space_checked
from ansible_collections.kernel.livepatch.plugins.module_utils._building.sources import read_here, read_sent
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, error_from
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.build_options import (
    BUILD_DIRECTORY,
    BUILD_OPTIONS,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable

STEPS = ("start", "look")
# Filled in by the action plugin. sources, sha256: the file with the sources and its digest. known: digests of inputs of
# which the bundle has the result. job: for `look`.
CONTROLLER_OPTION = {"via_controller": {"type": "dict", "apply_defaults": True, "options": {
    "step": {"type": "str", "choices": list(STEPS), "default": "start"},
    "sources": {"type": "str"},
    "sha256": {"type": "str"},
    "known": {"type": "list", "elements": "str", "default": []},
    "job": {"type": "str"},
}}}
OPTIONS = dict(BUILD_OPTIONS, **CONTROLLER_OPTION)
ATTACHED = {"running": "running", "done": "built"}
LONGEST_NAME = 64  # in the name of a job
PKCS11 = "pkcs11:"
PATHS = ("source", "config", "vmlinux", "root", "kpatch_build")


def build_patch(host, request, check_mode):
    """One step of a build. `request` is a dict of the module's options.

    Returns `changed`, `state` (`unchanged`, `planned`, `running` or `built`), `job`, `remote_file` (the patch file in
    the job's directory), `file` (None), `build`, `progress` and `findings`. Raises LivepatchError with the first
    blocker's code, or with the cause of a failed build; then `log` and `log_path` are in the details.
    """
    request = dict(request, build_dir=request["build_dir"] or BUILD_DIRECTORY)
    _check_paths(request)
    root = Root(request["kernel"]["root"] or "/")
    fault = root.fault()
    if fault:
        found = [build_finding("root-unusable", root.directory, root=root.directory, why=fault)]
        raise error_from(found, findings=found)
    if request["via_controller"]["step"] == "look":
        return _look(host, root, request)
    return _start(host, root, request, check_mode)


def _start(host, root, request, check_mode):
    sources, is_module = _sources(request)
    jobs = Jobs(root.place(request["build_dir"]))
    root.originals = jobs.originals()
    context = BuildContext(root, _with_defaults(request, sources, is_module), sources, is_module)
    build = describe_build(context, host.machine())
    job = jobs.job(_job_name(build))
    if build["inputs"] in request["via_controller"]["known"]:
        return _result("unchanged", host, job, build, [])
    # A failed job is told once, also to a task that did not start it. Then, as a killed one, it is built again. Check
    # mode neither waits for a job nor takes its file.
    if not check_mode and job.state() in ("running", "done", "failed"):
        return _attach(host, job, build)
    findings = run_checks(context)
    blockers = blockers_in(findings)
    if blockers:
        raise error_from(blockers, **_result("planned", host, job, build, findings))
    if check_mode:
        return dict(_result("planned", host, job, build, findings), changed=True)
    with space_checked(jobs.directory), jobs.starting():
        jobs.sweep(host.wall_clock())
        # Another controller can have started it meanwhile.
        if job.state() not in ("running", "done"):
            job.prepare()
            job.start(build, write_job(context, job), host.interpreter())
    return dict(_result("running", host, job, build, findings), changed=True)


def _look(host, root, request):
    """How a started job goes."""
    job = existing_jobs(root.place(request["build_dir"])).job(request["via_controller"]["job"])
    return _attach(host, job, job.build())


def _attach(host, job, build):
    """The result for a job that exists; raises the LivepatchError of a failed one."""
    state = job.state()
    if state not in ATTACHED:
        error = job.failure(state)
        error.details.update(_result("running", host, job, build, []))
        raise error
    if state == "done":
        job.tidy()
    return dict(_result(ATTACHED[state], host, job, build, []), changed=True)


def _result(state, host, job, build, findings):
    ended = job.result() if state == "built" else None
    return {
        "changed": False, "state": state, "job": job.name, "remote_file": job.output(), "file": None,
        "build": dict(build, sha256=ended["sha256"] if ended else None, size=ended["size"] if ended else None),
        "progress": job.progress(host.wall_clock()), "findings": findings}


def _job_name(build):
    name = re.sub(r"[^A-Za-z0-9_]", "", build["name"])[:LONGEST_NAME] or "unnamed"
    return f"{name}-{build['inputs'][:16]}"


def _sources(request):
    controller = request["via_controller"]
    if request["remote_src"]:
        return read_here(request["src"])
    if not controller["sources"]:
        raise LivepatchError(
            "bad-option", "src is on the controller and was not sent. Run patch_build as a task, or set remote_src.")
    return read_sent(controller["sources"], controller["sha256"])


def _with_defaults(request, sources, is_module):
    """The request with a name and a number of jobs."""
    if is_module and not {"Kbuild", "Makefile"} & {source.name for source in sources}:
        raise LivepatchError(
            "source-without-makefile",
            f"{printable(', '.join(request['src']))} has neither Kbuild nor Makefile, so it is no source of a module. "
            "Give the directory of one module, or the source patches in it as a list.")
    name = request["name"]
    if not name:
        if is_module or len(sources) > 1:
            raise LivepatchError(
                "bad-option", "name is missing. Set it for several source patches, and for module source.")
        name = default_name(sources[0].name)
    if bool(request["sign_key"]) != bool(request["sign_cert"]):
        raise LivepatchError("bad-option", "sign_key and sign_cert belong together. Set both, or none.")
    if "pin-value" in (request["sign_key"] or ""):
        raise LivepatchError(
            "bad-option", "sign_key has a pin-value, and everybody on the build host could read it in the list of "
            "processes. Use pin-source and a file.")
    if not (request["kernel"]["release"] or request["kernel"]["source"]):
        raise LivepatchError("bad-option", "kernel names no kernel. Set its release, or its source.")
    jobs = request["jobs"] or os.cpu_count() or 1
    return dict(request, name=name.replace("-", "_"), jobs=jobs)


def _check_paths(request):
    key = request["sign_key"] or ""
    paths = [
        request["build_dir"], *(request["kernel"][name] for name in PATHS), request["sign_cert"],
        None if key.startswith(PKCS11) else key]
    for path in filter(None, paths):
        if not path.startswith("/") or not path.isprintable():
            raise LivepatchError(
                "bad-option", f"{path!r} is not an absolute path. Give the path on the build host, beginning with /.")


def default_name(file):
    """The name of a patch from the name of its source patch, as the builders do: livepatch_ and the file's name."""
    stem = os.path.basename(file)
    for suffix in (".patch", ".diff"):
        stem = stem[:-len(suffix)] if stem.endswith(suffix) else stem
    return "livepatch_" + re.sub(r"[^A-Za-z0-9]", "_", stem)
