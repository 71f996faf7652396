"""What the demo's instance says otherwise than Saitama: it never closes, and it trusts the demo's card CA."""

from pathlib import Path

from simulators.certificate_authorities import CertificateAuthority
from simulators.instance_overlay import card_authority, write_overlay


def write_demo_overlay(file: Path, card_ca: CertificateAuthority, crl_urls: tuple[str, ...]) -> Path:
    """Writes the overlay; the CA is a new one at every run, and its key is nowhere but in memory."""
    return write_overlay(file, [card_authority(card_ca, crl_urls)])
