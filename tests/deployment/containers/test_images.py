"""The built images: restricted, unprivileged, without secrets, reproducible, and with a bill of materials."""

import json
import subprocess

import pytest

from tests.deployment.containers.conftest import Images, run_docker
from tools.build_images import SERVICES, build_images, find_docker_client, provide_pip_secrets

# How they run everywhere: read-only, without capabilities, without privilege escalation.
CLOSED = ("run", "--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
SERVING = [service for service in SERVICES if service != "operator"]
# Everything below a folder: path, type, mode and file contents, without times.
LIST_FILES = """
import hashlib, os, stat
for folder, names, files in os.walk("/toroku"):
    for name in sorted(names + files):
        path = os.path.join(folder, name)
        found = os.lstat(path)
        content = "-"
        if stat.S_ISLNK(found.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(found.st_mode):
            content = hashlib.sha256(open(path, "rb").read()).hexdigest()
        print(path, oct(found.st_mode), content)
"""
LIST_DISTRIBUTIONS = """
from importlib.metadata import distributions
for found in distributions():
    print(found.metadata["Name"], found.version)
"""
WHO_AND_WHAT = """
import importlib.util, os
print(os.getuid(), os.getgid(), os.getgroups())
print([name for name in ("pip", "setuptools", "wheel") if importlib.util.find_spec(name)])
print([path for path in ("/", "/toroku", "/toroku/bin", "/etc") if os.access(path, os.W_OK)])
"""


def python_in(image: str, program: str) -> str:
    return run_docker(*CLOSED, "--entrypoint=/toroku/bin/python", image, "-c", program).stdout


@pytest.mark.parametrize("service", SERVING)
def test_service_without_settings_says_what_is_missing_and_ends(images: Images, service: str) -> None:
    ended = run_docker(*CLOSED, images.of(service), "serve", check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{service}: a setting is wrong: ")
    assert "TOROKU_PROFILE: Field required; " in ended.stderr
    assert "TOROKU_PRIVATE_KEY: Field required; " in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("service", SERVING)
def test_argument_of_a_service_is_its_command(images: Images, service: str) -> None:
    ended = run_docker(*CLOSED, images.of(service), "dance", check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"usage: {service} {{serve")


def test_operators_image_is_the_command_toroku(images: Images) -> None:
    assert run_docker(*CLOSED, images.of("operator"), "--help").stdout.lstrip().startswith("Usage: toroku ")


@pytest.mark.parametrize("service", SERVICES)
def test_image_runs_unprivileged_without_build_tools(images: Images, service: str) -> None:
    assert python_in(images.of(service), WHO_AND_WHAT).splitlines() == ["10001 10001 [10001]", "[]", "[]"]


@pytest.mark.parametrize("service", SERVICES)
def test_image_has_labels_and_a_health_check(images: Images, service: str) -> None:
    (found,) = json.loads(run_docker("image", "inspect", images.of(service)).stdout)
    config = found["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert len(config["Entrypoint"]) == 1
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["title"] == f"toroku/{service}"
    assert labels["version"].count(".") == 2
    assert len(labels["revision"].removesuffix("-dirty")) == 40
    assert labels["base.name"] == images.options.base
    probe = config.get("Healthcheck", {}).get("Test")
    assert probe == (None if service == "operator" else ["CMD", "/toroku/bin/python", "-m", "servicekit.probe"])


def test_images_share_all_common_layers(images: Images) -> None:
    """All images share one large layer; a service's own layers are small."""
    for service in SERVING:
        assert images.built[service].own_size < 8_000_000 < images.built[service].size


def test_no_layer_contains_a_build_secret(images: Images) -> None:
    names = [images.of(service) for service in SERVICES]
    wanted = [word.encode() for word in (*images.telltales, "toroku-service")]
    # The archive has every layer and every line of the history.
    found: set[bytes] = set()
    before = b""
    with subprocess.Popen([find_docker_client(), "save", *names], stdout=subprocess.PIPE) as archive:
        assert archive.stdout is not None
        while piece := archive.stdout.read(8 * 1024 * 1024):
            found |= {word for word in wanted if word in before + piece}
            before = piece[-200:]
    assert archive.returncode == 0
    # A known text has to be found, or nothing was searched.
    assert found == {b"toroku-service"}


@pytest.mark.parametrize("service", ["front-door", "operator"])
def test_bill_of_materials_lists_what_is_in_the_image(images: Images, service: str) -> None:
    bill = json.loads((images.bills / f"{service}.cdx.json").read_text("utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == f"toroku-{service}"
    listed = {f"{part['name']} {part['version']}" for part in [*bill["components"], bill["metadata"]["component"]]}
    assert listed == set(python_in(images.of(service), LIST_DISTRIBUTIONS).splitlines())


def test_second_build_of_the_same_commit_gives_the_same_files(images: Images) -> None:
    options = images.options
    with provide_pip_secrets() as pip_secrets:
        network = [argument for argument in options.docker_arguments if not argument.startswith("--secret")]
        again = options._replace(
            tag=f"{options.tag}-again", docker_arguments=(*network, *pip_secrets), cache_key=options.tag, bills=None
        )
        (built,) = build_images(["front-door"], again)
    first = python_in(images.of("front-door"), LIST_FILES).splitlines()
    assert len(first) > 1000
    assert python_in(built.image, LIST_FILES).splitlines() == first
