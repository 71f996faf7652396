"""Bidders that took the place of others, by acts at qualification-registry."""

from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import print_proposed
from operator_command.officer.acts.session import QUALIFICATION_REGISTRY, ActingSession, make_signer
from toroku.qualification.v1 import bidders_pb2

_METHODS = bidders_pb2.DESCRIPTOR.services_by_name["Bidders"].methods_by_name


def propose_link(
    session: ActingSession,
    options: ActOptions,
    agency: str,
    category: str,
    bidder_id: str,
    predecessor: str,
    kind: bidders_pb2.SuccessionKind.ValueType,
    reason: str,
) -> None:
    """Proposes that a bidder took the place of another one."""
    request = bidders_pb2.LinkBiddersRequest(
        agency=agency, category=category, bidder_id=bidder_id, predecessor=predecessor, kind=kind, reason=reason
    )
    with session.open(QUALIFICATION_REGISTRY) as channel:
        response = make_signer(session, options).carry_out(
            channel, _METHODS["LinkBidders"], request, bidders_pb2.LinkBiddersResponse
        )
    print_proposed(session, response.proposal)
