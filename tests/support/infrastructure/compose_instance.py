"""An instance in containers, started from compose.yaml with the ports and images of the tests."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PORTS = (
    *("FRONT_DOOR_PORT", "INBOX_PORT", "QUALIFICATION_REGISTRY_PORT", "USER_LOOKUP_PORT"),
    *("CONTACT_NOTIFICATION_PORT", "AGENCY_SYNC_PORT", "CERTIFICATE_REGISTRY_PORT"),
)
# The images exist by then, so this bounds the start of a dozen containers on a busy machine.
START_SECONDS = 300


def compose_command() -> list[str]:
    """Returns docker-compose where it is installed, else the Docker client's own compose."""
    return ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]


def free_ports() -> dict[str, str]:
    """Returns a free loopback port for each port that compose.yaml publishes."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = {name: str(listener.getsockname()[1]) for name, listener in zip(PORTS, listeners, strict=True)}
    for listener in listeners:
        listener.close()
    return ports


@dataclass(frozen=True, slots=True)
class ComposeInstance:
    """A compose project: its name, its files and its variables."""

    project: str
    files: tuple[Path, ...]
    variables: Mapping[str, str]

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs compose for this project; without `check` the caller judges a failure."""
        files = [word for file in self.files for word in ("--file", str(file))]
        done = subprocess.run(
            [*compose_command(), "--project-name", self.project, "--project-directory", str(ROOT), *files, *words],
            cwd=ROOT,
            env=os.environ | dict(self.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )
        if check and done.returncode != 0:
            logs = self.compose("logs", "--no-color", "--tail=40", check=False).stdout
            raise AssertionError(f"compose {words[0]} failed:\n{done.stderr}\n{logs}")
        return done

    def toroku(self, *words: str) -> str:
        """Runs `toroku` in a container of the instance, as compose/ready.txt describes; returns its output."""
        return self.compose("run", "--rm", "-T", "toroku", *words).stdout

    def file(self, path: str) -> bytes:
        """Returns the content of a file in the container of the command `toroku`."""
        return self.compose("run", "--rm", "-T", "--entrypoint", "cat", "toroku", path).stdout.encode()

    def address(self, port: str) -> str:
        """Returns the address of a published port on this machine; `port` is one of PORTS."""
        return f"127.0.0.1:{self.variables[port]}"


def value_in_letter(letter: str, label: str) -> str:
    """Returns the value of a label in a password letter."""
    match = re.search(rf"^\s*{label}\s*：(.+)$", letter, re.MULTILINE)
    assert match is not None, f"the letter has no {label}"
    return match[1].strip()
