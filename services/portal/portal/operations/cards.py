"""What every operation does with a card: its log-in is asked for, and opens a session."""

from dataclasses import replace

from portal.domain.journey import CardAnswer, HeldCard, Journey, Role, SignatureAnswer, SignRequest
from toroku.certificate.v1.card_pb2 import Card


def hold_card(journey: Journey, role: Role, answer: CardAnswer, card: Card, purpose: bytes) -> Journey:
    """Returns the journey with the card that was chosen, whose log-in is to be signed."""
    held = HeldCard(certificate=answer.certificate, chain=answer.chain, card=card)
    return replace(journey, cards={**journey.cards, role: held}, signing=SignRequest(purpose=purpose))


def open_card(journey: Journey, role: Role, card: Card, token: str, answer: SignatureAnswer) -> Journey:
    """Returns the journey with the session of a card that has logged in."""
    held = replace(journey.cards[role], card=card, session_token=token)
    return replace(
        journey,
        cards={**journey.cards, role: held},
        signing=None,
        person_in_charge=answer.person_in_charge or journey.person_in_charge,
    )


def is_same_card(journey: Journey, role: Role, answer: CardAnswer) -> bool:
    """Returns whether the card is the one that had this role before, so that what was found for it is still good."""
    held = journey.cards.get(role)
    return held is not None and held.certificate == answer.certificate
