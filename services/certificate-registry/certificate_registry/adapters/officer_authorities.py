"""The CAs of officers' certificates, for certificates that the portal hands over and no TLS handshake has checked."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from certificate_registry.pki.certificate import Certificate, parse_certificate
from refusals import Code, Refusal
from servicekit.authorities import AuthorityBundle

_CLIENT_AUTHENTICATION = "1.3.6.1.5.5.7.3.2"
_ANY_USAGE = "2.5.29.37.0"


@dataclass(frozen=True, slots=True)
class OfficerAuthorities:
    """The CAs by which the agency listener checks officers; without a bundle there are none."""

    bundle: AuthorityBundle | None

    async def check(self, certificate: bytes, now: datetime) -> Certificate:
        """Returns a certificate (DER) that the agency listener would take from its holder now.

        One of these CAs has signed it, it is valid, and it may identify a client. Raises OFFICER_CERTIFICATE_INVALID.
        """
        return await asyncio.to_thread(self._check, certificate, now)

    def _check(self, der: bytes, now: datetime) -> Certificate:
        try:
            certificate = parse_certificate(der)
        except Refusal as refusal:
            raise refuse_certificate() from refusal
        usages = certificate.extended_key_usages
        is_for_clients = usages is None or not usages.isdisjoint({_CLIENT_AUTHENTICATION, _ANY_USAGE})
        if certificate.is_authority or not is_for_clients:
            raise refuse_certificate()
        if not certificate.not_before <= now <= certificate.not_after:
            raise refuse_certificate()
        if self.bundle is None or not self.bundle.has_issued(der, now):
            raise refuse_certificate()
        return certificate


def refuse_certificate() -> Refusal:
    """Returns the refusal of a certificate that is none of the officers' CA, or is not valid now."""
    return Refusal("OFFICER_CERTIFICATE_INVALID", Code.PERMISSION_DENIED)
