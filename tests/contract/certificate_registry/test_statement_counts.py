"""How many statements the work takes that registrations cause, and that they do not grow with what it is about."""

from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.example_profile import CITY, TOWN, VILLAGE
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.statements import counted_statements
from toroku.certificate.v1 import certificate_registry_pb2
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import bidder_state_pb2

Answer = certificate_registry_pb2.GetOutcomeResponse


async def test_notices_are_handed_over_with_two_statements(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    await registry.register_new()
    await registry.seal()
    ids = [str(row[0]) for row in await registry.rows("SELECT notice_id FROM notice")]
    with counted_statements() as statements:
        await registry.run_task("send_notices", notice_ids=ids)
    assert len(statements) == 2
    with counted_statements() as statements:
        await registry.run_task("send_notices", notice_ids=ids)
    assert len(statements) == 1
    assert len(registry.contact_notification.notices) == 4


async def test_card_state_is_delivered_with_one_statement(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    cards = await registry.rows("SELECT encode(certificate_sha256, 'hex'), category FROM card_state")
    with counted_statements() as statements:
        await registry.run_task("deliver_card_state", consumer="agency-sync", cards=cards)
    assert len(statements) == 1


async def test_outcome_is_reported_with_four_statements(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    with counted_statements() as statements:
        assert (await registry.outcome(visit)).outcome == Answer.OUTCOME_REGISTERED
    # What was asked for, what it made, the card's state, and whether the entry is sealed.
    assert len(statements) == 4
    other = Visit(visit.card)
    with counted_statements() as statements:
        assert (await registry.outcome(other, abandon=True)).outcome == Answer.OUTCOME_ABANDONED
    assert len(statements) == 1


async def test_fetch_takes_three_statements_while_nothing_is_due(registry: RunningCertificateRegistry) -> None:
    with counted_statements() as statements:
        await registry.run_task("fetch_crls")
    assert len(statements) == 3


async def test_fetched_list_is_not_read_from_the_database_again(registry: RunningCertificateRegistry) -> None:
    registry.ca.revoke((await registry.register_new())[0].card)
    with counted_statements() as statements:
        await registry.fetch_lists()
    assert await registry.rows("SELECT count(*) FROM card WHERE revoked_at IS NOT NULL") == [(1,)]
    assert not [statement for statement in statements if "crl.der" in statement]


async def test_propagation_takes_as_many_statements_for_many_cards_and_agencies_as_for_one(
    registry: RunningCertificateRegistry,
) -> None:
    ids = [(await registry.register_new())[1].registration_id for _ in range(3)]
    counts = []
    for agencies, sources in (((CITY,), ids[:1]), ((TOWN, VILLAGE), ids), ((CITY, TOWN), ids)):
        with counted_statements() as statements:
            assert len(await registry.propagate(dict.fromkeys(agencies, sources))) == len(agencies) * len(sources)
        counts.append(len(statements))
    # The cards, their registrations and states, the history, the jobs; and what was registered before, if anything was.
    assert counts == [4, 4, 5]


async def test_known_path_is_held_with_one_statement_at_a_log_in(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    with counted_statements() as statements:
        await registry.log_in(Visit(visit.card, agency=CITY))
    about_paths = [one for one in statements if "INSERT INTO trust_path" in one or "FOR SHARE" in one]
    assert len(about_paths) == 1


async def test_terms_of_500_bidders_at_sixty_agencies_are_taken_with_one_statement(
    registry: RunningCertificateRegistry,
) -> None:
    agencies = [f"agency-{number:02}" for number in range(60)]
    states = [
        bidder_state_pb2.BidderState(
            bidder_id=str(number),
            category="works",
            version=Version(epoch=1, number=1),
            status=bidder_state_pb2.BIDDER_STATUS_ACTIVE,
            qualified=[
                bidder_state_pb2.QualifiedPeriod(agencies=agencies, qualified_until=Timestamp(seconds=2_000_000_000)),
                bidder_state_pb2.QualifiedPeriod(agencies=agencies, qualified_from=Timestamp(seconds=2_000_000_000)),
            ],
        )
        for number in range(500)
    ]
    request = certificate_registry_pb2.RecordBidderStatesRequest(bidder_states=states)
    with counted_statements() as statements:
        await registry.callers["qualification-registry"].RecordBidderStates(request)
    assert len(statements) == 1
    assert await registry.rows("SELECT count(*) FROM bidder_state") == [(500,)]
