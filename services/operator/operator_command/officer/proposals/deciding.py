"""An approval, which carries a proposal out, and a rejection: acts that name the proposal's hash."""

from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import print_not_yet_effective
from operator_command.officer.acts.session import ActingSession, make_signer
from operator_command.officer.proposals.reading import open_proposal
from operator_command.officer.proposals.showing import describe_proposal
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase
from toroku.officer.v1 import proposals_pb2

_METHODS = proposals_pb2.DESCRIPTOR.services_by_name["Proposals"].methods_by_name


def approve(session: ActingSession, options: ActOptions, proposal_id: str) -> None:
    """Shows a proposal, and has it carried out."""
    with open_proposal(session, proposal_id) as (channel, record):
        describe_proposal(session, record)
        request = proposals_pb2.ApproveProposalRequest(proposal_id=proposal_id, proposal_sha256=record.proposal_sha256)
        response = make_signer(session, options, record.proposal.lines).carry_out(
            channel, _METHODS["ApproveProposal"], request, proposals_pb2.ApproveProposalResponse
        )
    said = Phrase("承認し、実行しました。", "Approved and carried out.")
    print_line(session.console, session.speech, said)
    print_not_yet_effective(session, response.not_yet_effective_at)


def reject(session: ActingSession, options: ActOptions, proposal_id: str, reason: str) -> None:
    """Shows a proposal, and rejects it; takes it back where it is the officer's own."""
    with open_proposal(session, proposal_id) as (channel, record):
        describe_proposal(session, record)
        request = proposals_pb2.RejectProposalRequest(
            proposal_id=proposal_id, proposal_sha256=record.proposal_sha256, reason=reason
        )
        make_signer(session, options, record.proposal.lines).carry_out(
            channel, _METHODS["RejectProposal"], request, proposals_pb2.RejectProposalResponse
        )
    said = Phrase("却下しました。提案は実行されません。", "Rejected. The proposal is not carried out.")
    print_line(session.console, session.speech, said)
