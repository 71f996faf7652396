"""変更: what is registered, the check of a change, and its commit by a proven act (CHG-01, CHG-05)."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contact_notification.domain.act_proof import STATEMENT_PREFIX
from history.receipt import read_receipt, verify_receipt
from refusals import Refusal
from servicekit.messages import read_timestamp
from servicekit.signed_statement import SigningKey
from tests.support.example_profile import CITY, OTHER_BIDDER, PREFECTURE, VILLAGE, WORKS, example_profile
from tests.support.history import seal_all
from tests.support.services.contact_change import COMPANY, Change, register_at
from tests.support.services.contact_messages import MORNING
from tests.support.services.contact_notification import RunningContactNotification, running_contact_notification


async def begin(contacts: RunningContactNotification, **typed: dict[str, str]) -> Change:
    """Registers a card and types a change of its contacts."""
    await register_at(contacts)
    change = Change(contacts=contacts)
    await change.type_over(**typed or {"card": {"telephone": "048-111-1111"}})
    return change


async def refusal_of(awaitable: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await awaitable
    return caught.value


@pytest.mark.requirement("CHG-05")
async def test_registered_contacts_are_shown_in_their_newest_versions(contacts: RunningContactNotification) -> None:
    request = await register_at(contacts)
    registered = await Change(contacts=contacts).look()
    assert registered.card_contact.contact == request.card_contact.contact
    assert registered.representative_contact.contact == request.representative_contact.contact
    for version in (registered.card_contact, registered.representative_contact):
        assert version.version == 1
        assert version.brought_by == request.certificate_sha256
        assert read_timestamp(version.counts_from) == MORNING
    assert not registered.agencies_with_earlier_contacts


async def test_nothing_is_registered_for_another_card_or_bidder(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    other_card = await Change(contacts=contacts, number=2).look()
    assert not other_card.HasField("card_contact")
    assert other_card.HasField("representative_contact")
    other_bidder = await Change(contacts=contacts, bidder_id=OTHER_BIDDER).look()
    assert not other_bidder.HasField("representative_contact")
    assert not other_bidder.HasField("card_contact")
    assert (await refusal_of(Change(contacts=contacts, category="x").look())).reason == "CATEGORY_UNKNOWN"


@pytest.mark.requirement("CHG-01")
async def test_check_names_the_fields_that_change(contacts: RunningContactNotification) -> None:
    change = await begin(contacts, card={"telephone": "048-111-1111", "fax": ""}, representative={"department": "部"})
    assert (await refusal_of(change.check())).violations[0].field == "card_contact.fax"
    change.typed.card_contact.contact.fax = "048-000-0001"
    checked = await change.check()
    assert [*checked.changed_fields] == ["card_contact.telephone", "representative_contact.department"]
    assert checked.card_contact.contact.telephone == "048-000-0000"
    assert checked.representative_contact.version == 1


async def test_change_without_a_difference_is_refused(contacts: RunningContactNotification) -> None:
    change = await begin(contacts, card={}, representative={})
    assert (await refusal_of(change.check())).reason == "NOTHING_CHANGED"
    assert (await refusal_of(change.commit())).reason == "NOTHING_CHANGED"
    change.typed.Clear()
    assert (await refusal_of(change.check())).reason == "NOTHING_CHANGED"
    assert await contacts.rows("SELECT count(*) FROM contact_versions") == [(2,)]
    assert await contacts.rows("SELECT count(*) FROM contact_changes") == [(0,)]


async def test_change_of_what_is_not_registered_is_refused(contacts: RunningContactNotification) -> None:
    change = await begin(contacts)
    change.bidder_id = OTHER_BIDDER
    assert (await refusal_of(change.check())).reason == "CONTACT_NOT_FOUND"
    change.agency = "x"
    assert (await refusal_of(change.check())).reason == "AGENCY_UNKNOWN"
    change.agency, change.category = VILLAGE, "goods"
    assert (await refusal_of(change.check())).reason == "CATEGORY_NOT_OFFERED"


@pytest.mark.requirement("CHG-01")
async def test_commit_makes_new_versions_and_returns_the_receipt(contacts: RunningContactNotification) -> None:
    change = await begin(
        contacts, card={"telephone": "048-111-1111"}, representative={"mail_address": "new@contractor.example"}
    )
    contacts.pass_time(timedelta(minutes=5))
    committed = await change.commit()
    assert [*committed.changed_fields] == ["card_contact.telephone", "representative_contact.mail_address"]
    assert committed.card_contact == change.typed.card_contact.contact
    assert committed.representative_contact == change.typed.representative_contact.contact
    assert (committed.agency, committed.category, committed.bidder_id) == (PREFECTURE, WORKS, change.bidder_id)
    assert committed.company == COMPANY
    assert committed.propagate
    assert committed.request_sha256 == sha256(change.write_form()).digest()
    assert read_timestamp(committed.counts_from) == MORNING + timedelta(minutes=5)
    registered = await change.look()
    assert (registered.card_contact.version, registered.representative_contact.version) == (2, 2)
    assert registered.card_contact.contact == committed.card_contact
    assert registered.card_contact.brought_by == change.card
    assert await contacts.representative() == committed.representative_contact


async def test_section_that_stays_as_it_is_gets_no_version(contacts: RunningContactNotification) -> None:
    change = await begin(contacts, card={"telephone": "048-111-1111"}, representative={})
    await change.commit()
    registered = await change.look()
    assert (registered.card_contact.version, registered.representative_contact.version) == (2, 1)


async def test_first_representative_contact_can_be_given_by_a_change(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = example_profile(category={"representative_contact": "shown"})
    async with running_contact_notification(migrated_database("contact_notification"), tmp_path, profile) as contacts:
        await give_first_representative_contact(contacts)


async def give_first_representative_contact(contacts: RunningContactNotification) -> None:
    await register_at(contacts, representative=False)
    change = Change(contacts=contacts)
    await change.type_over(
        representative={
            "department": "総務部",
            "postal_code": "330-9301",
            "address": "さいたま市",
            "person_name": "総務　一郎",
            "telephone": "048-000-0000",
            "fax": "048-000-0001",
            "mail_address": "first@contractor.example",
        }
    )
    committed = await change.commit()
    assert len(committed.changed_fields) == 7
    assert (await change.look()).representative_contact.version == 1


async def test_same_request_has_one_outcome_also_after_its_proof_ran_out(contacts: RunningContactNotification) -> None:
    change = await begin(contacts)
    first = await change.commit()
    request = change.write_request()
    contacts.pass_time(timedelta(minutes=2))
    repeated = await contacts.from_front_door.CommitChange(request)
    assert repeated.change == first
    assert await change.read() == first
    assert await contacts.rows("SELECT max(version) FROM contact_versions") == [(2,)]
    assert await contacts.rows("SELECT count(*) FROM notices WHERE kind = 'change'") == [(1,)]


async def test_other_content_under_the_same_request_id_is_refused(contacts: RunningContactNotification) -> None:
    change = await begin(contacts)
    await change.commit()
    await change.type_over(card={"telephone": "048-222-2222"})
    assert (await refusal_of(change.commit())).reason == "REQUEST_ID_REUSED"


async def test_same_request_twice_at_once_changes_once(contacts: RunningContactNotification) -> None:
    change = await begin(contacts)
    first, *others = await asyncio.gather(*(change.commit() for _ in range(5)))
    assert all(other == first for other in others)
    assert await contacts.rows("SELECT max(version) FROM contact_versions") == [(2,)]


async def test_second_of_two_people_is_told_what_changed_and_by_whom(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await register_at(contacts, 2, representative=False)
    first, second = Change(contacts=contacts), Change(contacts=contacts, number=2)
    await first.type_over(representative={"telephone": "048-111-1111"})
    await second.type_over(representative={"telephone": "048-222-2222"}, card={"fax": "048-222-2222"})
    contacts.pass_time(timedelta(minutes=5))
    await first.commit()
    for attempt in (second.check, second.commit):
        refusal = await refusal_of(attempt())
        assert refusal.reason == "CONTACT_CHANGED_MEANWHILE"
        assert refusal.metadata["section"] == "representative_contact"
        assert refusal.metadata["changed_by"] == "another_card"
        assert refusal.metadata["changed_at"] == (MORNING + timedelta(minutes=5)).isoformat()
    # Nothing of the second one was written, also not of what nobody else changed.
    assert (await second.look()).card_contact.version == 1
    await second.type_over(representative={"telephone": "048-222-2222"}, card={"fax": "048-222-2222"})
    await second.commit()
    own = Change(contacts=contacts, number=2, typed=second.typed)
    own.typed.card_contact.contact.fax = "048-333-3333"
    own.typed.ClearField("representative_contact")
    assert (await refusal_of(own.commit())).metadata["changed_by"] == "this_card"


async def test_of_several_people_at_once_one_changes(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    changes = [Change(contacts=contacts) for _ in range(6)]
    for number, change in enumerate(changes):
        typed = {"telephone": f"048-111-111{number}"}
        await change.type_over(card=typed, representative=typed)
    outcomes = await asyncio.gather(*(change.commit() for change in changes), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [getattr(refusal, "reason", refusal) for refusal in refused] == ["CONTACT_CHANGED_MEANWHILE"] * 5
    registered = await changes[0].look()
    assert (registered.card_contact.version, registered.representative_contact.version) == (2, 2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instance": "another"}, "ACT_PROOF_INVALID"),
        ({"operation": "renewal"}, "ACT_PROOF_INVALID"),
        ({"purpose_sha256": b"x" * 32}, "ACT_PROOF_INVALID"),
        ({"certificate_sha256": b"x"}, "ACT_PROOF_INVALID"),
        ({"request_id": "x"}, "ACT_PROOF_INVALID"),
        ({"certificate_sha256": b"x" * 32}, "REQUEST_SHA256_INVALID"),
        ({"agency": CITY}, "REQUEST_SHA256_INVALID"),
        ({"category": "goods"}, "REQUEST_SHA256_INVALID"),
        ({"bidder_id": OTHER_BIDDER}, "REQUEST_SHA256_INVALID"),
        ({"request_id": str(uuid4())}, "REQUEST_SHA256_INVALID"),
        ({"request_sha256": b"x" * 32}, "REQUEST_SHA256_INVALID"),
        ({"form": b"{}"}, "REQUEST_SHA256_INVALID"),
        ({"form": b"\xff"}, "REQUEST_SHA256_INVALID"),
        ({"form": b"[" * 16_000}, "REQUEST_SHA256_INVALID"),
        ({"form": b" " * 17_000}, "REQUEST_SHA256_INVALID"),
        ({"proven_at": MORNING - timedelta(minutes=1)}, "ACT_PROOF_EXPIRED"),
        ({"proven_at": MORNING + timedelta(minutes=2)}, "ACT_PROOF_INVALID"),
    ],
)
async def test_change_without_a_proof_of_its_own_is_refused(
    contacts: RunningContactNotification, changes: dict[str, Any], reason: str
) -> None:
    change = await begin(contacts)
    assert (await refusal_of(change.commit(**changes))).reason == reason
    assert await contacts.rows("SELECT max(version) FROM contact_versions") == [(1,)]


async def test_forged_proof_is_refused(contacts: RunningContactNotification) -> None:
    change = await begin(contacts)
    request = change.write_request()
    forged = SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX).sign(request.proof.statement)
    request.proof.key_id, request.proof.signature = forged.key_id, forged.signature
    assert (await refusal_of(contacts.from_front_door.CommitChange(request))).reason == "ACT_PROOF_INVALID"


async def test_unknown_change_has_no_receipt(contacts: RunningContactNotification) -> None:
    change = Change(contacts=contacts)
    assert (await refusal_of(change.read())).reason == "CHANGE_NOT_FOUND"
    change.request_id = "x"
    assert (await refusal_of(change.read())).reason == "REQUEST_ID_INVALID"


async def test_change_is_in_the_history_with_the_signed_act(contacts: RunningContactNotification) -> None:
    change = await begin(contacts)
    committed = await change.commit()
    assert committed.history_receipt == ""
    [entry] = await contacts.find_history(change.request_id)
    assert entry.what == "contacts changed"
    assert entry.who == f"card {change.card.hex()}"
    assert entry.digest == committed.history_digest
    assert entry.details is not None
    for part in ("048-000-0000", "048-111-1111", '"algorithm":"ECDSA_SHA256"', '"purpose"', '"propagate":true'):
        assert part in entry.details
    await seal_all(contacts.database, contacts.history_key, contacts.chain)
    receipt = read_receipt((await change.read()).history_receipt)
    keys = {contacts.history_key.key_id: contacts.history_key.public_key}
    verify_receipt(receipt, keys, entry=committed.history_digest)
    assert await contacts.verify_history() == []
