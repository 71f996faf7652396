"""What was found on this PC: every medium with its certificates, also those that can't be used, and why."""

from dataclasses import dataclass, field

from card_agent.media.token import TokenCertificate, TokenMedium
from refusals import Refusal


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """A certificate on a medium. `authority` is the instance's id of its CA, empty if that is not known.

    `refusal` says why it can't be used: CERTIFICATE_AUTHORITY_UNKNOWN, CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID,
    CERTIFICATE_NOT_FOR_SIGNING, CARD_KEY_NOT_SUPPORTED, CARD_KEY_NOT_FOR_SIGNATURES. The server judges anew.
    """

    certificate: TokenCertificate
    authority: str = ""
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class FoundMedium:
    """A card in a reader, a token of a module, or a file. `place` is the reader's, the token's or the file's name.

    Where nothing of it can be used, `refusal` says why and `certificates` is empty. A medium whose certificates can be
    read only after its PIN has no certificates and no refusal. A card with several certificates may be found once for
    each. `medium` opens exactly this one again; None where there is nothing to open. `tries_left` is None where the
    medium does not tell.
    """

    place: str
    medium: TokenMedium | None
    certificates: tuple[FoundCertificate, ...] = ()
    tries_left: int | None = None
    # Whether the tries are counted with other uses of the card, as those of a My Number card.
    tries_are_shared: bool = False
    # Of certificates that can be read after the PIN only: their CA's certificate in DER, where that can be read before.
    issuer: bytes = field(default=b"", repr=False)
    refusal: Refusal | None = None
