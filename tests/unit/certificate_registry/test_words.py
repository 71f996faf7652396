"""Every refusal of certificate-registry has an explanation and a next step, in both languages."""

import re

from refusals.catalogue import catalogue
from tools.reasons_in_sources import raised


def test_every_reason_has_words_in_both_languages() -> None:
    reasons = {reason for reason, parts in raised().items() if "certificate-registry" in parts}
    assert len(reasons) > 60
    words = catalogue()
    assert reasons - set(words) == set()
    for reason in reasons:
        explanation = words[reason]
        assert re.search("[ぁ-ん]", explanation.ja.what), reason
        assert explanation.ja.next, reason
        assert explanation.en.what.isascii(), reason
        assert explanation.en.next, reason
