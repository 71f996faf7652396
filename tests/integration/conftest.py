"""One real smart card service for all tests of a worker; each test starts with empty readers."""

from collections.abc import Iterator

import pytest

from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from tests.support.card_reader import CardReader, card_reader


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
