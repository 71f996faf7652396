"""The CA certificates that a medium stores beside the certificate of its key."""

from collections.abc import Sequence

from card_agent.media.certificate_der import load_certificate

# A front door accepts no more certificates beside the card's own.
_MOST_ISSUERS = 8


def list_issuers(certificate: bytes, others: Sequence[bytes]) -> tuple[bytes, ...]:
    """Returns the CA certificates above a certificate, the nearest first, at most _MOST_ISSUERS; all in DER.

    By name only: the server verifies the signatures, and a renewed CA may have two certificates. Raises ValueError for
    a malformed one.
    """
    issuers: list[bytes] = []
    left = [each for each in others if each != certificate]
    names = {load_certificate(certificate).issuer.public_bytes()}
    while found := [each for each in left if load_certificate(each).subject.public_bytes() in names]:
        issuers += found
        left = [each for each in left if each not in found]
        names = {load_certificate(each).issuer.public_bytes() for each in found}
    return tuple(issuers[:_MOST_ISSUERS])
