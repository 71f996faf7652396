"""Builds the images of all services and of the operator's command, and reports their sizes and contents.

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
from typing import IO, NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
SERVICES = (
    "qualification-registry",
    "certificate-registry",
    "contact-notification",
    "agency-sync",
    "front-door",
    "portal",
    "operator",
)
BILLS = CHECKOUT / "build" / "images"
# Packages that the Dockerfile needs in a base image, in addition to Debian's minimal set.
DEBIAN_PACKAGES = ("python3", "python3-venv", "ca-certificates")
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
# Path of the CA bundle inside a build.
CA_IN_BUILD = "/run/secrets/ca.crt"
PARALLEL_BUILDS = 2


class BuildError(Exception):
    """A failure of Docker or debootstrap; the text holds the end of its output."""


class BuiltImage(NamedTuple):
    """An image: its size in bytes, and how many of them no other image shares."""

    service: str
    image: str
    size: int
    own_size: int


class BuildOptions(NamedTuple):
    """Options of a build: the base image, the names of the results, and further arguments of `docker build`."""

    base: str
    name: str = "toroku"
    tag: str = "latest"
    docker_arguments: tuple[str, ...] = ()
    # The folder for the bills of materials; None writes none.
    bills: Path | None = BILLS
    # A value that was never used before rebuilds every layer.
    cache_key: str = ""

    def image(self, service: str) -> str:
        """Returns the full name of a service's image."""
        return f"{self.name}/{service}:{self.tag}"


def find_docker_client() -> str:
    """Returns the first Docker client that can drive BuildKit: one with buildx, or one older than 23, which needs none.

    Only `$DOCKER` is tried where it is set, else every `docker` on PATH. Raises BuildError where there is none.
    """
    clients = [os.environ["DOCKER"]] if os.environ.get("DOCKER") else _find_on_path("docker")
    for client in clients:
        if _succeeds([client, "buildx", "version"]):
            return client
        version = subprocess.run([client, "--version"], capture_output=True, text=True).stdout
        digits = version.partition("version ")[2].partition(".")[0]
        if digits.isdecimal() and int(digits) < 23:
            return client
    raise BuildError(
        f"no Docker client that can use BuildKit (looked at {', '.join(clients) or 'PATH'}): install Docker's buildx, "
        "or name another client: DOCKER=<path>"
    )


def build_images(services: Sequence[str], options: BuildOptions) -> list[BuiltImage]:
    """Builds the images of these services, some in parallel; shared layers are built once. Raises BuildError."""
    client = find_docker_client()
    # The layers that all images share come first, so that each image's own size can be computed.
    shared_size = _get_size(client, _build(client, options, services[0], "--target", "runtime"))
    with concurrent.futures.ThreadPoolExecutor(PARALLEL_BUILDS) as threads:
        images = threads.map(lambda service: _build_image(client, options, service), services)
        sizes = [_get_size(client, image) for image in images]
    return [
        BuiltImage(service, options.image(service), size, size - shared_size)
        for service, size in zip(services, sizes, strict=True)
    ]


def make_debian_base(image: str, suite: str = "bookworm") -> None:
    """Makes a base image where none can be pulled: Debian's minimal set with Python. Needs root and debootstrap.

    Raises BuildError.
    """
    with tempfile.TemporaryDirectory(prefix="toroku-base-") as folder:
        root = Path(folder, "root")
        packages = "--include=" + ",".join(DEBIAN_PACKAGES)
        _run(["debootstrap", "--variant=minbase", packages, suite, str(root)])
        for leftover in (*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/lib/apt/lists/*_*")):
            leftover.unlink()
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as archive:
            _run([find_docker_client(), "import", "-", image], stdin=archive.stdout)
        if archive.returncode != 0:
            raise BuildError(f"the files of the base image could not be read (tar: exit status {archive.returncode})")


@contextlib.contextmanager
def provide_pip_secrets(environment: Mapping[str, str] = os.environ) -> Iterator[tuple[str, ...]]:
    """Provides this machine's pip configuration to a build as BuildKit secrets, which end up in no layer.

    Yields the arguments of `docker build`. The secrets' files are deleted afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="toroku-build-") as folder:
        # Only the owner can enter the temporary folder: the file may hold a password of the index.
        file = Path(folder, "pip.conf")
        settings, bundle = read_pip_configuration(environment)
        arguments = [f"--secret=id=pip.conf,src={file}"]
        if bundle is not None:
            settings["cert"] = CA_IN_BUILD
            arguments.append(f"--secret=id=ca.crt,src={bundle}")
        lines = [f"{key} = " + value.replace("\n", "\n    ") for key, value in settings.items()]
        file.write_text("\n".join(["[global]", *lines, ""]))
        yield tuple(arguments)


def read_pip_configuration(environment: Mapping[str, str]) -> tuple[dict[str, str], Path | None]:
    """Returns pip's settings of index and proxy, and its CA bundle; local folders are left out.

    Environment variables take precedence over the configuration files, as in pip itself.
    """
    settings: dict[str, str] = {}
    bundle = ""
    for file in _list_pip_files(environment):
        parser = configparser.RawConfigParser()
        parser.read(file)
        for section in ("global", "install"):
            if parser.has_section(section):
                values = dict(parser[section])
                bundle = values.get("cert", bundle)
                settings |= {key: values[key] for key in PIP_KEYS if key in values}
    for key in PIP_KEYS:
        value = environment.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            settings[key] = value
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"):
        bundle = environment.get(name) or bundle
    for key in ("index-url", "extra-index-url"):
        remote = [word for word in settings.get(key, "").split() if "://" in word and not word.startswith("file:")]
        settings.pop(key, None)
        if remote:
            settings[key] = "\n".join(remote)
    return settings, Path(bundle) if bundle else None


def _list_pip_files(environment: Mapping[str, str]) -> list[Path]:
    home = Path(environment.get("HOME", "/"))
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]
    configured = environment.get("PIP_CONFIG_FILE", "")
    return [*files, Path(configured)] if configured not in ("", os.devnull) else files


def _build_image(client: str, options: BuildOptions, service: str) -> str:
    image = options.image(service)
    _build(client, options, service, "--tag", image)
    if options.bills is not None:
        with tempfile.TemporaryDirectory(prefix="toroku-bill-") as folder:
            _build(client, options, service, "--target", "bill-of-materials", "--output", f"type=local,dest={folder}")
            options.bills.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(folder, "bill.cdx.json"), options.bills / f"{service}.cdx.json")
    return image


def _build(client: str, options: BuildOptions, service: str, *arguments: str) -> str:
    with (CHECKOUT / "services" / service / "pyproject.toml").open("rb") as stream:
        version = tomllib.load(stream)["project"]["version"]
    build_arguments = {
        "SERVICE": service,
        "BASE_IMAGE": options.base,
        "VERSION": version,
        "REVISION": _describe_revision(),
    }
    if options.cache_key:
        build_arguments["CACHE_KEY"] = options.cache_key
    pairs = [word for name, value in build_arguments.items() for word in ("--build-arg", f"{name}={value}")]
    flags = ["--quiet", "--file", "services/Dockerfile", *pairs, *options.docker_arguments, *arguments]
    return _run([client, "build", *flags, "."]).strip()


def _describe_revision() -> str:
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    return result.stdout.strip() or "unknown"


def _get_size(client: str, image: str) -> int:
    return int(_run([client, "image", "inspect", "--format", "{{.Size}}", image]))


def _run(command: Sequence[str], stdin: int | IO[bytes] | None = subprocess.DEVNULL) -> str:
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    try:
        result = subprocess.run(
            list(command),
            cwd=CHECKOUT,
            stdin=stdin,
            capture_output=True,
            text=True,
            env=environment,
        )
    except FileNotFoundError:
        raise BuildError(f"there is no {command[0]} on this machine: install it, then build again") from None
    if result.returncode != 0:
        output = "\n".join((result.stdout + result.stderr).splitlines()[-30:])
        raise BuildError(f"{command[0]} {command[1]} ended with exit status {result.returncode}:\n{output}")
    return result.stdout


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(list(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def _find_on_path(command: str) -> list[str]:
    folders = os.environ.get("PATH", "").split(os.pathsep)
    paths = [shutil.which(command, path=folder) for folder in dict.fromkeys(folders)]
    return [path for path in paths if path]


def main() -> None:
    """Builds the images named on the command line, and prints their sizes."""
    parser = argparse.ArgumentParser(prog="build_images.py", description=__doc__)
    parser.add_argument("services", nargs="*", metavar="SERVICE", help=f"any of {', '.join(SERVICES)}; default: all")
    parser.add_argument(
        "--base-image", default="python:3.11-slim-bookworm", help="an image with python3 ≥ 3.11 and venv"
    )
    parser.add_argument("--base-from-debian", action="store_true", help="make the base image with debootstrap")
    parser.add_argument("--tag", default="latest")
    parser.add_argument("--name", default="toroku", help="prefix of the image names, such as host/folder")
    parser.add_argument("--pip-configuration", action="store_true", help="pass this machine's index and CA as secrets")
    parser.add_argument("--network", default="default", help="the network of the build, for example host")
    parser.add_argument("--no-cache", action="store_true", help="rebuild every layer")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.services) - set(SERVICES))
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    network = ("--network", arguments.network)
    cache_key = secrets.token_hex(8) if arguments.no_cache else ""
    base = "toroku/base:debian" if arguments.base_from_debian else arguments.base_image
    try:
        if arguments.base_from_debian:
            print(f"making the base image {base} with debootstrap …", flush=True)
            make_debian_base(base)
        with provide_pip_secrets() if arguments.pip_configuration else contextlib.nullcontext(()) as pip_secrets:
            options = BuildOptions(
                base,
                name=arguments.name,
                tag=arguments.tag,
                docker_arguments=(*network, *pip_secrets),
                cache_key=cache_key,
            )
            images = build_images(arguments.services or SERVICES, options)
    except BuildError as failure:
        sys.exit(f"images: {failure}")
    print(f"{'image':<44} {'size':>10} {'not shared':>12}   bill of materials")
    for image in images:
        bill = BILLS.relative_to(CHECKOUT) / f"{image.service}.cdx.json"
        print(f"{image.image:<44} {image.size / 1e6:>7.1f} MB {image.own_size / 1e6:>9.1f} MB   {bill}")


if __name__ == "__main__":
    main()
