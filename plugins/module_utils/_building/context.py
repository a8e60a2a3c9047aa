# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of a build look at: one request, its kernel, its tool and its sources on this build host."""

import os
import shutil
import tempfile
from collections import namedtuple
from contextlib import contextmanager

from ansible_collections.kernel.livepatch.plugins.module_utils._building.compiler import (
    GCC,
    host_compiler,
    make_variables,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._building.kernel import find_kernel
from ansible_collections.kernel.livepatch.plugins.module_utils._building.root import space_checked
from ansible_collections.kernel.livepatch.plugins.module_utils._building.source_patch import (
    SourceError,
    make_patch,
    paths_of,
    read_changes,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._building.tools import choose_tool, find_tool
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import cached_property
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

# A file of the sources: its path below src, and its bytes.
Source = namedtuple("Source", "name content")
# What `patch` did with a source patch. status: its exit status. texts: (path, text before, text after) of each file.
Trial = namedtuple("Trial", "source status output texts")
PATCH_SECONDS = 60
SCRATCH = ("/tmp", "/var/tmp")
LARGEST_FILE = 1 << 24  # bytes of a file in the tree


class BuildContext:
    """One build. `request` is a dict of the task's options, with `name` and `jobs` filled in.

    `sources` is a list of Source; `is_module_source` tells source patches from the source of a module.
    """

    def __init__(self, root, request, sources, is_module_source):
        self.root = root
        self.request = request
        self.sources = sources
        self.is_module_source = is_module_source
        self.tool = choose_tool(root, request["tool"], request["kernel"], is_module_source)

    @cached_property
    def kernel(self):
        return find_kernel(self.root, self.request["kernel"], self.tool)

    @cached_property
    def program(self):
        """The path of the tool's program, or None."""
        return find_tool(self.root, self.tool, self.kernel, self.request["kernel"]["kpatch_build"])[0]

    @cached_property
    def _host_compiler(self):
        return host_compiler(self.root, self.kernel, self.tool)

    @property
    def compiler(self):
        """The first line of --version of the compiler, or None."""
        return self._host_compiler[1]

    @property
    def make_variables(self):
        """The variables for make, see compiler.py."""
        return make_variables(self.kernel, self._host_compiler[0] or GCC)

    @cached_property
    def changes(self):
        """(Source, its FileChanges or its SourceError) of each source patch."""
        if self.is_module_source:
            return []
        return [(source, _changes(source)) for source in self.sources]

    @cached_property
    def paths(self):
        """The files of the tree that the source patches change, sorted."""
        return paths_of([change for _source, changes in self.changes if not isinstance(changes, SourceError)
                         for change in changes])

    def leaving_path(self):
        """The first of these paths that leads out of the source tree by a symbolic link, or None."""
        tree = os.path.realpath(self.root.place(self.kernel.source))
        for path in self.paths:
            real = os.path.realpath(self.root.place(f"{self.kernel.source}/{path}"))
            if not real.startswith(tree + "/"):
                return path
        return None

    @cached_property
    def trials(self):
        """The Trial of each source patch in turn, on copies of the files; ends with the first that does not apply."""
        with self.scratch() as scratch:
            tree = os.path.join(scratch, "tree")
            os.mkdir(tree, 0o700)
            for path in self.paths:
                original = self.root.path(f"{self.kernel.source}/{path}")
                if os.path.isfile(original):
                    os.makedirs(os.path.dirname(os.path.join(tree, path)), exist_ok=True)
                    shutil.copyfile(original, os.path.join(tree, path))
            trials = []
            for source, changes in self.changes:
                trials.append(self._try(scratch, tree, source, changes))
                if trials[-1].status:
                    break
            return trials

    def sources_for_tool(self):
        """The sources as the tool gets them: one patch for klp-build, which tries each on the original tree.

        It does that when it has built the kernel, so a patch that needs an earlier one would fail late.
        """
        if self.tool != "klp-build" or len(self.sources) < 2:
            return self.sources
        before, after = {}, {}
        for trial in self.trials:
            for path, old, new in trial.texts:
                before.setdefault(path, old)
                after[path] = new
        if any(len(text) >= LARGEST_FILE for text in (*before.values(), *after.values())):
            return self.sources  # only a part of it was read
        patch = make_patch([(path, before[path], after[path]) for path in sorted(before)])
        return [Source("joined.patch", patch.encode("utf-8", "surrogateescape"))]

    def _try(self, scratch, tree, source, changes):
        before = {path: _read(os.path.join(tree, path)) for path in paths_of(changes)}
        diff = os.path.join(scratch, "source.patch")
        with open(diff, "wb") as stream:
            stream.write(source.content)
        argv = ["patch", "-p1", "--batch", "--forward", "--no-backup-if-mismatch", "--reject-file=-",
                f"--input={self.root.inside(diff)}"]
        status, output = self.root.run(argv, PATCH_SECONDS, self.root.inside(tree))
        texts = [(path, text, _read(os.path.join(tree, path))) for path, text in before.items()]
        return Trial(source, status, output, texts)

    @contextmanager
    def scratch(self):
        """A directory on the build host, in the root, that is removed at the end."""
        place = self.root.path(self.root.first(SCRATCH, self.root.is_directory) or "/")
        with space_checked(place):
            scratch = tempfile.mkdtemp(prefix="kernel-livepatch-", dir=place)
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch)

    def name_of(self, source):
        """The name of a source for a message."""
        return truncate(source.name, 200)


def _changes(source):
    try:
        return read_changes(source.content.decode("utf-8", "surrogateescape"))
    except SourceError as error:
        return error


def _read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read(LARGEST_FILE).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
