"""Issues passwords: the registry streams them, and each is written into a letter when it arrives."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import grpc

from instance_profile.japan_time import JAPAN
from operator_command.officer.acts.session import QUALIFICATION_REGISTRY, ActingSession
from operator_command.officer.acts.signing import Signer
from operator_command.officer.letter_writing import LetterWriting
from operator_command.officer.letters import (
    Sender,
    compose_letter,
    name_letter_file,
    prepare_folder,
)
from operator_command.officer.private_files import write_atomically
from operator_command.officer.roster_progress import ProgressDisplay
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.qualification.v1 import qualification_registry_pb2
from toroku.qualification.v1.bidder_pb2 import PasswordLetter
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

_ISSUE = qualification_registry_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"].methods_by_name[
    "IssuePasswords"
]
# Hashing thousands of passwords takes minutes; the bound is for a registry that hangs.
SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Recipients:
    """The bidders that get passwords: the named ones of an agency in a category, or all that have none."""

    agency: str
    category: str
    bidder_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reissue:
    """Why passwords are replaced, and what the bidders applied with."""

    reason: str
    document: str


def issue(
    session: ActingSession,
    signer: Signer,
    recipients: Recipients,
    folder: Path,
    sender: Sender,
    reissue: Reissue | None,
) -> None:
    """Issues passwords, writes their letters into the folder, and prints how many; never prints a password.

    Raises the registry's refusals, REISSUE_WITHOUT_BIDDERS, LETTERS_FOLDER_UNUSABLE, LETTERS_NOT_WRITTEN,
    LETTERS_INTERRUPTED, and those of `Signer.sign`.
    """
    if reissue is not None and not recipients.bidder_ids:
        raise Refusal("REISSUE_WITHOUT_BIDDERS", Code.INVALID_ARGUMENT)
    prepare_folder(folder)
    console, speech = session.console, session.speech
    request = qualification_registry_pb2.IssuePasswordsRequest(
        agency=recipients.agency,
        category=recipients.category,
        bidder_ids=recipients.bidder_ids,
    )
    if reissue is not None:
        request.reissue, request.reason, request.document = True, reissue.reason, reissue.document
    with session.open(QUALIFICATION_REGISTRY) as channel:
        signer.sign(channel, _ISSUE, request)
        with ProgressDisplay(console, speech) as display:
            written = _write_letters(channel, request, folder, sender, datetime.now(JAPAN).date(), display)
    print_line(
        console,
        speech,
        Phrase(
            f"{written:,}通の書面をフォルダー「{folder}」に書き出しました。印刷して業者に送り、送り終えたら削除してください。",
            f"Wrote {written:,} letters into {folder}. Print and send them, then delete them.",
        ),
    )


def _write_letters(
    channel: grpc.Channel,
    request: qualification_registry_pb2.IssuePasswordsRequest,
    folder: Path,
    sender: Sender,
    day: date,
    display: ProgressDisplay,
) -> int:
    """Writes every letter on arrival, and returns how many were written.

    The refusal names the bidders whose letters could not be written, which need a new password.
    """

    def write(letter: PasswordLetter) -> None:
        text = compose_letter(letter, sender, day, reissued=request.reissue)
        write_atomically(name_letter_file(folder, letter), text.encode("utf-8"))

    writing = LetterWriting(write)
    try:
        with writing:
            for response in QualificationRegistryStub(channel).IssuePasswords(request, timeout=SECONDS):
                if response.HasField("letter"):
                    writing.add(response.letter)
                else:
                    display.show(response.progress)
    except grpc.RpcError as error:
        refusal = from_rpc_error(error)
        if not writing.written and not writing.lost:
            raise refusal from None
        metadata = {"reason": refusal.reason, "written": str(writing.written)}
        raise Refusal("LETTERS_INTERRUPTED", refusal.code, metadata) from None
    if lost := writing.lost:
        metadata = {"count": str(len(lost)), "written": str(writing.written), "cause": writing.cause}
        raise Refusal("LETTERS_NOT_WRITTEN", Code.DATA_LOSS, metadata | {"bidders": " ".join(lost)})
    return writing.written
