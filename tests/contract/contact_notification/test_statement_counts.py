"""How many statements each step of a registration sends to the database, beside BEGIN and COMMIT."""

import pytest

from tests.support.services.contact_messages import (
    add_propagated,
    card_state,
    facts_of,
    notice_to_others,
    registration_notice,
    staging_request,
)
from tests.support.services.contact_notification import RunningContactNotification
from tests.support.statements import counted_statements
from toroku.contact.v1 import contact_notification_pb2


@pytest.mark.parametrize("comes_first", ["state", "notices"])
async def test_registration_takes_few_statements(contacts: RunningContactNotification, comes_first: str) -> None:
    request = staging_request(1)
    with counted_statements() as to_stage:
        await contacts.stage(request)
    with counted_statements() as to_show:
        await contacts.staged(request)
    state = card_state(request)
    contacts.commit(state)
    facts = facts_of(state)
    both = registration_notice(facts), notice_to_others(facts)
    with counted_statements() as to_record:
        if comes_first == "state":
            await contacts.record(state)
            await contacts.notify_together(*both)
        else:
            await contacts.notify_together(*both)
            await contacts.record(state)
    propagated = card_state(request, number=2)
    propagated.registrations[0].registration_id = state.registrations[0].registration_id
    add_propagated(propagated, "city")
    with counted_statements() as to_record_again:
        await contacts.record(propagated)
    with counted_statements() as to_send:
        await contacts.send_all()
    assert len(contacts.mailbox.mails) == 2
    # The state's, what makes contacts active, the job that tells of them, and the entry of the history; then the
    # notices with their mails and jobs.
    assert (len(to_stage), len(to_show), len(to_record), len(to_record_again)) == (2, 1, 7 + 5, 1)
    assert len(to_send) == 1 + 2 * 2, "one lists the mails for this test"


async def test_registration_without_a_representative_contact_is_shown_with_the_bidders(
    contacts: RunningContactNotification,
) -> None:
    await contacts.register(staging_request(1))
    second = staging_request(2, representative=False)
    await contacts.register(second)
    shown: contact_notification_pb2.GetStagedContactsResponse = await contacts.staged(second)
    assert shown.representative_contact.mail_address == "desk@contractor.example"
    assert shown.card_contact.mail_address == "card2@contractor.example"


async def test_state_whose_contacts_could_not_become_active_is_completed_by_its_repetition(
    contacts: RunningContactNotification,
) -> None:
    """As where the process died between the two: the state is kept already, and its version no higher."""
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    contacts.commit(state)
    await contacts.execute(
        "INSERT INTO card_states (certificate_sha256, category, bidder_id, agencies, version_epoch, version_number) "
        "VALUES (:card, :category, :bidder, ARRAY['city'], 1, 1)",
        card=state.certificate_sha256,
        category=state.category,
        bidder=state.bidder_id,
    )
    await contacts.record(state)
    assert await contacts.rows("SELECT state FROM staged_registrations") == [("active",)]
    assert await contacts.representative() is not None
