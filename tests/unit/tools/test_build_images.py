"""Every service has an image; of this machine's pip settings only the access to the index goes into a build."""

from pathlib import Path

import pytest

from operator_command.topology import SERVICES as OF_AN_INSTANCE
from tools.build_images import CHECKOUT, SERVICES, pip_configuration, pip_secrets


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://user:hidden@index.example/simple\nextra-index-url =\n    file:///packages\n"
        "    https://other.example/simple\nfind-links = /wheels\nconstraint = /constraints.txt\n"
        "[install]\ntrusted-host = index.example\n"
    )
    (tmp_path / "bundle.pem").write_text("bundle")
    return {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}


def test_local_folders_are_not_passed_to_the_build(home: dict[str, str]) -> None:
    configuration, _ = pip_configuration(home)
    assert configuration["index-url"] == "https://user:hidden@index.example/simple"
    assert configuration["extra-index-url"] == "https://other.example/simple"
    assert configuration["trusted-host"] == "index.example"
    assert not {"find-links", "constraint", "cert"} & set(configuration)


def test_environment_overrides_the_file(home: dict[str, str]) -> None:
    configuration, bundle = pip_configuration(
        home | {"PIP_INDEX_URL": "https://third.example/simple", "PIP_CERT": "/ca.pem"}
    )
    assert configuration["index-url"] == "https://third.example/simple"
    assert bundle == Path("/ca.pem")


def test_build_secrets_are_private_files_and_are_removed(home: dict[str, str], tmp_path: Path) -> None:
    with pip_secrets(home | {"SSL_CERT_FILE": str(tmp_path / "bundle.pem")}) as words:
        configuration, bundle = words
        file = Path(configuration.partition("src=")[2])
        assert file.parent.stat().st_mode & 0o077 == 0
        assert "hidden@index.example" in file.read_text()
        assert "cert = /run/secrets/ca.crt" in file.read_text()
        assert not [word for word in words if "hidden" in word]
        assert bundle == f"--secret=id=ca.crt,src={tmp_path / 'bundle.pem'}"
    assert not file.exists()


def test_every_service_of_an_instance_has_an_image() -> None:
    assert set(SERVICES) == {service.name for service in OF_AN_INSTANCE} | {"operator"}
    written = (CHECKOUT / "services" / "Dockerfile").read_text().splitlines()
    stages = {line.split()[-1] for line in written if line.startswith("FROM ")}
    assert set(SERVICES) <= stages
