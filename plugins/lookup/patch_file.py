# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's view of patch files, for use in templates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: patch_file
short_description: Describe a kernel live-patch file
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Reads live-patch modules on the controller. Returns their properties and the functions they replace.
  - Reads only the ELF file. Loads nothing, and contacts no host.
  - Understands patches written from source, made by C(kpatch-build) and made by C(klp-build).
  - Parses each file once in a run.
requirements:
  - pyelftools
  - the library C(zstandard), the program C(zstd) or Python 3.14, for files compressed with zstd
options:
  _terms:
    description:
      - Paths of patch files (C(.ko), C(.ko.gz), C(.ko.xz) or C(.ko.zst)).
      - Relative paths are searched for as P(ansible.builtin.file#lookup) does.
    type: list
    elements: path
    required: true
  require_signature:
    description: >-
      The path of a keyring on the controller, as in O(kernel.livepatch.patch#module:require_signature). Fails for a
      file that is not in a list signed by one of its keys.
    type: path
    version_added: 0.2.0
seealso:
  - plugin: kernel.livepatch.bundle
    plugin_type: lookup
  - module: kernel.livepatch.patch
"""

EXAMPLES = r"""
- name: Show what a patch replaces
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.functions | map(attribute='name') | join(', ') }}"
  loop: "{{ lookup('kernel.livepatch.patch_file', 'fix.ko').objects }}"

- name: Refuse unsigned patches
  ansible.builtin.assert:
    that: lookup('kernel.livepatch.patch_file', patch).signature is not none
  vars:
    patch: patches/fix.ko.xz

- name: Refuse a patch that is not in a signed bundle
  ansible.builtin.debug:
    msg: "{{ lookup('kernel.livepatch.patch_file', 'patches/fix.ko', require_signature='release.gpg').sha256 }}"
"""

RETURN = r"""
_list:
  description: The description of each file, in the order of the terms.
  type: list
  elements: dict
  contains:
    schema:
      description: Version of this description.
      type: int
      sample: 4
    file:
      description: The file's name without its directories.
      type: str
      sample: fix.ko.xz
    compression:
      description: How the file is compressed, one of V(none), V(gz), V(xz) and V(zst).
      type: str
      sample: xz
    sha256:
      description: Digest of the uncompressed module.
      type: str
      sample: 87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7
    size:
      description: Size of the uncompressed module in bytes.
      type: int
      sample: 240384
    name:
      description: The module's name, as the kernel will know it.
      type: str
      sample: livepatch_fix
    module_struct_size:
      description: Size in bytes of C(struct module) in the kernel that the patch was built for.
      type: int
      sample: 896
    arch:
      description: The architecture, as C(uname -m) prints it.
      type: str
      sample: x86_64
    release:
      description: The kernel release that the patch was built for, or V(none) for a module without C(vermagic).
      type: str
      sample: 6.1.0-56-amd64
    vermagic:
      description: The whole C(vermagic), exactly as stored, or V(none).
      type: str
      sample: "6.1.0-56-amd64 SMP preempt mod_unload modversions "
    build_id:
      description: The build-id that the linker wrote, or V(none).
      type: str
      sample: 9bf7ad20a1c705f567b3a0c87606d18a344dcfe9
    srcversion:
      description: The C(srcversion) of C(modinfo), or V(none).
      type: str
    version:
      description: The C(version) of C(modinfo), or V(none).
      type: str
    license:
      description: The C(license) of C(modinfo), or V(none).
      type: str
      sample: GPL
    depends:
      description: Modules that must be loaded before.
      type: list
      elements: str
      sample: []
    livepatch:
      description: Whether the module is marked as a live patch.
      type: bool
      sample: true
    parameters:
      description: The module's parameters and their types; the type of one with functions of its own is empty.
      type: dict
      sample: {"debug": "bool"}
    format:
      description: >-
        What made the patch, one of V(source), V(kpatch-build), V(klp-build), V(kpatch-core) (for C(kpatch.ko)) and
        V(kgraft), or V(none) for a module that is no live patch.
      type: str
      sample: source
    opaque:
      description: Whether the patch makes its tables when it is loaded, so that RV(_list[].objects) are only hints.
      type: bool
      sample: false
    replace:
      description: Whether the patch replaces all earlier ones, or V(none) if its code decides that during the load.
      type: bool
      sample: true
    objects:
      description: The patched objects.
      type: list
      elements: dict
      contains:
        name:
          description: V(vmlinux) or the name of a module, or V(none) for a hint from an opaque patch.
          type: str
          sample: vmlinux
        functions:
          description: >-
            The functions, each with its C(name) and its C(sympos), its position among the symbols of that name in the
            object, counted from 1; V(0) says that there is only one. C(new_symbol) is the name of its new code in the
            patch, if that is another name; V(none) if the file does not show it.
          type: list
          elements: dict
          sample: [{"name": "cmdline_proc_show", "sympos": 0}]
        callbacks:
          description: Callbacks of the object, of V(pre_patch), V(post_patch), V(pre_unpatch) and V(post_unpatch).
          type: list
          elements: str
          sample: []
    states:
      description: System states that the patch changes, each with its C(id) and C(version).
      type: list
      elements: dict
      sample: []
    shadow:
      description: Functions for shadow variables that the patch calls.
      type: list
      elements: str
      sample: []
    state_calls:
      description: Functions for system states that the patch calls.
      type: list
      elements: str
      sample: []
    imports:
      description: >-
        Symbols that the kernel or other modules must export, each with its C(name), its C(crc) (V(none) where the
        module has none) and whether it is C(weak).
      type: list
      elements: dict
      sample: [{"name": "klp_enable_patch", "crc": 3474867584, "weak": false}]
    has_versions:
      description: Whether the module was built for a kernel with C(CONFIG_MODVERSIONS).
      type: bool
      sample: true
    module_layout:
      description: >-
        The CRC that stands for the layout of the structs of the kernel that the module was built for, or V(none) where
        the module has none.
      type: int
      sample: 3987654321
    symtab:
      description: Whether the module has its symbol table. No kernel takes a module without one.
      type: bool
      sample: true
    removable:
      description: >-
        Whether the module can be unloaded. One that has an init function and no exit function stays until the next
        reboot.
      type: bool
      sample: true
    klp_symbols:
      description: >-
        Symbols without an export that the livepatch core resolves, each with C(object), C(name), C(sympos) and
        C(needed_by) (the objects whose code refers to it).
      type: list
      elements: dict
      sample: []
    klp_relocations:
      description: Relocations that the livepatch core applies, counted by C(object) and C(section).
      type: list
      elements: dict
      sample: []
    signature:
      description: >-
        C(signer), C(key_id), C(issuer), C(serial), C(certificates) (whether any come with it), C(hash) and
        C(algorithm) of the module's signature, or V(none) without one. It is not verified, since only the host's
        kernel has the keys.
      type: dict
      sample:
        signer: Example key
        key_id: null
        issuer: 311430120603550403130b4578616d706c65206b6579
        serial: 66f54e15
        certificates: false
        hash: sha256
        algorithm: rsa
    orc:
      description: >-
        Whether there is data for reliable stack traces (C(unwind)), and the fingerprint of its format (C(header),
        hex digits or V(none)).
      type: dict
      sample: {"unwind": true, "header": null}
    btf:
      description: Whether the module has BTF type information.
      type: bool
      sample: false
    btf_base:
      description:
        - Whether it also has the kernel's types that it refers to (C(.BTF.base)), as out-of-tree modules have since
          Linux 6.11. The kernel finds these types by name, so the module need not be built against exactly this kernel.
      type: bool
      sample: false
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import describe_file
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import find_term, run_cache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.signed import read_keyring
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError


class LookupModule(LookupBase):
    """Describes patch files."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        path = self.get_option("require_signature")
        try:
            cache = run_cache()
            keyring = read_keyring(path) if path else None
            return [describe_file(find_term(self, variables, term), cache, keyring) for term in terms]
        except (PatchFileError, TaskError) as error:
            # Without a cause: Ansible would print the same sentence again for it.
            raise AnsibleLookupError(error.message) from None
