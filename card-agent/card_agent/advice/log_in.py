"""The log-in of a card for a look, which changes nothing and is open at any hour."""

from functools import partial

from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import call
from card_agent.operation.sessions import LogIn
from card_agent.signing.card_use import SigningCard
from toroku.act.v1 import signed_purpose_pb2
from toroku.frontdoor.v1 import advice_pb2


def make_log_in(at_agency: AtAgency, card: SigningCard) -> LogIn:
    """Returns the calls by which a card opens a session for a look."""
    service, certificate = at_agency.front_door.advice, card.certificate
    begin = advice_pb2.BeginAdviceRequest(
        agency=at_agency.agency.code,
        category=at_agency.category.code,
        certificate=certificate.der,
        other_certificates=certificate.chain_der,
    )

    def open_with(log_in: signed_purpose_pb2.SignedPurpose) -> advice_pb2.OpenAdviceSessionResponse:
        request = advice_pb2.OpenAdviceSessionRequest(
            agency=begin.agency, category=begin.category, certificate=certificate.der, log_in=log_in
        )
        return call(service.OpenAdviceSession, request)

    return LogIn(begin=partial(call, service.BeginAdvice, begin), open=open_with)
