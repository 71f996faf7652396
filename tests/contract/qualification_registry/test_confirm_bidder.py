"""A bidder proof lives as long as a card session may; before a commit everything that can change is checked again."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from instance_profile.model import Profile
from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.domain.proof import STATEMENT_PREFIX
from refusals import Refusal
from servicekit.signed_statement import SigningKey
from tests.support.example_profile import example_profile
from tests.support.services.example_rosters import roster, roster_profile, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from toroku.qualification.v1 import bidder_pb2

BIDDER = "1000000001"
OTHER = "1000000002"
NAME = "株式会社見本建設"
FILE = roster(row(BIDDER, NAME), row(OTHER, "有限会社例示工務店"))


def profile_of(*, company_match: str = "off", **password: bool) -> Profile:
    """Returns a profile whose agencies compare companies by this rule, with changes of its rule of passwords."""
    example = example_profile()
    agencies = [agency.model_dump() | {"company_match": company_match} for agency in example.agencies]
    return roster_profile(agencies=agencies, password=example.password.model_dump() | password)


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    profile = profile_of(company_match="required", no_registration_on_the_day_of_change=False)
    dsn = migrated_database("qualification_registry")
    async with running_qualification_registry(dsn, tmp_path, profile) as running:
        await running.officer.import_roster(FILE)
        yield running


async def search(registry: RunningQualificationRegistry) -> bidder_pb2.BidderProof:
    """Returns the proof of a search with a new password."""
    password = (await registry.officer.issue(BIDDER))[BIDDER].password
    return (await registry.find(BIDDER, NAME, password, certificate_company_name=NAME)).proof


async def refusal_of(
    registry: RunningQualificationRegistry, proof: bidder_pb2.BidderProof, on_card: str | None = NAME
) -> str:
    """Returns the reason why a proof is not confirmed."""
    with pytest.raises(Refusal) as caught:
        await registry.confirm(proof, on_card)
    return caught.value.reason


@pytest.mark.requirement("QUA-07")
async def test_confirmed_company_is_that_of_the_current_roster(registry: RunningQualificationRegistry) -> None:
    proof = await search(registry)
    await registry.officer.import_roster(roster(row(BIDDER, NAME, address="例示県新住所", grade="B")))
    answer = await registry.confirm(proof, NAME)
    assert (answer.company.address, answer.company.grades[0].grade) == ("例示県新住所", "B")


async def test_proof_is_confirmed_for_an_hour_and_not_prolonged(registry: RunningQualificationRegistry) -> None:
    proof = await search(registry)
    stated = bidder_pb2.BidderStatement.FromString(proof.statement)
    registry.pass_time(timedelta(minutes=59, seconds=59))
    answer = await registry.confirm(proof, NAME)
    assert bidder_pb2.BidderStatement.FromString(answer.proof.statement) == answer.statement
    assert answer.statement.issued_at.ToDatetime(UTC) == registry.now[0]
    answer.statement.issued_at.CopyFrom(stated.issued_at)
    assert answer.statement == stated
    registry.pass_time(timedelta(seconds=1))
    for known in (proof, answer.proof):
        assert await refusal_of(registry, known) == "BIDDER_PROOF_EXPIRED"


async def test_bidder_that_left_the_roster_is_refused(registry: RunningQualificationRegistry) -> None:
    proof = await search(registry)
    await registry.officer.import_roster(roster(row(BIDDER, NAME, agencies="例示市"), row(OTHER, "有限会社例示工務店")))
    assert await refusal_of(registry, proof) == "BIDDER_NOT_QUALIFIED"
    await registry.officer.import_roster(FILE)
    await registry.confirm(proof, NAME)


@pytest.mark.parametrize(
    ("status", "reason"), [(BidderStatus.SUSPENDED, "BIDDER_SUSPENDED"), (BidderStatus.ENDED, "BIDDER_ENDED")]
)
async def test_stopped_bidder_is_refused(
    registry: RunningQualificationRegistry, status: BidderStatus, reason: str
) -> None:
    proof = await search(registry)
    await registry.change_status(BIDDER, status)
    assert await refusal_of(registry, proof) == reason


@pytest.mark.requirement("QUA-09")
async def test_password_that_was_issued_anew_has_to_be_entered(registry: RunningQualificationRegistry) -> None:
    proof = await search(registry)
    registry.pass_time(timedelta(seconds=1))
    await registry.officer.issue(BIDDER, reissue=True)
    assert await refusal_of(registry, proof) == "PASSWORD_CHANGED_SINCE_SEARCH"


@pytest.mark.requirement("QUA-09")
async def test_password_that_was_changed_today_is_refused(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    async with running_qualification_registry(dsn, tmp_path, profile_of()) as registry:
        await registry.officer.import_roster(FILE)
        proof = await search(registry)
        await registry.confirm(proof)
        await registry.officer.issue(BIDDER, reissue=True)
        assert await refusal_of(registry, proof) == "PASSWORD_CHANGED_TODAY"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("株式会社新見本建設", "COMPANY_DIFFERS_FROM_CARD"), ("見本建設株式会社", "COMPANY_NEEDS_OFFICER")],
)
async def test_company_is_compared_with_the_new_roster(
    registry: RunningQualificationRegistry, name: str, reason: str
) -> None:
    proof = await search(registry)
    await registry.officer.import_roster(roster(row(BIDDER, name), row(OTHER, "有限会社例示工務店")))
    assert await refusal_of(registry, proof) == reason
    assert (await registry.confirm(proof, name)).statement.proven.company == bidder_pb2.COMPANY_COMPARISON_SAME


async def test_forged_proof_is_refused(registry: RunningQualificationRegistry) -> None:
    proof = await search(registry)
    statement = bidder_pb2.BidderStatement.FromString(proof.statement)
    statement.bidder_id = OTHER
    altered = bidder_pb2.BidderProof(
        statement=statement.SerializeToString(), key_id=proof.key_id, signature=proof.signature
    )
    stranger = SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX).sign(proof.statement)
    forged = bidder_pb2.BidderProof(statement=stranger.statement, key_id=stranger.key_id, signature=stranger.signature)
    nameless = bidder_pb2.BidderProof(statement=stranger.statement, key_id=proof.key_id, signature=stranger.signature)
    elsewhere = bidder_pb2.BidderStatement.FromString(proof.statement)
    elsewhere.instance = "another"
    signed = registry.proof_key.sign(elsewhere.SerializeToString())
    of_another = bidder_pb2.BidderProof(statement=signed.statement, key_id=signed.key_id, signature=signed.signature)
    for wrong in (altered, forged, nameless, of_another, bidder_pb2.BidderProof()):
        assert await refusal_of(registry, wrong) == "BIDDER_PROOF_INVALID"
