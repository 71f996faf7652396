"""A proposal in words: what it does, who proposed it, until when it can be approved, and what became of it."""

from collections.abc import Iterator, Mapping

from instance_profile.characters import replace_invisible
from operator_command.officer.acts.outcome import WHERE, Line, describe_time, print_lines
from operator_command.officer.acts.session import ActingSession
from operator_command.officer.acts.showing import choose_lines
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from refusals.catalogue import catalogue
from toroku.officer.v1.proposals_pb2 import (
    PROPOSAL_STATE_APPROVED,
    PROPOSAL_STATE_OPEN,
    PROPOSAL_STATE_REJECTED,
    PROPOSAL_STATE_VOID,
    ProposalRecord,
)

STATES: Mapping[int, Phrase] = {
    PROPOSAL_STATE_OPEN: Phrase("承認待ち", "open"),
    PROPOSAL_STATE_APPROVED: Phrase("承認済み（実行済み）", "approved and carried out"),
    PROPOSAL_STATE_REJECTED: Phrase("却下", "rejected"),
    PROPOSAL_STATE_VOID: Phrase("無効", "void"),
}
_STATE = Phrase("状態", "state")
_PROPOSED = Phrase("提案", "proposed")
_EXPIRES = Phrase("承認の期限", "to be approved until")
_DECIDED = Phrase("決定", "decided")
_BECAUSE = Phrase("理由", "reason")
_METHOD = Phrase("操作", "operation")
_REQUEST = Phrase("要求の内容", "request")
_TARGET = Phrase("対象の状態", "state of the target")
_SHA256 = Phrase("提案（SHA-256）", "proposal (SHA-256)")


def show_proposal(session: ActingSession, record: ProposalRecord, *, details: bool = False) -> None:
    """Prints a proposal with its lines; with `details` all that its hash covers."""
    describe_proposal(session, record)
    speech, proposal = session.speech, record.proposal
    for line in proposal.lines if details else choose_lines(proposal.lines, speech):
        shown = replace_invisible(line)
        print_line(session.console, speech, Phrase(f"　｜{shown}", f"  | {shown}"))
    if details:
        lines = [
            (_METHOD, proposal.method),
            (_REQUEST, proposal.request),
            (_TARGET, proposal.target_version),
            (_SHA256, record.proposal_sha256.hex()),
        ]
        print_lines(session, Phrase("署名の対象となる値", "Values that are signed"), lines)


def describe_proposal(session: ActingSession, record: ProposalRecord) -> None:
    """Prints who proposed what when, and what became of it, without its lines: they are in the act that decides."""
    proposal_id = record.proposal.proposal_id
    heading = Phrase(f"提案 {proposal_id}", f"proposal {proposal_id}")
    print_lines(session, heading, _describe(record, session.speech))


def _describe(record: ProposalRecord, speech: Speech) -> Iterator[Line]:
    proposal = record.proposal
    yield _STATE, speech.say(STATES[record.state]) if record.state in STATES else str(record.state)
    when, who = describe_time(proposal.proposed_at, speech), speech.name_officer(proposal.proposer)
    yield _PROPOSED, speech.say(Phrase(f"{when}、{who}", f"{when}, {who}"))
    yield WHERE, speech.name_place(proposal.agency)
    if record.state == PROPOSAL_STATE_OPEN:
        yield _EXPIRES, describe_time(proposal.expires_at, speech)
    if record.HasField("decided_at"):
        parts = [describe_time(record.decided_at, speech)]
        parts += [speech.name_officer(record.decided_by)] if record.decided_by else []
        yield _DECIDED, speech.say(Phrase("、".join(parts), ", ".join(parts)))
    if record.because:
        because = record.because
        yield _BECAUSE, speech.explain(because, {}).what if because in catalogue() else because
