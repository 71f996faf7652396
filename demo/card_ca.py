"""The demo's card CA, and the overlay by which an instance trusts it and never closes."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.certificate_authorities import CertificateAuthority
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority, write_overlay


@dataclass(frozen=True, slots=True)
class CardCa:
    """A CA that issues cards, and the addresses of its list of revoked certificates and its root's."""

    authority: CertificateAuthority
    crl_urls: tuple[str, ...]

    def write_overlay(self, file: Path, changes: Mapping[str, Any] | None = None) -> Path:
        """Writes the overlay of an instance that trusts this CA and never closes, with `changes` to other keys."""
        return write_overlay(file, [card_authority(self.authority, self.crl_urls)], **(changes or {}))


@contextmanager
def running_card_ca() -> Iterator[CardCa]:
    """Makes a CA below a root, and serves their lists on loopback until the block ends; the keys stay in memory."""
    root = CertificateAuthority.create("Toroku Demo CA")
    authority = CertificateAuthority.create("Toroku Demo Issuing CA", parent=root)
    with ExitStack() as stack:
        lists = (stack.enter_context(crl_server(authority.crl)), stack.enter_context(crl_server(root.crl)))
        yield CardCa(authority, lists)
