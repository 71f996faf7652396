"""The advice for a card that has expired, which needs no server: nothing but 登録 with a new card is left (LIF-06)."""

from datetime import datetime

from card_agent.console import advice_words
from card_agent.console.words import Words
from card_agent.signing.certificate import ShownCertificate
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import advice_pb2, front_door_pb2


def has_expired(certificate: ShownCertificate, now: datetime) -> bool:
    """Returns whether a certificate is not valid any more."""
    return certificate.not_after < now


def advise_on_expired(certificate: ShownCertificate) -> advice_pb2.GetAdviceResponse:
    """Returns the advice for a card that has expired."""
    date = certificate.expiry_date
    return advice_pb2.GetAdviceResponse(
        standing=_text(
            Words(advice_words.EXPIRED.ja.format(date=date), advice_words.EXPIRED.en.format(date=date)),
        ),
        operation=card_pb2.OPERATION_REGISTRATION,
        reasons=[_text(words) for words in advice_words.EXPIRED_REASONS],
        consequences=[_text(words) for words in advice_words.EXPIRED_CONSEQUENCES],
    )


def _text(words: Words) -> front_door_pb2.Text:
    return front_door_pb2.Text(ja=words.ja, en=words.en)
