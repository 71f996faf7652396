"""Letters are written side by side, and each one that can't be written is named."""

from threading import Barrier

from operator_command.officer.letter_writing import LetterWriting
from toroku.qualification.v1.bidder_pb2 import CompanyProfile, PasswordLetter

LETTERS = [PasswordLetter(company=CompanyProfile(bidder_id=f"{number}")) for number in range(24)]


def test_eight_letters_wait_for_the_disk_at_a_time() -> None:
    disk = Barrier(8)

    def write(_: PasswordLetter) -> None:
        disk.wait(10)

    with LetterWriting(write) as writing:
        for letter in LETTERS:
            writing.add(letter)
    assert (writing.written, writing.lost) == (24, [])


def test_letters_that_cannot_be_written_do_not_stop_the_others() -> None:
    written: list[str] = []

    def write(letter: PasswordLetter) -> None:
        if letter.company.bidder_id in {"3", "23"}:
            raise OSError(28, "No space left on device")
        written.append(letter.company.bidder_id)

    with LetterWriting(write) as writing:
        for letter in LETTERS:
            writing.add(letter)
    assert (writing.written, writing.lost, writing.cause) == (22, ["3", "23"], "No space left on device")
    assert len(written) == 22
