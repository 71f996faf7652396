"""The old card's act, which agrees to the card that the successor key vouches for."""

from dataclasses import dataclass, field
from uuid import uuid4

from card_agent.clock import read_clock
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import call_for
from card_agent.operation.sessions import CardSession
from card_agent.signing.card_use import show_purpose
from card_agent.signing.purpose import ExpectedRequest
from card_agent.signing.successor_key import SuccessorKey
from refusals import Code, Refusal
from signed_acts.purpose import Role
from signed_acts.request import hash_canonical
from toroku.act.v1 import signed_purpose_pb2
from toroku.frontdoor.v1 import renewal_pb2

# As long as the server takes an act that was made by now.
GOOD_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class SignedSuccession:
    """What the old card has signed for, in one renewal: whom it belongs to, and the key that names its successor."""

    request_id: str
    bidder_id: str
    act: signed_purpose_pb2.SignedPurpose = field(repr=False)
    key: SuccessorKey
    # By `read_clock`.
    ends_at: float

    @property
    def is_good(self) -> bool:
        """Whether the act may still be accepted: a renewal with another one needs the old card again."""
        return read_clock() < self.ends_at

    @property
    def public_key(self) -> bytes:
        """The successor key's public part, 32 bytes."""
        return self.key.public

    def vouch_for(self, certificate_sha256: bytes) -> bytes:
        """Returns the successor key's signature for the new card."""
        return self.key.vouch_for(certificate_sha256, self.request_id)


def sign_succession(at_agency: AtAgency, session: CardSession) -> SignedSuccession:
    """Has the old card agree to be replaced by the card that a new key vouches for.

    Raises the refusals of card and server, and those of a purpose for something else.
    """
    key, request_id, ends_at = SuccessorKey(), str(uuid4()), read_clock() + GOOD_SECONDS
    request = renewal_pb2.PrepareSuccessionRequest(
        old_session_token=session.token,
        agency=at_agency.agency.code,
        category=at_agency.category.code,
        request_id=request_id,
        successor_key=key.public,
    )
    response = call_for(at_agency.person, at_agency.front_door.renewal.PrepareSuccession, request)
    # Nothing but the bidder is new to the agent, and it is on the screen before anything changes.
    form = renewal_pb2.SuccessionForm(
        request_id=request_id,
        instance=at_agency.instance.id,
        agency=at_agency.agency.code,
        category=at_agency.category.code,
        bidder_id=response.form.bidder_id,
        certificate_sha256=session.card.certificate.sha256,
        successor_key_sha256=key.public_sha256,
    )
    if response.form != form:
        metadata = {"found": hash_canonical(response.form).hex(), "expected": hash_canonical(form).hex()}
        raise Refusal("PURPOSE_FOR_ANOTHER_REQUEST", Code.FAILED_PRECONDITION, metadata)
    expected = ExpectedRequest(
        form.bidder_id, request_id, hash_canonical(form), successor_key_sha256=form.successor_key_sha256
    )
    act = session.card.accept_purpose(response.purpose, at_agency.expect_purpose(session.card, expected, role=Role.OLD))
    place = at_agency.place(session.server_card.authority)
    show_purpose(at_agency.person, act, place, details=at_agency.details)
    return SignedSuccession(request_id, form.bidder_id, session.card.sign(act), key, ends_at)
