"""Every reason about certificates, purposes, sessions and bindings has its words, in both languages."""

import re
from pathlib import Path

import certificate_registry.domain
from refusals.catalogue import catalogue

DOMAIN = Path(certificate_registry.domain.__file__).parent
MODULES = (
    *("authorities", "binding", "certificate", "challenge", "path", "purpose", "revocation", "session", "signature"),
    *("strength", "trust"),
)
# Reasons that are put together from a first and a last part.
MADE = {
    *(
        f"PURPOSE_FOR_ANOTHER_{what}"
        for what in ("INSTANCE", "CARD", "TYPE", "OPERATION", "ROLE", "AGENCY", "CATEGORY")
    ),
    *(f"PURPOSE_FOR_ANOTHER_{what}" for what in ("BIDDER", "REQUEST")),
    *(f"CARD_SESSION_FOR_ANOTHER_{what}" for what in ("OPERATION", "AGENCY", "CATEGORY")),
}


def test_every_reason_has_words_in_both_languages() -> None:
    paths = (*(DOMAIN / f"{module}.py" for module in MODULES), DOMAIN.parent / "crl.py")
    sources = [path.read_text("utf-8") for path in paths]
    reasons = set(re.findall(r'Refusal\(\s*"([A-Z_]+)"', "".join(sources))) | MADE
    assert len(reasons) > 40
    words = catalogue()
    assert reasons - set(words) == set()
    for reason in reasons:
        explanation = words[reason]
        assert re.search("[ぁ-ん]", explanation.ja.what), reason
        assert explanation.ja.next, reason
        assert explanation.en.what.isascii(), reason
        assert explanation.en.next, reason
