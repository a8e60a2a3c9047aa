# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder makes of the execution environment of the guide to AWX. No image is built: that needs podman.

It starts in the root of a collection that is in a tree of collections.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml
from packaging.requirements import InvalidRequirement, Requirement

from tests import awx_job
from tests.check.errors import CheckError, exit_code

DEFINITION = "execution-environment.yml"
# What the collection says of itself, by the files that ansible-builder writes of it.
OF_COLLECTION = {"pip": "meta/ee-requirements.txt", "bindep": "meta/ee-bindep.txt"}


def requirements(text: str) -> list[str]:
    """Return the lines of a file of requirements, without comments."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def check(collection: Path, place: Path) -> None:
    """Raises CheckError when the definition makes no build context, or the context does not have what it names."""
    text = awx_job.example(f"# {DEFINITION}")
    place.joinpath(DEFINITION).write_text(text, encoding="utf-8")
    context = place / "context"
    create = ("create", "--file", DEFINITION, "--context", context, "--output-filename", "Containerfile")
    _run(["ansible-builder", *create], place)
    build = context / "_build"
    named = yaml.safe_load(build.joinpath("requirements.yml").read_text(encoding="utf-8"))["collections"]
    if named != ["kernel.livepatch"]:
        raise CheckError(f"{DEFINITION} installs the collections {named}.")
    missing = missing_arguments(yaml.safe_load(text), context.joinpath("Containerfile").read_text(encoding="utf-8"))
    if missing:
        raise CheckError(f"The Containerfile of {DEFINITION} lacks {', '.join(missing)}.")
    # The program that the build starts in the image.
    options = [option for name in OF_COLLECTION for option in (f"--write-{name}", place / name)]
    program = build / "scripts" / "introspect.py"
    _run([sys.executable, "-B", program, "introspect", *options, collection.parents[2]], place)
    for name, file in OF_COLLECTION.items():
        written = place / name  # only if there is something to write
        found = requirements(written.read_text(encoding="utf-8")) if written.exists() else []
        own = requirements(collection.joinpath(file).read_text(encoding="utf-8"))
        if found != own:
            raise CheckError(f"ansible-builder reads {found} of the collection, and {file} has {own}.")
    check_libraries(requirements(place.joinpath("pip").read_text(encoding="utf-8")))


def check_libraries(lines: list[str]) -> None:
    """Raises CheckError for a requirement that pip would refuse: ansible-builder passes it on."""
    for line in lines:
        try:
            Requirement(line)
        except InvalidRequirement as error:
            raise CheckError(f"pip does not accept {line!r}: {error}") from error


def missing_arguments(definition: dict, containerfile: str) -> list[str]:
    """Return the build arguments that a Containerfile does not have as the definition has them."""
    needs = definition["dependencies"]
    packages = " ".join(needs[name]["package_pip"] for name in ("ansible_core", "ansible_runner"))
    wanted = {
        "EE_BASE_IMAGE": definition["images"]["base_image"]["name"], "ANSIBLE_INSTALL_REFS": packages,
        "PYCMD": needs["python_interpreter"]["python_path"]}
    lines = containerfile.splitlines()
    return [name for name, value in wanted.items() if f'ARG {name}="{value}"' not in lines]


def _run(command: list, place: Path) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False)
    if done.returncode:
        last = "".join(done.stdout.splitlines()[-1:])
        raise CheckError(f"{Path(command[0]).name} ended with {done.returncode}: {last}")


def main() -> int:
    """Return the exit code: 0 when an execution environment could be built of it."""
    return exit_code(check)


if __name__ == "__main__":
    sys.exit(main())
