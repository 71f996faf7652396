"""The log for the help desk: what it has of a card's commands, and what it never has."""

import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from card_agent.log_file import find_log_file, start_log
from card_agent.media.piv import PivCard
from card_agent.media.smart_card import Instruction, send
from card_agent.media.token import Pin, choose_algorithm
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.card_in_memory import CardInMemory, PivInMemory

PIN = "246813"


@pytest.fixture(scope="module")
def issued() -> IssuedCard:
    return CertificateAuthority.create("Toroku Test CA", key=new_ec_key()).issue(key=new_ec_key())


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The log file of an agent that was started."""
    logger = logging.getLogger("card_agent")
    before, level = list(logger.handlers), logger.level
    start_log(tmp_path)
    yield find_log_file(tmp_path)
    for handler in [each for each in logger.handlers if each not in before]:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


def use(card: PivInMemory, pin: str) -> None:
    with card.open() as token:
        certificate = token.certificates()[0]
        token.verify_pin(Pin(pin))
        token.sign(certificate, b"confidential", choose_algorithm(certificate.certificate))


def test_log_has_header_lengths_and_status_word_of_each_command(log: Path, issued: IssuedCard) -> None:
    card = PivInMemory.of(issued)
    use(card, "123456")
    lines = log.read_text("utf-8").splitlines()
    assert len(lines) == len(card.connection.commands)
    assert "command 00 A4 04 00, 15 bytes" in lines[0]
    assert ", 9000, " in lines[0]
    (verification,) = [line for line in lines if "command 00 20 00 80" in line]
    assert "command 00 20 00 80: 0 bytes, 9000" in verification


def test_log_has_neither_pin_nor_data(log: Path, issued: IssuedCard) -> None:
    with pytest.raises(Refusal, match="CARD_PIN_WRONG"):
        use(PivInMemory.of(issued), PIN)
    use(PivInMemory.of(issued), "123456")
    text = log.read_text("utf-8").replace(" ", "").casefold()
    for secret in (PIN, "123456"):
        assert secret not in text
        assert secret.encode().hex() not in text
    # Eight bytes of the certificate, in any position.
    assert not any(issued.der[at : at + 8].hex() in text for at in range(0, len(issued.der) - 8, 8))


def test_command_without_answer_is_logged_with_the_reason(log: Path) -> None:
    connection = CardInMemory(PivInMemory.of(_any_card()).connection.piv, removed=True)
    with pytest.raises(Refusal, match="CARD_REMOVED"):
        send(connection, Instruction.SELECT, 4, 0)
    assert "command 00 A4 04 00, 4 bytes: CARD_REMOVED" in log.read_text("utf-8")


def test_only_the_owner_reads_the_log_and_it_stays_small(log: Path) -> None:
    logger = logging.getLogger("card_agent.test")
    for _ in range(40):
        logger.info("%s", "x" * 100_000)
    files = sorted(log.parent.iterdir())
    assert [file.name for file in files] == ["card-agent.log", "card-agent.log.1", "card-agent.log.2"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    assert sum(file.stat().st_size for file in files) < 3 * 1024 * 1024


def test_folder_that_cannot_be_written_is_no_reason_not_to_sign(tmp_path: Path, issued: IssuedCard) -> None:
    (tmp_path / "file").write_text("")
    start_log(tmp_path / "file")
    use(PivInMemory.of(issued), "123456")


def _any_card() -> IssuedCard:
    return CertificateAuthority.create("Toroku Test CA", key=new_ec_key()).issue(key=new_ec_key())


def test_piv_commands_go_through_the_log(log: Path, issued: IssuedCard) -> None:
    card = PivCard(PivInMemory.of(issued).connection)
    card.select()
    assert card.pin_tries_left() == 3
    assert "command 00 20 00 80: 0 bytes, 63C3" in log.read_text("utf-8")
