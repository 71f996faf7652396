"""Giving out passwords: the registry makes them, and each goes into a letter before the next one comes."""

from datetime import date, datetime
from pathlib import Path

import grpc
from rich.console import Console

from instance_profile import ProfileError, load_profile
from instance_profile.japan_time import JAPAN
from operator_command.client.connection import Connection, channel
from operator_command.officer.letters import Sender, letter_file, letter_text, prepare_folder, sender_of, write_whole
from operator_command.officer.roster_progress import ShownProgress, plain_or_terminal
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.qualification.v1 import service_pb2
from toroku.qualification.v1.service_pb2_grpc import QualificationRegistryStub

SERVICE = "qualification-registry"
# Hashing thousands of passwords takes minutes; a registry that hangs must not take for ever.
SECONDS = 3600.0


def sender(profile: Path | None, overlay: Path | None, category: str) -> Sender:
    """The words of the letters, from the profile where one is given. Raises PROFILE_WRONG, CATEGORY_UNKNOWN."""
    try:
        return sender_of(load_profile(profile, overlay) if profile is not None else None, category)
    except ProfileError as error:
        raise Refusal("PROFILE_WRONG", Code.INVALID_ARGUMENT, {"problems": str(error)}) from None


def issue(
    to: Connection, category: str, bidder_ids: tuple[str, ...], folder: Path, words: Sender, *, reissue: bool
) -> None:
    """Issues passwords and writes their letters into the folder; says how many, and never shows one.

    Raises what the registry refuses, REISSUE_WITHOUT_BIDDERS, LETTERS_FOLDER_UNUSABLE, LETTERS_NOT_WRITTEN,
    LETTERS_INTERRUPTED.
    """
    if reissue and not bidder_ids:
        raise Refusal("REISSUE_WITHOUT_BIDDERS", Code.INVALID_ARGUMENT)
    prepare_folder(folder)
    console = plain_or_terminal()
    request = service_pb2.IssuePasswordsRequest(category=category, bidder_ids=bidder_ids, reissue=reissue)
    written = _issue(to, request, folder, words, datetime.now(JAPAN).date(), console)
    console.print(
        f"{written:,} 通の書面を {folder} に書き出しました。\nWrote {written:,} letters into {folder}.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _issue(
    to: Connection,
    request: service_pb2.IssuePasswordsRequest,
    folder: Path,
    words: Sender,
    day: date,
    console: Console,
) -> int:
    """Writes every letter as it comes, and gives how many were written.

    A letter that can't be written is lost with its password; the others are still taken, and the refusal names the
    bidders that need another one.
    """
    written = 0
    lost: list[str] = []
    cause = ""
    try:
        with channel(SERVICE, to) as opened, ShownProgress(console) as shown:
            for response in QualificationRegistryStub(opened).IssuePasswords(request, timeout=SECONDS):
                if not response.HasField("letter"):
                    shown.show(response.progress)
                    continue
                try:
                    text = letter_text(response.letter, words, day, reissued=request.reissue)
                    write_whole(letter_file(folder, response.letter), text.encode("utf-8"))
                    written += 1
                except OSError as error:
                    lost.append(response.letter.company.bidder_id)
                    cause = error.strerror or type(error).__name__
    except grpc.RpcError as error:
        refusal = from_rpc_error(error)
        if not written and not lost:
            raise refusal from None
        metadata = {"reason": refusal.reason, "written": str(written)}
        raise Refusal("LETTERS_INTERRUPTED", refusal.code, metadata) from None
    if lost:
        metadata = {"count": str(len(lost)), "written": str(written), "bidders": " ".join(lost), "cause": cause}
        raise Refusal("LETTERS_NOT_WRITTEN", Code.DATA_LOSS, metadata)
    return written
