"""How this machine's pip reaches its index goes into a build, and nothing else of it."""

from pathlib import Path

import pytest

from tools.build_images import pip_configuration, pip_secrets


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://user:hidden@index.example/simple\nextra-index-url =\n    file:///packages\n"
        "    https://other.example/simple\nfind-links = /wheels\nconstraint = /constraints.txt\n"
        "[install]\ntrusted-host = index.example\n"
    )
    (tmp_path / "bundle.pem").write_text("bundle")
    return {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}


def test_folders_of_this_machine_stay_here(home: dict[str, str]) -> None:
    told, _ = pip_configuration(home)
    assert told["index-url"] == "https://user:hidden@index.example/simple"
    assert told["extra-index-url"] == "https://other.example/simple"
    assert told["trusted-host"] == "index.example"
    assert not {"find-links", "constraint", "cert"} & set(told)


def test_environment_comes_before_the_file(home: dict[str, str]) -> None:
    told, bundle = pip_configuration(home | {"PIP_INDEX_URL": "https://third.example/simple", "PIP_CERT": "/ca.pem"})
    assert told["index-url"] == "https://third.example/simple"
    assert bundle == Path("/ca.pem")


def test_secrets_are_files_that_only_we_read_and_that_go_away(home: dict[str, str], tmp_path: Path) -> None:
    with pip_secrets(home | {"SSL_CERT_FILE": str(tmp_path / "bundle.pem")}) as words:
        configuration, bundle = words
        file = Path(configuration.partition("src=")[2])
        assert file.parent.stat().st_mode & 0o077 == 0
        assert "hidden@index.example" in file.read_text()
        assert "cert = /run/secrets/ca.crt" in file.read_text()
        assert not [word for word in words if "hidden" in word]
        assert bundle == f"--secret=id=ca.crt,src={tmp_path / 'bundle.pem'}"
    assert not file.exists()
