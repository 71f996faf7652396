"""The log-in of one of the two cards."""

from functools import partial

from card_agent.console import renewal_words
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import call
from card_agent.operation.sessions import LogIn
from card_agent.signing.card_use import SigningCard
from signed_acts.purpose import Role
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import renewal_pb2

_ROLES = {Role.OLD: card_pb2.CARD_ROLE_OLD, Role.NEW: card_pb2.CARD_ROLE_NEW}
_TITLES = {Role.OLD: renewal_words.OLD_CARD, Role.NEW: renewal_words.NEW_CARD}


def make_log_in(at_agency: AtAgency, card: SigningCard, resume_request_id: str = "") -> LogIn:
    """Returns the calls by which a card opens its session, in its role."""
    service, certificate = at_agency.front_door.renewal, card.certificate
    codes = {"agency": at_agency.agency.code, "category": at_agency.category.code}
    begin = renewal_pb2.BeginRenewalRequest(
        **codes,
        role=_ROLES[card.role],
        certificate=certificate.der,
        other_certificates=certificate.chain_der,
        resume_request_id=resume_request_id,
    )

    def open_with(log_in: signed_purpose_pb2.SignedPurpose) -> renewal_pb2.OpenRenewalSessionResponse:
        request = renewal_pb2.OpenRenewalSessionRequest(
            **codes,
            role=_ROLES[card.role],
            certificate=certificate.der,
            log_in=log_in,
            resume_request_id=resume_request_id,
        )
        return call(service.OpenRenewalSession, request)

    return LogIn(partial(call, service.BeginRenewal, begin), open_with, card.role, _TITLES[card.role])
