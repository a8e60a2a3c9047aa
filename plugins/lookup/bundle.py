# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's view of bundles, for use in templates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bundle
short_description: List the live patches of a directory and their kernels
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Reads every live-patch file below a directory on the controller, at any depth, and its C(bundle.yml), if it has one.
  - The kernel and the functions of a patch are read from its file. File names and directories are free.
  - Parses each file once in a run.
notes:
  - Use C(query) or C(wantlist=true) to get a list also for a bundle of one file.
requirements:
  - pyelftools
  - the library C(zstandard), the program C(zstd) or Python 3.14, for files compressed with zstd
options:
  _terms:
    description:
      - Paths of directories.
      - Relative paths are searched for as P(ansible.builtin.file#lookup) does.
    type: list
    elements: path
    required: true
  require_signature:
    description: >-
      The path of a keyring on the controller, as in O(kernel.livepatch.patch#module:require_signature). Fails for a
      directory without a signature by one of its keys.
    type: path
seealso:
  - plugin: kernel.livepatch.patch_file
    plugin_type: lookup
  - module: kernel.livepatch.patch
"""

EXAMPLES = r"""
- name: Show which kernels a bundle serves
  ansible.builtin.debug:
    msg: "{{ query('kernel.livepatch.bundle', 'patches/') | map(attribute='release') | unique | sort }}"

- name: Refuse files without a digest in bundle.yml
  ansible.builtin.assert:
    that: (item.metadata | default({})).sha256 | default(none, true) is not none
    fail_msg: "{{ item.path }} has no sha256 in bundle.yml."
  loop: "{{ query('kernel.livepatch.bundle', 'patches/') }}"
  loop_control:
    label: "{{ item.path }}"

- name: Show the CVEs that it fixes on this host's kernel
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.metadata.cves | default([]) | join(', ') }}"
  loop: "{{ query('kernel.livepatch.bundle', 'patches/') | selectattr('release', 'eq', ansible_facts.kernel) }}"
"""

RETURN = r"""
_list:
  description:
    - The description of each patch file, sorted by release, architecture and name, one bundle after the other.
    - Each has the keys of P(kernel.livepatch.patch_file#lookup), and RV(_list[].path), RV(_list[].metadata) and
      RV(_list[].series).
  type: list
  elements: dict
  contains:
    path:
      description: The path of the file below the bundle, as in C(bundle.yml).
      type: str
      sample: 6.1.0-56-amd64/livepatch_fix.ko.xz
    metadata:
      description: The entry of the patch in C(bundle.yml); missing without an entry.
      type: dict
      contains:
        cves:
          description: The CVEs fixed by the patch.
          type: list
          elements: str
          sample: [CVE-2026-12345]
        summary:
          description: What the patch is for, or V(none).
          type: str
        advisory:
          description: A link to read more, or V(none).
          type: str
        version:
          description: The version of the patch in C(bundle.yml), or V(none).
          type: str
        not_covered:
          description: The CVEs that no live patch closes.
          type: list
          elements: dict
          contains:
            cve:
              description: The number of the CVE.
              type: str
            reason:
              description: Why no live patch closes it.
              type: str
        expires:
          description: The last day of the patch, such as C(2027-01-31), or V(none).
          type: str
        effective_kernel:
          description: The release of the kernel with the same fixes, or V(none).
          type: str
        kernel_build_id:
          description: >-
            The build-id of the only kernel that the file is for, in lower case, or V(none) for every kernel of its
            release.
          type: str
          sample: d11e1b6c1e3c2ee5f0f6a0fe1b8a1c1b2c3d4e5f
        sha256:
          description: >-
            The digest of the file on disk in C(bundle.yml), in lower case, or V(none). A file with another digest is an
            error of this lookup.
          type: str
        provenance:
          description: >-
            What M(kernel.livepatch.patch_build) made the file of, each a text or V(none), or V(none) for a file without
            this entry.
          type: dict
          contains:
            inputs:
              description: The digest of everything that the build depends on.
              type: str
            source:
              description: The digest of the source patches.
              type: str
            tool:
              description: The builder.
              type: str
              sample: kpatch-build
            tool_version:
              description: The version of the builder.
              type: str
              sample: "0.9.10"
            compiler:
              description: The first line of the compiler's C(--version).
              type: str
            kernel_build_id:
              description: The build-id of C(vmlinux).
              type: str
            built:
              description: The time of the build in UTC.
              type: str
              sample: "2026-11-29T06:06:22Z"
    series:
      description: The place among the versions of one patch in the bundle; missing without other versions.
      type: dict
      contains:
        stem:
          description: The words that the names of all versions have in common.
          type: str
          sample: kpatch
        rank:
          description: The place, 0 for the oldest version.
          type: int
          sample: 1
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import read_bundle
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import find_term, run_cache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.signed import read_keyring
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError


class LookupModule(LookupBase):
    """Describes all patch files of bundles."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        path = self.get_option("require_signature")
        try:
            cache = run_cache()
            keyring = read_keyring(path) if path else None
            bundles = [read_bundle(find_term(self, variables, term), cache, keyring) for term in terms]
        except (PatchFileError, TaskError) as error:
            # Without a cause: Ansible would print the same message again.
            raise AnsibleLookupError(error.message) from None
        return [build for bundle in bundles for build in bundle.for_people()]
