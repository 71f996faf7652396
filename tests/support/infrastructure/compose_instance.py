"""An instance in containers, started from compose.yaml as anybody would, with ports and images of the tests' own."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PORTS = (
    *("FRONT_DOOR_PORT", "INBOX_PORT", "QUALIFICATION_REGISTRY_PORT", "CERTIFICATE_REGISTRY_PORT"),
    *("CONTACT_NOTIFICATION_PORT", "AGENCY_SYNC_PORT"),
)
# Everything is built beforehand, so this bounds the start of a dozen containers on a busy machine.
START_SECONDS = 300


def compose_command() -> list[str]:
    """docker-compose where it is installed, else the compose of the Docker client."""
    return ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]


def free_ports() -> dict[str, str]:
    """A free port of the loopback address for each door that compose.yaml publishes."""
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    chosen = {name: str(one.getsockname()[1]) for name, one in zip(PORTS, opened, strict=True)}
    for one in opened:
        one.close()
    return chosen


@dataclass(frozen=True, slots=True)
class ComposeInstance:
    """A project of compose: its name, its files, and the variables that it is started with."""

    project: str
    files: tuple[Path, ...]
    variables: Mapping[str, str]

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Calls compose for this project."""
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
            said = self.compose("logs", "--no-color", "--tail=40", check=False).stdout
            raise AssertionError(f"compose {words[0]} failed:\n{done.stderr}\n{said}")
        return done

    def toroku(self, *words: str) -> str:
        """The command `toroku` in a container of the instance, as compose/ready.txt says."""
        return self.compose("run", "--rm", "-T", "toroku", *words).stdout

    def file(self, path: str) -> bytes:
        """A file that the container of the command `toroku` sees."""
        return self.compose("run", "--rm", "-T", "--entrypoint", "cat", "toroku", path).stdout.encode()

    def address(self, port: str) -> str:
        """Where a door is reached from this machine: `port` is one of PORTS."""
        return f"127.0.0.1:{self.variables[port]}"


def value_in_letter(letter: str, label: str) -> str:
    """What stands behind a label in a password letter."""
    found = re.search(rf"^\s*{label}\s*：(.+)$", letter, re.MULTILINE)
    assert found is not None, f"the letter has no {label}"
    return found[1].strip()
