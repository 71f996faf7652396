"""My Number cards of the tests: the virtual JPKI application with both keys, each of a CA of its own."""

from functools import cache

from simulators.certificate_authorities import CertificateAuthority, IssuedCard
from simulators.virtual_jpki import JpkiApplication

SIGNATURE_PASSWORD, AUTHENTICATION_PIN = "ABC123", "1234"


@cache
def authentication_card() -> IssuedCard:
    """Returns key and certificate for authentication, which no instance accepts; one for all cards of a session."""
    return CertificateAuthority.create("Toroku Test JPKI for user authentication").issue_personal()


def my_number_card(signature: IssuedCard | None) -> JpkiApplication:
    """Returns a card with this key for signatures, or as a child's without one."""
    return JpkiApplication.of(
        signature,
        authentication_card(),
        signature_pin=SIGNATURE_PASSWORD,
        authentication_pin=AUTHENTICATION_PIN,
    )
