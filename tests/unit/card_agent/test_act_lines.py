"""The lines that front doors really compose are shown in one language, whatever stands in their names."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from card_agent.console.words import Words
from card_agent.signing.act_lines import pair_lines
from front_door.domain.act_lines import compose_act_lines
from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import Card
from instance_profile import load_draft
from instance_profile.offers import require_offer

ROOT = Path(__file__).parents[3]
PROFILES = [
    ROOT / "profiles" / "saitama.yaml",
    *sorted((ROOT / "tests" / "unit" / "instance_profile" / "other_systems").glob("*.yaml")),
]
CARD = Card(
    certificate_sha256=bytes(32),
    serial_decimal=str(1 << 157),
    issuer="CN=A: B. C、D。,O=登録：試験,C=JP",
    not_after=datetime(2028, 3, 31, 23, 59, tzinfo=UTC),
    holder_name=None,
    company_name=None,
    encoded=b"",
)
COMPANY = CompanyProfile(bidder_id="1000000001", name="株式会社A. B, C: D。建設", branch="さいたま支店：", encoded=b"")


@pytest.mark.parametrize("file", PROFILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("person", ["", "受付。 花子: A"])
def test_composed_lines_are_half_japanese_and_half_english(file: Path, person: str) -> None:
    # Those of other systems ask for what is not built yet; their lines are composed all the same.
    profile = load_draft(file).profile
    for agency in profile.agencies:
        for category in agency.categories:
            lines = compose_act_lines(profile, require_offer(profile, agency.code, category), CARD, COMPANY, person)
            pairs = pair_lines(lines)
            assert [pair for pair in pairs if not isinstance(pair, Words)] == []
            assert [pair.ja for pair in pairs if isinstance(pair, Words)] == lines[: len(lines) // 2]
