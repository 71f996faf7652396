"""One signature over a purpose, by exactly the card that it is for; knows no person."""

from card_agent.media.token import Pin, Token, TokenCertificate, choose_algorithm
from card_agent.signing.purpose import ShownPurpose
from refusals import Code, Refusal
from signed_acts.purpose import SignedPurpose

# After these the PIN is forgotten.
PIN_REASONS = frozenset(
    {
        "CARD_PIN_WRONG",
        "CARD_PIN_WRONG_UNCOUNTED",
        "CARD_PIN_BLOCKED",
        "CARD_PIN_FORM",
        "MY_NUMBER_CARD_PIN_WRONG",
        "MY_NUMBER_CARD_BLOCKED",
        "MY_NUMBER_CARD_PIN_FORM",
        "CARD_FILE_PASSWORD_WRONG",
        "MODULE_PIN_CHARACTERS",
        "MODULE_PIN_FORM",
    }
)
# Of these a further try with another PIN can help.
PIN_WRONG = PIN_REASONS - {"CARD_PIN_BLOCKED", "MY_NUMBER_CARD_BLOCKED"}


def sign_purpose(
    token: Token, certificate: TokenCertificate, pin: Pin, purpose: ShownPurpose, *, pin_first: bool
) -> SignedPurpose:
    """Returns the purpose with the signature of the certificate's key; the PIN is sent once.

    `pin_first` says that certificates can be read only after the PIN. Raises CARD_CHANGED, before the PIN is sent where
    that is possible, and the token's refusals.
    """
    if not pin_first:
        _check_same(token, certificate)
    token.verify_pin(pin)
    if pin_first:
        _check_same(token, certificate)
    algorithm = choose_algorithm(certificate.certificate)
    return SignedPurpose(purpose.encoded, algorithm, token.sign(certificate, purpose.to_be_signed, algorithm))


def _check_same(token: Token, certificate: TokenCertificate) -> None:
    # Another card may be in the reader by now. It must neither sign nor receive this PIN, which would cost a try.
    if all(each.der != certificate.der for each in token.certificates()):
        raise Refusal("CARD_CHANGED", Code.ABORTED)
