"""Reading a card's certificate whose names break the rules for a PrintableString."""

import pytest

from card_agent.media.certificate_der import load_certificate


def der(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


def test_extension_without_content_is_a_malformed_certificate() -> None:
    extensions = der(0xA3, der(0x30, der(0x30, b"")))
    signed = der(0x30, b"".join([der(0xA0, b"\x02\x01\x02"), der(0x02, b"\x01"), *[der(0x30, b"")] * 5, extensions]))
    certificate = der(0x30, signed + der(0x30, b"") + der(0x03, b"\x00"))
    with pytest.raises(ValueError, match="extension is incomplete"):
        load_certificate(certificate)
