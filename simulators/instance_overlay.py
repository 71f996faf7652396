"""The overlay of an instance that trusts a test CA and never closes."""

from pathlib import Path
from typing import Any

import yaml

from simulators.certificate_authorities import CertificateAuthority

NEVER_CLOSED = {
    "opens": "00:00",
    "closes": "24:00",
    "weekdays": [0, 1, 2, 3, 4, 5, 6],
    "closed_on_public_holidays": False,
    "year_end": None,
}


def card_authority(issuer: CertificateAuthority, crl_urls: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns a profile's entry for a CA: its root is pinned by key, its lists are fetched from `crl_urls`."""
    chain = [issuer]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    return {
        "id": "test-ca",
        "name": {"ja": "登録試験認証局", "en": "Toroku Test CA"},
        "key_sha256": [chain[-1].key_sha256],
        "certificates": [authority.pem for authority in chain],
        "revocation": {"crl_urls": list(crl_urls)},
    }


def write_overlay(file: Path, authorities: list[dict[str, Any]], **changes: Any) -> Path:
    """Writes an overlay with these CAs, opening hours around the clock, and `changes` to other keys of the profile."""
    content = {"opening_hours": NEVER_CLOSED, "card_authorities": authorities} | changes
    file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    return file
