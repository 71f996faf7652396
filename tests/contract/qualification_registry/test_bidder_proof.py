"""What a bidder proof states was proven, and which keys may have signed it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from instance_profile.model import Profile
from qualification_registry.domain.proof import STATEMENT_PREFIX
from refusals import Refusal
from servicekit.signed_statement import SigningKey
from tests.support.example_profile import example_profile
from tests.support.services.example_rosters import roster, roster_profile, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from toroku.qualification.v1 import bidder_pb2

BIDDER = "1000000001"
NAME = "株式会社見本建設"
LATIN_BIDDER = "1000000002"
LATIN_NAME = "Ｓａｍｐｌｅ"
FILE = roster(row(BIDDER, NAME), row(LATIN_BIDDER, LATIN_NAME))

SAME = bidder_pb2.COMPANY_COMPARISON_SAME
UNREADABLE = bidder_pb2.COMPANY_COMPARISON_UNREADABLE
DIFFERENT = bidder_pb2.COMPANY_COMPARISON_DIFFERENT


def profile_with(match: str = "off", *, password_required: bool = True) -> Profile:
    """Returns a profile whose agencies compare companies by this rule."""
    text = {"ja": "項目", "en": "field"}
    fields = [
        {"field": field, "label": text, "hint": text, "required": field != "password" or password_required}
        for field in ("name", "bidder_id", "password")
    ]
    agencies = [agency.model_dump() | {"company_match": match} for agency in example_profile().agencies]
    return roster_profile(category={"search_fields": fields}, agencies=agencies)


async def find_proven(
    registry: RunningQualificationRegistry, bidder_id: str, name: str, password: str, on_card: str | None
) -> bidder_pb2.Proven:
    """Returns what the proof of a search states, as its receiver and as the registry itself reads it."""
    proof = (await registry.find(bidder_id, name, password, certificate_company_name=on_card)).proof
    proven = bidder_pb2.BidderStatement.FromString(proof.statement).proven
    assert (await registry.confirm(proof, on_card)).statement.proven == proven
    return proven


@pytest.mark.parametrize(
    ("bidder_id", "name", "on_card", "company"),
    [
        (BIDDER, NAME, "㈱見本建設", SAME),
        (BIDDER, NAME, "別の会社", DIFFERENT),
        (BIDDER, NAME, "有限会社見本建設", DIFFERENT),
        # Two companies may differ in the position of the legal form alone, and CAs confuse it.
        (BIDDER, NAME, "見本建設株式会社", UNREADABLE),
        (BIDDER, NAME, None, UNREADABLE),
        (BIDDER, NAME, "", UNREADABLE),
        (BIDDER, NAME, "・", UNREADABLE),
        (BIDDER, NAME, "Mihon Kensetsu Co., Ltd.", UNREADABLE),
        (BIDDER, NAME, "MIHON KENSETSU KŌGYŌ", UNREADABLE),
        (LATIN_BIDDER, LATIN_NAME, "SAMPLE", SAME),
        (LATIN_BIDDER, LATIN_NAME, "Another", DIFFERENT),
    ],
)
async def test_proof_states_the_company_although_the_agency_does_not_ask_for_it(
    migrated_database: Callable[[str], str],
    tmp_path: Path,
    bidder_id: str,
    name: str,
    on_card: str | None,
    company: "bidder_pb2.CompanyComparison.ValueType",
) -> None:
    dsn = migrated_database("qualification_registry")
    async with running_qualification_registry(dsn, tmp_path, profile_with("off")) as registry:
        await registry.officer.import_roster(FILE)
        password = (await registry.officer.issue(bidder_id))[bidder_id].password
        assert await find_proven(registry, bidder_id, name, password, on_card) == bidder_pb2.Proven(
            password=True, company=company, holder=bidder_pb2.HOLDER_COMPARISON_UNREADABLE
        )


async def test_proof_states_whether_the_password_was_entered_and_right(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    profile = profile_with("required", password_required=False)
    async with running_qualification_registry(dsn, tmp_path, profile) as registry:
        await registry.officer.import_roster(FILE)
        assert not (await find_proven(registry, BIDDER, NAME, "", NAME)).password
        password = (await registry.officer.issue(BIDDER))[BIDDER].password
        assert not (await find_proven(registry, BIDDER, NAME, "", NAME)).password
        assert (await find_proven(registry, BIDDER, NAME, password, NAME)).password
        # A wrong one proves nothing, and is refused although none is required.
        with pytest.raises(Refusal, match="BIDDER_NOT_FOUND"):
            await registry.find(BIDDER, NAME, "wrong123", certificate_company_name=NAME)


async def test_proof_of_the_former_key_is_accepted_while_the_key_is_replaced(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    old, new = (SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX) for _ in range(2))
    async with running_qualification_registry(dsn, tmp_path, proof_key=old) as registry:
        await registry.officer.import_roster(FILE)
        password = (await registry.officer.issue(BIDDER))[BIDDER].password
        proof = (await registry.find(BIDDER, NAME, password)).proof
    async with running_qualification_registry(dsn, tmp_path, proof_key=old, former_keys=[new]) as registry:
        assert (await registry.confirm(proof)).company.bidder_id == BIDDER
    async with running_qualification_registry(dsn, tmp_path, proof_key=new, former_keys=[old]) as registry:
        assert (await registry.confirm(proof)).company.bidder_id == BIDDER
        new_proof = (await registry.find(BIDDER, NAME, password)).proof
        assert new_proof.key_id == new.key_id
    async with running_qualification_registry(dsn, tmp_path, proof_key=new) as registry:
        assert (await registry.confirm(new_proof)).company.bidder_id == BIDDER
        with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
            await registry.confirm(proof)
