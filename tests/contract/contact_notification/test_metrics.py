"""Mails that were sent and that failed are counted; metrics and logs of processes contain no personal data."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from refusals import Refusal
from tests.support.example_profile import BIDDER, example_profile
from tests.support.history import make_key, write_key_file
from tests.support.in_process import Authority, calling, serving
from tests.support.infrastructure.mailbox import Mailbox, mailbox
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.scrape import Scrape, find_secrets, free_address, read_registry
from tests.support.scraped_process import SECONDS, ScrapedProcess, connect_without_tls, scraped_process
from tests.support.services.contact_messages import (
    card_owner,
    card_state,
    contact_form,
    facts_of,
    notice_to_others,
    registration_notice,
    staging_request,
)
from tests.support.services.contact_notification import CARD_REGISTRY, RunningContactNotification
from toroku.certificate.v1.certificate_registry_pb2_grpc import add_CertificateRegistryServicer_to_server
from toroku.contact.v1 import contact_notification_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub

NAME = "contact-notification"
SENT, FAILURES = "toroku_mails_sent_total", "toroku_mail_failures_total"
NONE = {"not_an_address": 0, "refused": 0, "given_up": 0, "put_off": 0, "server_unusable": 0, "secret_unreadable": 0}
TO_CARD, TO_DESK = "card1@contractor.example", "desk@contractor.example"
# The values of `staging_request`; the mail server repeats the addresses in its answers.
SECRETS = (BIDDER, "株式会社髙﨑建設", "埼玉　太郎", "代表　花子", "contractor.example", "高砂", "048-", "4711")


async def send(contacts: RunningContactNotification) -> None:
    """Tries to send the mail to the card contact."""
    ((mail_id,),) = await contacts.rows(
        f"SELECT mail_id::text FROM mails JOIN contacts USING (contact_id) WHERE contacts.mail_address <> '{TO_DESK}'"  # noqa: S608 (constants of this test)
    )
    await contacts.run("send_mail", mail_id=mail_id)


async def test_mails_that_the_server_accepts_are_counted(contacts: RunningContactNotification) -> None:
    assert read_registry(contacts.metrics.registry).value(SENT) == 0
    await contacts.register(staging_request(1))
    await contacts.send_all()
    # This mail was sent already.
    await send(contacts)
    scrape = read_registry(contacts.metrics.registry)
    assert scrape.value(SENT) == 2
    assert scrape.by_label(FAILURES, "kind") == NONE
    assert scrape.labels()[FAILURES] == {frozenset({"kind"})}


@pytest.mark.parametrize("step", ["recipient", "data"])
@pytest.mark.parametrize(("reply", "kind"), [("550 5.1.1 <{to}> no such user", "refused"), ("451 <{to}>", "put_off")])
async def test_failures_are_counted_by_the_kind_of_answer(
    contacts: RunningContactNotification, step: str, reply: str, kind: str
) -> None:
    await contacts.register(staging_request(1))
    replies = contacts.mailbox.recipient_replies[TO_CARD] if step == "recipient" else contacts.mailbox.data_replies
    replies.append(reply.format(to=TO_CARD))
    if kind == "refused":
        await send(contacts)
    else:
        with pytest.raises(Refusal, match="MAIL_NOT_TAKEN"):
            await send(contacts)
    scrape = read_registry(contacts.metrics.registry)
    assert scrape.by_label(FAILURES, "kind") == NONE | {kind: 1}
    assert scrape.value(SENT) == 0
    assert find_secrets(scrape.text, SECRETS) == []


async def test_server_that_refuses_us_is_unusable(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    contacts.mailbox.sender_replies.append("550 5.7.1 not you")
    with pytest.raises(Refusal, match="MAIL_SERVER_UNUSABLE"):
        await send(contacts)
    assert read_registry(contacts.metrics.registry).by_label(FAILURES, "kind") == NONE | {"server_unusable": 1}


async def test_server_that_is_down_is_unusable(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    await contacts.close_mailbox()
    for _ in range(2):
        with pytest.raises(Refusal, match="MAIL_SERVER_UNUSABLE"):
            await send(contacts)
    assert read_registry(contacts.metrics.registry).by_label(FAILURES, "kind") == NONE | {"server_unusable": 2}


async def test_invalid_address_is_counted_separately(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    await contacts.execute("UPDATE contacts SET mail_address = 'a@b@c' WHERE mail_address = :to", to=TO_CARD)
    await send(contacts)
    assert read_registry(contacts.metrics.registry).by_label(FAILURES, "kind") == NONE | {"not_an_address": 1}


class ServiceProcess:
    """Address and settings of the service as processes, with its certificate-registry and mail server."""

    def __init__(self, folder: Path, dsn: str, authority: Authority, box: Mailbox, certificate_registry: str) -> None:
        own = authority.service(NAME)
        profile = folder / "example.yaml"
        profile.write_text(yaml.safe_dump(example_profile().model_dump(mode="json"), allow_unicode=True), "utf-8")
        self.address = free_address()
        self.settings = {
            "TOROKU_PROFILE": str(profile),
            "TOROKU_DATABASE": dsn,
            "TOROKU_CERTIFICATE": str(own.certificate),
            "TOROKU_PRIVATE_KEY": str(own.private_key),
            "TOROKU_SERVICES_CA": str(own.trusted),
            "TOROKU_INTERNAL_LISTEN": self.address,
            "TOROKU_CERTIFICATE_REGISTRY_ENDPOINT": certificate_registry,
            "TOROKU_AGENCY_SYNC_ENDPOINT": certificate_registry,
            "TOROKU_SMTP_HOST": "127.0.0.1",
            "TOROKU_SMTP_PORT": str(box.port),
            "TOROKU_MAIL_SENDER": "no-reply@toroku.example.lg.jp",
        }
        public_key = make_key().public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        act_proof_keys = folder / "act-proof.pub"
        act_proof_keys.write_bytes(public_key)
        self.settings_of_server = {**self.settings, "TOROKU_ACT_PROOF_PUBLIC_KEYS": str(act_proof_keys)}
        key = str(write_key_file(folder))
        self.settings_of_worker = {**self.settings, "TOROKU_HISTORY_KEY": key, "TOROKU_MAILED_SECRET_KEY": key}


async def test_metrics_and_logs_contain_no_personal_data(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("contact_notification")
    authority, cards = Authority(tmp_path, "example"), CertificateRegistryPeer()
    services = {CARD_REGISTRY: partial(add_CertificateRegistryServicer_to_server, cards)}
    async with (
        mailbox() as box,
        serving(authority, "certificate-registry", services, instance="example") as cards_address,
    ):
        service = ServiceProcess(tmp_path, dsn, authority, box, cards_address)
        box.recipient_replies[TO_CARD] += [f"451 4.3.0 <{TO_CARD}> busy", f"550 5.1.1 <{TO_CARD}> no such user"]
        async with (
            scraped_process("contact_notification", "serve", service.settings_of_server) as server,
            scraped_process("contact_notification", "worker", service.settings_of_worker) as worker,
            calling(authority.service("front-door"), contact_notification=service.address) as of_front_door,
            calling(authority.service("certificate-registry"), contact_notification=service.address) as of_cards,
        ):
            await server.wait_until_listening(service.address)
            front_door = of_front_door.stub(NAME, ContactNotificationStub)
            request = staging_request(1)
            await front_door.StageContacts(request)
            state = card_state(request)
            certificate_registry = of_cards.stub(NAME, ContactNotificationStub)
            await certificate_registry.RecordCardStates(
                contact_notification_pb2.RecordCardStatesRequest(card_states=[state])
            )
            # A recipient without a contact is logged by id.
            notices = [registration_notice(facts_of(state)), notice_to_others(facts_of(state), card_owner(9))]
            await certificate_registry.SendNotices(contact_notification_pb2.SendNoticesRequest(notices=notices))
            await _refused(
                front_door,
                staging_request(
                    2, representative=False, card_contact=contact_form("埼玉　太郎", telephone="電話 048-999-9999")
                ),
            )
            _break(dsn)
            await _refused(
                front_door, staging_request(3, representative=False, card_contact=contact_form("埼玉　太郎"))
            )
            await connect_without_tls(service.address)
            of_worker = await _until_mails_ended(worker)
            await _until_sealed(dsn)
            of_server = await server.scrape()
            for process in (server, worker):
                await process.stop()
    assert of_worker.value(SENT) == 1
    assert "toroku_history_oldest_unsealed_seconds" in of_worker.samples
    assert of_worker.by_label(FAILURES, "kind") == NONE | {"put_off": 1, "refused": 1}
    assert {"OK", "FIELDS_INVALID", "INTERNAL_FAILURE"} <= set(of_server.by_label("toroku_calls_total", "outcome"))
    for shown_text in (of_server.text, of_worker.text, server.log_text, worker.log_text):
        assert find_secrets(shown_text, SECRETS) == []
    # The log contains the failure all the same, in one object with the trace id that the caller got.
    (failed,) = [record for record in server.log if "exception" in record]
    assert failed["trace_id"] in failed["message"]
    assert "no_person_has_a_name" in failed["exception"]
    assert "Traceback" in failed["exception"]
    assert {record["service"] for record in server.log + worker.log} == {NAME}


async def _refused(front_door: Any, request: contact_notification_pb2.StageContactsRequest) -> None:
    with pytest.raises(Refusal):
        await front_door.StageContacts(request)


def _break(dsn: str) -> None:
    """Makes the database refuse every contact, with an error that quotes the whole row."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "ALTER TABLE contacts ADD CONSTRAINT no_person_has_a_name CHECK (person_name = '') NOT VALID"
        )


async def _until_sealed(dsn: str) -> None:
    """Waits until the worker has sealed the one entry that the server wrote."""
    async with asyncio.timeout(SECONDS), await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while True:
            positions = await (await connection.execute("SELECT last_position FROM history_head")).fetchall()
            if positions:
                assert positions == [(1,)]
                return
            await asyncio.sleep(0.1)


async def _until_mails_ended(worker: ScrapedProcess) -> Scrape:
    async with asyncio.timeout(SECONDS):
        while True:
            scrape = await worker.scrape()
            if scrape.value(SENT) and scrape.value(FAILURES, kind="refused"):
                return scrape
            await asyncio.sleep(0.1)
