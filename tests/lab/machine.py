# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual machine: a QEMU process that dies with the lab, and the ssh connection to what runs in it."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
import uuid
from pathlib import Path

from . import qemu, ssh
from .children import Children, end_of
from .errors import LabError
from .image import Image
from .keys import Keys
from .patience import STEP, Patience
from .qmp import Monitor

SSH_TIMEOUT = 300.0
INCOMING_TIMEOUT = 120.0
GREETING_TIMEOUT, LONGEST_GREETING_TIMEOUT = 2.0, 60.0


class Machine:
    """A machine with its files in `directory`, and its disk too unless it is named.

    `boot` or `resume` starts it, in a thread that has to live as long as the machine.
    """

    def __init__(
        self, name: str, image: Image, keys: Keys, directory: Path, children: Children, disk: Path | None = None
    ) -> None:
        self.name = name
        self.image = image
        self.directory = directory
        self.disk = disk or directory / f"{name}.qcow2"
        self.console_log = directory / f"{name}.console"
        self.qemu_log = directory / f"{name}.qemu"
        self.ssh_port = 0
        self._keys = keys
        self._children = children
        self._monitor = Monitor(self.qemu_log)
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self, memory: Path | None = None, kernel_words: str = "") -> None:
        """Start from the image; with a memory file, the machine's memory is kept there.

        `kernel_words` are added to the kernel's command line.
        """
        self._children.run(qemu.overlay_command(self.disk, self.image.disk, "raw"), self.qemu_log)
        self._start(None if memory is None else (memory, True), incoming=False, kernel_words=kernel_words)

    def resume(self, memory: Path, state: Path, saved_disk: Path) -> None:
        """Go on from a saved state, on a disk of its own; raises LabError when QEMU cannot use the state."""
        self._children.run(qemu.overlay_command(self.disk, saved_disk, "qcow2"), self.qemu_log)
        self._start((memory, False), incoming=True)
        self._allow_memory_outside_the_state()
        with open(state, "rb") as stream:
            self._monitor.execute("getfd", {"fdname": "state"}, stream.fileno())
        self._monitor.execute("migrate-incoming", {"uri": "fd:state"})
        self._wait_for_migration("the saved state is read")
        self._monitor.execute("cont")

    def save(self, state: Path) -> None:
        """Stop the machine and write all but its memory, which is in its file, to `state`."""
        self._monitor.execute("stop")
        self._allow_memory_outside_the_state()
        with open(state, "wb") as stream:
            self._monitor.execute("getfd", {"fdname": "state"}, stream.fileno())
        self._monitor.execute("migrate", {"uri": "fd:state"})
        self._wait_for_migration("the state is written")

    def ssh(
        self, command: list[str] | str, check: bool = True, user: str = "root", timeout: float = SSH_TIMEOUT,
        shared: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine, a list as its words and a text by the login shell.

        Returns its status and both outputs as text. Raises LabError `ssh-timeout` after so many seconds of the machine,
        and with `check`, `ssh-failed` unless the status is 0. Without `shared`, it has a connection of its own.
        """
        words = [*self.ssh_command(user, shared), "--", command if isinstance(command, str) else shlex.join(command)]
        result = self._run_to_its_end(words, self.patience(timeout))
        if check and result.returncode != 0:
            raise LabError(
                "ssh-failed",
                f"`{words[-1]}` ended with status {result.returncode} on {self.name}: {result.stderr.strip()}",
            )
        return result

    def ssh_command(self, user: str = "root", shared: bool = True) -> list[str]:
        """Return the command that opens a session on the machine, in the connection that sessions share or its own."""
        identity = ["-i", str(self._keys.user_private)]
        # Of an option that is given twice, ssh takes the first.
        alone = [] if shared else ["-o", "ControlPath=none"]
        return ["ssh", *alone, *self.ssh_options(), *identity, "-p", str(self.ssh_port), "-l", user, "127.0.0.1"]

    def ssh_options(self) -> list[str]:
        """Return the options that ssh, scp and Ansible need besides address, port, user and key."""
        return ssh.options(self._keys, self.directory)

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to the machine as root; raises LabError `push-failed`."""
        identity = ["-i", str(self._keys.user_private), "-P", str(self.ssh_port)]
        words = ["scp", "-q", *self.ssh_options(), *identity, "--", str(local), f"root@127.0.0.1:{remote}"]
        result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise LabError("push-failed", f"Could not copy {local} to {remote} on {self.name}: {result.stderr.strip()}")

    def answers(self) -> bool:
        """Whether sshd answers now."""
        return self._is_greeted(GREETING_TIMEOUT) is True

    def wait_for_ssh(self, timeout: float = SSH_TIMEOUT) -> None:
        """Return when sshd answers; raises LabError `machine-ended` or `machine-silent`."""
        patience, greeting_timeout = self.patience(timeout), GREETING_TIMEOUT
        while not (greeted := self._is_greeted(greeting_timeout)):
            if greeted is None:
                # sshd starts a process for each connection, so asking again and again keeps a slow machine from it.
                greeting_timeout = min(2 * greeting_timeout, LONGEST_GREETING_TIMEOUT)
            if self._process is None or self._process.poll() is not None:
                raise LabError("machine-ended", f"{self.name} ended before sshd answered; {end_of(self.qemu_log)}")
            if patience.is_over():
                problem = f"sshd of {self.name} did not answer in {timeout:.0f} s"
                raise LabError("machine-silent", f"{problem}; {end_of(self.console_log)}")
            time.sleep(0.05)

    def patience(self, seconds: float) -> Patience:
        """Return a limit for the machine, which a busy host does not use up."""
        # Without a process there is nothing to be patient with.
        return Patience(seconds, self._process.pid if self._process is not None else 0)

    def set_identity(self) -> None:
        """Give the machine its own host name and id, and the host's time, which a resumed machine has lost."""
        self.ssh(
            f"date --utc --set=@{time.time():.3f} >/dev/null && hostname {self.name} && echo {self.name} >/etc/hostname"
            f" && echo {uuid.uuid4().hex} >/etc/machine-id"
        )

    def reset(self) -> None:
        """Cut the power and start again on the same disk; `wait_for_ssh` tells when it is back."""
        self.disconnect()
        self._monitor.execute("system_reset")
        # Or sshd might still answer from before.
        self._monitor.wait_for_event("RESET")

    def restart(self, kernel_words: str = "", image: Image | None = None) -> None:
        """Cut the power and start again on the same disk, with other words on the kernel's command line.

        With another kernel's image, its kernel and initramfs are started on this machine's disk, as after an update of
        the kernel; the disk has no modules for it besides those that the initramfs loads. `wait_for_ssh` tells when the
        machine is back, on the same port.
        """
        self.disconnect()
        # Not killed: QEMU has a part of the disk in its own memory. For the machine it is a power cut all the same.
        self._monitor.execute("quit")
        self._children.wait(self._process)
        self._monitor.close()
        self._monitor = Monitor(self.qemu_log)
        self._start(None, incoming=False, kernel_words=kernel_words, kernel=image)

    def disconnect(self) -> None:
        """End the shared connections: the machine at their other end will not know them."""
        for user in ("root", "operator"):
            words = [*self.ssh_command(user), "-O", "exit"]
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def unplug(self) -> None:
        """Take the network cable out: nothing reaches the machine, which goes on."""
        self.disconnect()
        self._plug(False)

    def plug(self) -> None:
        """Put the network cable in again; `wait_for_ssh` tells when the machine has seen that."""
        self._plug(True)

    def pause(self) -> None:
        """Stop the machine as it is: it does nothing more, and its connections stay open."""
        self._monitor.execute("stop")

    def go_on(self) -> None:
        """Continue after `pause`; a machine that runs stays as it is."""
        self._monitor.execute("cont")

    def suspend(self, seconds: float = SSH_TIMEOUT) -> None:
        """Have the machine suspend itself to memory (ACPI S3), and wake it."""
        self.ssh("systemd-run --quiet sh -c 'echo deep >/sys/power/mem_sleep; echo mem >/sys/power/state'")
        self._monitor.wait_until(lambda: self._status() == "suspended", "suspend", self.patience(seconds))
        self._monitor.execute("system_wakeup")
        self._monitor.wait_until(lambda: self._status() == "running", "wake up", self.patience(seconds))
        self.disconnect()
        self.wait_for_ssh(seconds)

    def destroy(self) -> None:
        """End the machine; its disk stays where it is."""
        if self._process is not None:
            self.disconnect()
            self._process.kill()
            self._children.wait(self._process)
            self._process = None
        self._monitor.close()

    def _is_greeted(self, timeout: float) -> bool | None:
        """Whether sshd sends its greeting, since QEMU takes the connection whatever listens; None if nothing comes."""
        try:
            with socket.create_connection(("127.0.0.1", self.ssh_port), timeout=timeout) as connection:
                return connection.recv(4) == b"SSH-"
        except TimeoutError:
            return None
        except OSError:
            return False

    def _run_to_its_end(self, words: list[str], patience: Patience) -> subprocess.CompletedProcess[str]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(words, **pipes, text=True, errors="replace") as child:
            while True:
                try:
                    output, errors = child.communicate(timeout=STEP)
                    return subprocess.CompletedProcess(words, child.returncode, output, errors)
                except subprocess.TimeoutExpired:
                    if patience.is_over():
                        child.kill()
                        late = f"{self.name} did not finish `{words[-1]}` in its {patience.seconds:.0f} s"
                        raise LabError("ssh-timeout", f"{late}.") from None

    def _start(
        self, memory: tuple[Path, bool] | None, incoming: bool, kernel_words: str = "", kernel: Image | None = None
    ) -> None:
        descriptor = self._monitor.remote.fileno()
        files = (kernel or self.image, self.disk, self.console_log)
        words = qemu.command(*files, descriptor, memory, incoming, kernel_words, self.ssh_port)
        self._process = self._children.start(words, self.qemu_log, pass_fds=[descriptor])
        self._monitor.connect()
        network = self._monitor.execute("human-monitor-command", {"command-line": "info usernet"})
        self.ssh_port = qemu.forwarded_port(str(network))

    def _status(self) -> str:
        return self._monitor.execute("query-status")["status"]

    def _plug(self, plugged: bool) -> None:
        self._monitor.execute("set_link", {"name": qemu.NETWORK, "up": plugged})

    def _allow_memory_outside_the_state(self) -> None:
        capability = {"capability": "x-ignore-shared", "state": True}
        self._monitor.execute("migrate-set-capabilities", {"capabilities": [capability]})

    def _wait_for_migration(self, what: str) -> None:
        def finished() -> bool:
            answer = self._monitor.execute("query-migrate")
            if answer.get("status") == "failed":
                raise LabError("migration-failed", f"QEMU could not move {self.name}'s state; {end_of(self.qemu_log)}")
            return answer.get("status") == "completed"

        self._monitor.wait_until(finished, what, self.patience(INCOMING_TIMEOUT))
