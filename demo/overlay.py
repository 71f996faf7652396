"""How the demo's instance differs from Saitama's: it never closes, and it trusts the demo's card CA."""

from pathlib import Path

from simulators.certificate_authorities import CertificateAuthority
from simulators.instance_overlay import card_authority, write_overlay


def write_demo_overlay(file: Path, card_ca: CertificateAuthority, crl_urls: tuple[str, ...]) -> Path:
    """Writes the overlay. The CA is new for every run; its key exists in memory only."""
    return write_overlay(file, [card_authority(card_ca, crl_urls)])
