#!/usr/bin/python
# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: patch_build
short_description: Build a live patch from a source patch or from module source
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Builds a patch file for one kernel on a build host with C(kpatch-build), with the kernel's own C(klp-build), or with
    kbuild for module source. Checks the file and puts it into a bundle on the controller, with an entry in
    C(bundle.yml).
  - Refuses hopeless builds at once, each with a code. See
    R(the guide, ansible_collections.kernel.livepatch.docsite.guide_build) for the list.
  - A build continues on the build host without a connection. The same task finds it again, running or finished.
  - Does not build again what the bundle has from the same inputs.
  - The role P(kernel.livepatch.build#role) builds for several kernels at once.
  - In check mode, runs every check and starts no build. With C(klp-build), C(make listnewconfig) compiles helper
    programs in the source tree also then.
requirements:
  - On the controller, the Python libraries C(pyelftools) and C(PyYAML).
  - On the build host, Python 3.6 or later, the tool and its programs, and the kernel's own compiler.
  - On the build host, root for O(kernel.root).
extends_documentation_fragment:
  - kernel.livepatch._attributes
options:
  src:
    description:
      - The source patches, in their order. Each is a unified diff for C(patch -p1), and can need the earlier ones.
      - Or one directory with the source of a live-patch module, with its own C(Kbuild) or C(Makefile). Hidden files and
        the results of earlier builds in it are not used.
      - On the controller, searched for like O(kernel.livepatch.patch#module:src), at most 8 MiB in all.
    type: list
    elements: str
    required: true
  remote_src:
    description: Whether O(src) is on the build host, outside of O(kernel.root).
    type: bool
    default: false
  kernel:
    description:
      - The kernel to patch, by the release of its installed packages, or by a source tree.
      - All paths are absolute, on the build host, and below O(kernel.root).
    type: dict
    required: true
    suboptions:
      release:
        description:
          - The kernel release, as C(uname -r) prints it. Finds configuration, C(vmlinux) and headers in the places of
            the distributions.
          - Without O(kernel.source), C(kpatch-build) downloads the source of this release.
          - With O(kernel.source), another release in the tree is refused.
        type: str
      source:
        description: The kernel's source tree. Needed for C(klp-build). Builders change it, and restore it at the end.
        type: str
      config:
        description: The kernel's configuration. Defaults to C(.config) in the source tree, or to that of the release.
        type: str
      vmlinux:
        description:
          - The uncompressed kernel with debug information. Defaults to C(vmlinux) in the source tree, or to that of the
            release, but not for C(klp-build).
          - If it has a build-id, the built patch is for this kernel build only.
        type: str
      targets:
        description: Targets of C(make) for C(kpatch-build), to compile a part of the kernel only, such as V(fs/proc/).
        type: list
        elements: str
        default: []
      root:
        description:
          - A directory tree with the kernel's compiler and the tool, as made by C(mmdebstrap) or C(dnf --installroot).
          - The build runs in it (C(chroot)), with the host's C(/dev) and C(/proc) in a mount namespace of its own.
        type: str
        default: /
      kpatch_build:
        description: The program C(kpatch-build), if it is not in C(PATH). It also runs from its own source tree.
        type: str
  name:
    description:
      - The module name of the patch, with letters, digits and underscores. A dash counts as underscore.
      - Defaults to V(livepatch_) and the name of a single source patch.
      - At most 48 characters for C(kpatch-build), else 55.
    type: str
  version:
    description: The version of the patch, for C(bundle.yml).
    type: str
  tool:
    description:
      - The tool. V(auto) takes V(kbuild) for module source, V(klp-build) for a source tree with C(CONFIG_KLP_BUILD),
        and else V(kpatch-build).
    type: str
    choices: [auto, kpatch-build, klp-build, kbuild]
    default: auto
  replace:
    description:
      - Whether the patch replaces every other live patch.
      - Module source decides this in its own code, and the option has no effect there.
    type: bool
    default: true
  jobs:
    description: How many programs C(make) starts at once. Defaults to the number of processors.
    type: int
  sign_key:
    description:
      - The private key to sign the patch with the kernel's program C(sign-file). A path on the build host below
        O(kernel.root), without a passphrase, or a URI that begins with V(pkcs11:), with C(pin-source) and not with
        C(pin-value).
    type: str
  sign_cert:
    description: The certificate for O(sign_key), a path in the same place.
    type: str
  cves:
    description: The CVEs that the patch closes, for C(bundle.yml).
    type: list
    elements: str
    default: []
  summary:
    description: The purpose of the patch, for C(bundle.yml).
    type: str
  bundle:
    description:
      - The directory on the controller for the patch file. A relative path is below the directory that Ansible was
        started in. It is made if it is missing.
      - The file is C(RELEASE/NAME.ko) in it. For a second build of the same release, C(RELEASE/ARCH-BUILDID/NAME.ko).
    type: str
    required: true
  build_dir:
    description:
      - The directory for build jobs on the build host, below O(kernel.root). Only its owner can use it. Finished jobs
        are removed after a week.
    type: str
    default: /var/lib/kernel-livepatch-build
  space:
    description:
      - MiB that must be free for the build. Defaults to 15360 for C(kpatch-build) and C(klp-build), to 2048 for
        C(kpatch-build) with O(kernel.targets), and to 100 for kbuild.
    type: int
  via_controller:
    description: B(Not for playbooks.) Filled in by the controller's part of the module; your value is replaced.
    type: dict
    suboptions:
      step:
        description: The step of the build.
        type: str
        choices: [start, look]
        default: start
      sources:
        description: The file with the sources on the build host.
        type: str
      sha256:
        description: The digest of this file.
        type: str
      known:
        description: The digests of inputs of which the bundle has the result.
        type: list
        elements: str
        default: []
      job:
        description: The job to look at.
        type: str
attributes:
  action:
    description: Has a part that runs on the controller.
    support: full
  async:
    description: >-
      Can be run in the background with C(async). The task then waits this many seconds for the build, and with
      C(poll=0) not at all. In both cases, the build goes on, and the same task continues with it.
    support: full
  check_mode:
    support: full
  diff_mode:
    description: Returns the change of C(bundle.yml).
    support: full
seealso:
  - module: kernel.livepatch.patch
"""

EXAMPLES = r"""
- name: Build a patch for a stock kernel in a directory tree with its compiler
  kernel.livepatch.patch_build:
    src: fix.patch
    name: livepatch_cve_2026_1234
    cves: [CVE-2026-1234]
    bundle: patches/
    kernel:
      root: /srv/bookworm
      source: /usr/src/linux-source-6.1
      vmlinux: /usr/lib/debug/boot/vmlinux-6.1.0-56-amd64

- name: Build with the klp-build of a source tree, sign the patch, and wait for at most an hour
  kernel.livepatch.patch_build:
    src: [fix-1.patch, fix-2.patch]
    name: livepatch_fix
    bundle: patches/
    sign_key: /etc/keys/module.key
    sign_cert: /etc/keys/module.pem
    kernel:
      source: /usr/src/linux-7.2
  async: 3600
  poll: 5

- name: Build module source with the installed headers
  kernel.livepatch.patch_build:
    src: module/
    name: livepatch_fix
    bundle: patches/
    kernel:
      release: 6.1.0-56-amd64
"""

RETURN = r"""
state:
  description:
    - V(built), or V(unchanged) if the bundle had the result already. V(planned) in check mode.
    - V(running) if the task did not wait for the end of the build.
  returned: always
  type: str
  sample: built
job:
  description: The name of the build job.
  returned: always
  type: str
  sample: livepatch_fix-0123456789abcdef
remote_file:
  description: The patch file in the directory of the job on the build host.
  returned: always
  type: str
  sample: /var/lib/kernel-livepatch-build/livepatch_fix-0123456789abcdef/output/livepatch_fix.ko
file:
  description: The patch file in the bundle on the controller. V(none) as long as there is none.
  returned: always
  type: str
  sample: patches/6.1.0-56-amd64/livepatch_fix.ko
build:
  description: The facts about the build, which C(bundle.yml) keeps as well.
  returned: always
  type: dict
  contains:
    name:
      description: The module name.
      type: str
      sample: livepatch_fix
    release:
      description: The kernel release. V(none) before the build if only the build tells it.
      type: str
      sample: 6.1.0-56-amd64
    arch:
      description: The architecture.
      type: str
      sample: x86_64
    kernel_build_id:
      description: The build-id of the kernel's C(vmlinux). V(none) if it is not known.
      type: str
      sample: d11e1b6c1e3c2ee5f0f6a0fe1b8a1c1b2c3d4e5f
    tool:
      description: The tool.
      type: str
      sample: kpatch-build
    tool_version:
      description: The version of the tool, or V(unknown).
      type: str
      sample: 0.9.10
    compiler:
      description: The first line of the compiler's C(--version).
      type: str
      sample: gcc (Debian 12.2.0-14+deb12u1) 12.2.0
    source:
      description: The digest of all sources.
      type: str
      sample: 87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7
    inputs:
      description: The digest of everything that the file is made of.
      type: str
      sample: 0123456789abcdef522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde6
    replace:
      description: Whether the patch replaces every other live patch, by its file or else by the option O(replace).
      type: bool
      sample: true
    signed:
      description: Whether the patch is signed.
      type: bool
      sample: false
    sha256:
      description: The digest of the patch file. V(none) before the end of the build.
      type: str
      sample: 9f428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7
    size:
      description: The size of the patch file in bytes. V(none) before the end of the build.
      type: int
      sample: 406528
progress:
  description: How far the build has come.
  returned: always
  type: dict
  contains:
    step:
      description: The step, in the words of the tool.
      type: str
      sample: Building patched source
    compiled:
      description: The number of compiled objects so far.
      type: int
      sample: 120
    seconds:
      description: Seconds since the begin of the build.
      type: int
      sample: 240
findings:
  description: >-
    The results of the checks before the build. Empty if the task continues with a build of an earlier task.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description: The stable code of the finding.
      type: str
      sample: compiler-mismatch
    level:
      description: V(blocker), V(warning) or V(note). A blocker fails the task.
      type: str
      sample: blocker
    subject:
      description: The object of the finding.
      type: str
      sample: gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0
    message:
      description: The problem and the remedy.
      type: str
      sample: >-
        The kernel was built by gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, and the compiler on the build host is gcc
        (Debian 14.2.0-19) 14.2.0. Install the kernel's compiler, or set kernel root to a directory tree with it.
log:
  description: The last meaningful lines of a failed build's log.
  returned: on failure
  type: list
  elements: str
  sample: ['ERROR: cmdline.o: 1 unsupported section change(s)']
log_path:
  description: The log of a failed build on the build host.
  returned: on failure
  type: str
  sample: /var/lib/kernel-livepatch-build/livepatch_fix-0123456789abcdef/log
code:
  description: The stable code of the failure.
  returned: on failure
  type: str
  sample: compiler-mismatch
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.kernel.livepatch.plugins.module_utils._util.compiled_code import use_compiled_code


def main():
    use_compiled_code()
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.ansible_module import run_job
    from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_build import OPTIONS, build_patch

    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    run_job(module, lambda host: build_patch(host, module.params, module.check_mode))


if __name__ == "__main__":
    main()
