"""Every service has an image, and of this machine's pip configuration only the way to the index enters a build."""

from pathlib import Path

import pytest

from operator_command.topology import SERVICES as INSTANCE_SERVICES
from tools.build_images import CHECKOUT, SERVICES, provide_pip_secrets, read_pip_configuration


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://user:hidden@index.example/simple\nextra-index-url =\n    file:///packages\n"
        "    https://other.example/simple\nfind-links = /wheels\nconstraint = /constraints.txt\n"
        "[install]\ntrusted-host = index.example\n"
    )
    (tmp_path / "bundle.pem").write_text("bundle")
    return {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}


def test_local_folders_do_not_enter_a_build(home: dict[str, str]) -> None:
    settings, _ = read_pip_configuration(home)
    assert settings["index-url"] == "https://user:hidden@index.example/simple"
    assert settings["extra-index-url"] == "https://other.example/simple"
    assert settings["trusted-host"] == "index.example"
    assert not {"find-links", "constraint", "cert"} & set(settings)


def test_environment_takes_precedence_over_the_file(home: dict[str, str]) -> None:
    settings, bundle = read_pip_configuration(
        home | {"PIP_INDEX_URL": "https://third.example/simple", "PIP_CERT": "/ca.pem"}
    )
    assert settings["index-url"] == "https://third.example/simple"
    assert bundle == Path("/ca.pem")


def test_secrets_are_private_files_that_are_deleted(home: dict[str, str], tmp_path: Path) -> None:
    with provide_pip_secrets(home | {"SSL_CERT_FILE": str(tmp_path / "bundle.pem")}) as arguments:
        configuration, bundle = arguments
        file = Path(configuration.partition("src=")[2])
        assert file.parent.stat().st_mode & 0o077 == 0
        assert "hidden@index.example" in file.read_text()
        assert "cert = /run/secrets/ca.crt" in file.read_text()
        assert not [argument for argument in arguments if "hidden" in argument]
        assert bundle == f"--secret=id=ca.crt,src={tmp_path / 'bundle.pem'}"
    assert not file.exists()


def test_every_service_of_an_instance_has_an_image() -> None:
    # A service whose processes are of another one's program is of its image.
    assert set(SERVICES) == {service.package.replace("_", "-") for service in INSTANCE_SERVICES} | {"operator"}
    lines = (CHECKOUT / "services" / "Dockerfile").read_text().splitlines()
    stages = {line.split()[-1] for line in lines if line.startswith("FROM ")}
    assert set(SERVICES) <= stages
