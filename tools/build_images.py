"""Builds the images of all services and of the operator's command, and says how large they are and what is in them.

`make images` calls it. Each image is `<name>/<service>:<tag>`; its bill of materials (CycloneDX) goes to
`build/images/<service>.cdx.json`. Needs Docker with BuildKit, and only the standard library.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import configparser
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
SERVICES = (
    "qualification-registry",
    "certificate-registry",
    "contact-notification",
    "agency-sync",
    "front-door",
    "operator",
)
BILLS = CHECKOUT / "build" / "images"
# What a base needs, beside Debian's smallest set, so that the Dockerfile can work with it.
DEBIAN_PACKAGES = ("python3", "python3-venv", "ca-certificates")
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
# Where a build finds the CA bundle while pip runs.
CA_IN_BUILD = "/run/secrets/ca.crt"
SIDE_BY_SIDE = 2


class BuildFailed(Exception):
    """Docker or debootstrap ended with an error; the text holds the end of what it said."""


class Built(NamedTuple):
    """An image: its bytes in all, and those that no other image shares."""

    service: str
    image: str
    size: int
    own: int


class Wishes(NamedTuple):
    """What is built: from which base, under which names, and with which further words for `docker build`."""

    base: str
    name: str = "toroku"
    tag: str = "latest"
    further: tuple[str, ...] = ()
    bills: Path | None = BILLS
    # Another value than ever before builds every layer anew.
    cache_key: str = ""

    def image(self, service: str) -> str:
        return f"{self.name}/{service}:{self.tag}"


def docker() -> str:
    """The first Docker client that can drive BuildKit: one with buildx, or one older than 23, which needs none."""
    found = [os.environ["DOCKER"]] if os.environ.get("DOCKER") else _on_path("docker")
    for client in found:
        if _works([client, "buildx", "version"]):
            return client
        version = subprocess.run([client, "--version"], capture_output=True, text=True).stdout
        digits = version.partition("version ")[2].partition(".")[0]
        if digits.isdecimal() and int(digits) < 23:
            return client
    raise BuildFailed(
        f"no Docker client that can use BuildKit (looked at {', '.join(found) or 'PATH'}): install Docker's buildx, "
        "or name another client: DOCKER=<path>"
    )


def build_images(services: Sequence[str], wishes: Wishes) -> list[Built]:
    """Builds the images of these services, some side by side; what they share is built once. Raises BuildFailed."""
    client = docker()
    # First the layers that all of them have, so that what each one adds can be told.
    shared = _size(client, _build(client, wishes, services[0], "--target", "runtime"))
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        images = threads.map(lambda service: _build_one(client, wishes, service), services)
        sizes = [_size(client, image) for image in images]
    return [
        Built(service, wishes.image(service), size, size - shared)
        for service, size in zip(services, sizes, strict=True)
    ]


def base_from_debian(image: str, suite: str = "bookworm") -> None:
    """Makes a base image where none can be pulled: Debian's smallest set with Python. Wants root and debootstrap."""
    with tempfile.TemporaryDirectory(prefix="toroku-base-") as folder:
        root = Path(folder, "root")
        packages = "--include=" + ",".join(DEBIAN_PACKAGES)
        _run(["debootstrap", "--variant=minbase", packages, suite, str(root)])
        for leftover in (*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/lib/apt/lists/*_*")):
            leftover.unlink()
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as archive:
            _run([docker(), "import", "-", image], stdin=archive.stdout)
        if archive.returncode != 0:
            raise BuildFailed(f"the files of the base image could not be read (tar: exit status {archive.returncode})")


@contextlib.contextmanager
def pip_secrets(environment: Mapping[str, str] = os.environ) -> Iterator[tuple[str, ...]]:
    """How this machine's pip reaches its package index, as secrets of a build: in no layer, and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="toroku-build-") as folder:
        # Its parent is closed to others, as its content may hold a password of the index.
        file = Path(folder, "pip.conf")
        told, bundle = pip_configuration(environment)
        words = [f"--secret=id=pip.conf,src={file}"]
        if bundle is not None:
            told["cert"] = CA_IN_BUILD
            words.append(f"--secret=id=ca.crt,src={bundle}")
        lines = [f"{key} = " + value.replace("\n", "\n    ") for key, value in told.items()]
        file.write_text("\n".join(["[global]", *lines, ""]))
        yield tuple(words)


def pip_configuration(environment: Mapping[str, str]) -> tuple[dict[str, str], Path | None]:
    """The index, the proxy and the CA bundle that pip is told of; folders of this machine are left out."""
    told: dict[str, str] = {}
    bundle = ""
    for file in _pip_files(environment):
        read = configparser.RawConfigParser()
        read.read(file)
        for section in ("global", "install"):
            if read.has_section(section):
                values = dict(read[section])
                bundle = values.get("cert", bundle)
                told |= {key: values[key] for key in PIP_KEYS if key in values}
    for key in PIP_KEYS:
        value = environment.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            told[key] = value
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"):
        bundle = environment.get(name) or bundle
    for key in ("index-url", "extra-index-url"):
        remote = [word for word in told.get(key, "").split() if "://" in word and not word.startswith("file:")]
        told.pop(key, None)
        if remote:
            told[key] = "\n".join(remote)
    return told, Path(bundle) if bundle else None


def _pip_files(environment: Mapping[str, str]) -> list[Path]:
    home = Path(environment.get("HOME", "/"))
    own = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", own / "pip" / "pip.conf"]
    named = environment.get("PIP_CONFIG_FILE", "")
    return [*files, Path(named)] if named not in ("", os.devnull) else files


def _build_one(client: str, wishes: Wishes, service: str) -> str:
    image = wishes.image(service)
    _build(client, wishes, service, "--tag", image)
    if wishes.bills is not None:
        with tempfile.TemporaryDirectory(prefix="toroku-bill-") as folder:
            _build(client, wishes, service, "--target", "bill-of-materials", "--output", f"type=local,dest={folder}")
            wishes.bills.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(folder, "bill.cdx.json"), wishes.bills / f"{service}.cdx.json")
    return image


def _build(client: str, wishes: Wishes, service: str, *words: str) -> str:
    with (CHECKOUT / "services" / service / "pyproject.toml").open("rb") as stream:
        version = tomllib.load(stream)["project"]["version"]
    arguments = {"SERVICE": service, "BASE_IMAGE": wishes.base, "VERSION": version, "REVISION": _revision()}
    if wishes.cache_key:
        arguments["CACHE_KEY"] = wishes.cache_key
    told = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    command = [client, "build", "--quiet", "--file", "services/Dockerfile", *told, *wishes.further, *words, "."]
    return _run(command).strip()


def _revision() -> str:
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    described = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    return described.stdout.strip() or "unknown"


def _size(client: str, image: str) -> int:
    return int(_run([client, "image", "inspect", "--format", "{{.Size}}", image]))


def _run(command: Sequence[str], stdin: object = subprocess.DEVNULL) -> str:
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    try:
        done = subprocess.run(
            list(command),
            cwd=CHECKOUT,
            stdin=stdin,  # type: ignore[call-overload]
            capture_output=True,
            text=True,
            env=environment,
        )
    except FileNotFoundError:
        raise BuildFailed(f"there is no {command[0]} on this machine: install it, then build again") from None
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise BuildFailed(f"{command[0]} {command[1]} ended with exit status {done.returncode}:\n{said}")
    return str(done.stdout)


def _works(command: Sequence[str]) -> bool:
    return subprocess.run(list(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def _on_path(command: str) -> list[str]:
    folders = os.environ.get("PATH", "").split(os.pathsep)
    found = [shutil.which(command, path=folder) for folder in dict.fromkeys(folders)]
    return [path for path in found if path]


def main() -> None:
    """Builds what the command line asks for, and prints the sizes."""
    parser = argparse.ArgumentParser(prog="build_images.py", description=__doc__)
    parser.add_argument("services", nargs="*", metavar="SERVICE", help=f"any of {', '.join(SERVICES)}; without: all")
    parser.add_argument("--base-image", default="python:3.11-slim-bookworm", help="has python3 ≥ 3.11 with venv")
    parser.add_argument("--base-from-debian", action="store_true", help="make the base image here, by debootstrap")
    parser.add_argument("--tag", default="latest")
    parser.add_argument("--name", default="toroku", help="what stands before the service, such as host/folder")
    parser.add_argument("--pip-configuration", action="store_true", help="use this machine's index and CA, as secrets")
    parser.add_argument("--network", default="default", help="the network of the build, for example host")
    parser.add_argument("--no-cache", action="store_true", help="build every layer anew")
    asked = parser.parse_args()
    unknown = sorted(set(asked.services) - set(SERVICES))
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    further = ("--network", asked.network)
    cache_key = secrets.token_hex(8) if asked.no_cache else ""
    base = "toroku/base:debian" if asked.base_from_debian else asked.base_image
    try:
        if asked.base_from_debian:
            print(f"making the base image {base} by debootstrap …", flush=True)
            base_from_debian(base)
        with pip_secrets() if asked.pip_configuration else contextlib.nullcontext(()) as hidden:
            wishes = Wishes(base, name=asked.name, tag=asked.tag, further=(*further, *hidden), cache_key=cache_key)
            built = build_images(asked.services or SERVICES, wishes)
    except BuildFailed as failure:
        sys.exit(f"images: {failure}")
    print(f"{'image':<44} {'size':>10} {'of its own':>12}   bill of materials")
    for one in built:
        bill = BILLS.relative_to(CHECKOUT) / f"{one.service}.cdx.json"
        print(f"{one.image:<44} {one.size / 1e6:>7.1f} MB {one.own / 1e6:>9.1f} MB   {bill}")


if __name__ == "__main__":
    main()
