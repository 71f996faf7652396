"""One real smart card service for all tests of a worker; each test starts with empty readers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.certificate_authorities import CertificateAuthority, new_ec_key, new_rsa_key
from tests.support.card_reader import CardReader, card_reader
from tests.support.pkcs11_modules import SoftToken, build_stub, make_soft_token


@pytest.fixture(scope="session")
def reader_of_the_session() -> Iterator[CardReader]:
    """One reader for all tests of a process, in which libpcsclite looks for its service only once."""
    with card_reader() as reader:
        yield reader


@pytest.fixture
def reader(reader_of_the_session: CardReader) -> Iterator[CardReader]:
    """The empty readers."""
    yield reader_of_the_session
    reader_of_the_session.clean()


@pytest.fixture(scope="session")
def card_authority() -> CertificateAuthority:
    """A CA that issues cards."""
    return CertificateAuthority.create("Toroku Test CA", key=new_ec_key())


@pytest.fixture(scope="session")
def soft_token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    """A token of SoftHSM with an RSA key, and its CA's certificates."""
    authority = CertificateAuthority.create("Issuing CA", parent=CertificateAuthority.create("Root CA"))
    return make_soft_token(tmp_path_factory.mktemp("softhsm"), authority.issue(key=new_rsa_key()))


@pytest.fixture(scope="session")
def stub_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stub module, built once."""
    return build_stub(tmp_path_factory.mktemp("stub"))
