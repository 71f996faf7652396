"""Which mails were sent and which failed; and that running processes tell nothing of those whom they are for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from sqlalchemy import text

from refusals import Refusal
from tests.support.example_profile import BIDDER, example_profile
from tests.support.in_process import Authority, calling, serving
from tests.support.infrastructure.mailbox import Mailbox, mailbox
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.scrape import Scrape, find_secrets, free_address, read_registry
from tests.support.scraped_process import SECONDS, ScrapedProcess, connect_without_tls, scraped_process
from tests.support.services.contact_notification import (
    CARD_REGISTRY,
    ContactHouse,
    committed,
    contact_house,
    form,
    staging,
)
from toroku.certificate.v1.service_pb2_grpc import add_CertificateRegistryServicer_to_server
from toroku.contact.v1 import service_pb2
from toroku.contact.v1.service_pb2_grpc import ContactNotificationStub

NAME = "contact-notification"
SENT, FAILURES = "toroku_mails_sent_total", "toroku_mail_failures_total"
NONE = {"not_an_address": 0, "refused": 0, "put_off": 0, "unreachable": 0}
TO_CARD, TO_DESK = "card1@contractor.example", "desk@contractor.example"
# What `staging` gives; the mail server repeats the addresses in its answers.
SECRETS = (BIDDER, "株式会社髙﨑建設", "埼玉　太郎", "代表　花子", "contractor.example", "高砂", "048-", "4711")


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[ContactHouse]:
    async with contact_house(migrated_database("contact_notification"), tmp_path, example_profile()) as opened:
        yield opened


async def send(house: ContactHouse) -> None:
    """Tries to send the mail to the card contact."""
    ((mail_id,),) = await house.rows(
        f"SELECT mail_id::text FROM mails JOIN contacts USING (contact_id) WHERE mail_address <> '{TO_DESK}'"  # noqa: S608
    )
    await house.run("send_mail", mail_id=mail_id)


async def test_mails_that_the_server_takes_are_counted(house: ContactHouse) -> None:
    assert read_registry(house.metrics.registry).value(SENT) == 0
    await house.register(staging(1))
    await house.send_all()
    # Nothing is left to be sent.
    await send(house)
    found = read_registry(house.metrics.registry)
    assert found.value(SENT) == 2
    assert found.by_label(FAILURES, "kind") == NONE
    assert found.labels()[FAILURES] == {frozenset({"kind"})}


@pytest.mark.parametrize("step", ["recipient", "data"])
@pytest.mark.parametrize(("reply", "kind"), [("550 5.1.1 <{to}> no such user", "refused"), ("451 <{to}>", "put_off")])
async def test_what_the_server_answers_tells_the_kind_of_failure(
    house: ContactHouse, step: str, reply: str, kind: str
) -> None:
    await house.register(staging(1))
    replies = house.mailbox.recipient_replies[TO_CARD] if step == "recipient" else house.mailbox.data_replies
    replies.append(reply.format(to=TO_CARD))
    if kind == "refused":
        await send(house)
    else:
        with pytest.raises(Refusal, match="MAIL_NOT_TAKEN"):
            await send(house)
    found = read_registry(house.metrics.registry)
    assert found.by_label(FAILURES, "kind") == NONE | {kind: 1}
    assert found.value(SENT) == 0
    assert find_secrets(found.text, SECRETS) == []


async def test_a_server_that_refuses_us_puts_the_mail_off(house: ContactHouse) -> None:
    await house.register(staging(1))
    house.mailbox.sender_replies.append("550 5.7.1 not you")
    with pytest.raises(Refusal, match="MAIL_NOT_TAKEN"):
        await send(house)
    assert read_registry(house.metrics.registry).by_label(FAILURES, "kind") == NONE | {"put_off": 1}


async def test_a_server_that_is_down_is_unreachable(house: ContactHouse) -> None:
    await house.register(staging(1))
    await house.close_mailbox()
    for _ in range(2):
        with pytest.raises(Refusal, match="MAIL_NOT_TAKEN"):
            await send(house)
    assert read_registry(house.metrics.registry).by_label(FAILURES, "kind") == NONE | {"unreachable": 2}


async def test_an_address_that_is_none_is_told_apart(house: ContactHouse) -> None:
    await house.register(staging(1))
    async with house.database.transaction() as connection:
        await connection.execute(
            text("UPDATE contacts SET mail_address = 'a@b@c' WHERE mail_address = :to"), {"to": TO_CARD}
        )
    await send(house)
    assert read_registry(house.metrics.registry).by_label(FAILURES, "kind") == NONE | {"not_an_address": 1}


class RunningService:
    """The service as processes, with its registry of cards and its mail server."""

    def __init__(self, folder: Path, dsn: str, authority: Authority, box: Mailbox, cards_at: str) -> None:
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
            "TOROKU_CERTIFICATE_REGISTRY_ENDPOINT": cards_at,
            "TOROKU_SMTP_HOST": "127.0.0.1",
            "TOROKU_SMTP_PORT": str(box.port),
            "TOROKU_MAIL_SENDER": "no-reply@toroku.example.lg.jp",
        }


async def test_neither_metrics_nor_logs_of_processes_tell_of_anybody(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("contact_notification")
    authority, cards = Authority(tmp_path, "example"), CertificateRegistryPeer()  # type: ignore[abstract]
    services = {CARD_REGISTRY: partial(add_CertificateRegistryServicer_to_server, cards)}
    async with (
        mailbox() as box,
        serving(authority, "certificate-registry", services, instance="example") as cards_at,
    ):
        service = RunningService(tmp_path, dsn, authority, box, cards_at)
        box.recipient_replies[TO_CARD] += [f"451 4.3.0 <{TO_CARD}> busy", f"550 5.1.1 <{TO_CARD}> no such user"]
        async with (
            scraped_process("contact_notification", "serve", service.settings) as server,
            scraped_process("contact_notification", "worker", service.settings) as worker,
            calling(authority.service("front-door"), contact_notification=service.address) as of_front_door,
            calling(authority.service("certificate-registry"), contact_notification=service.address) as of_cards,
        ):
            await server.wait_until_listening(service.address)
            front_door = of_front_door.stub(NAME, ContactNotificationStub)
            request = staging(1)
            await front_door.StageContacts(request)
            event = committed(request)
            cards.register(event)
            await of_cards.stub(NAME, ContactNotificationStub).RecordRegistration(
                service_pb2.RecordRegistrationRequest(event=event)
            )
            await _refused(
                front_door,
                staging(2, representative=False, card_contact=form("埼玉　太郎", telephone="電話 048-999-9999")),
            )
            _break(dsn)
            await _refused(front_door, staging(3, representative=False, card_contact=form("埼玉　太郎")))
            await connect_without_tls(service.address)
            of_worker = await _until_mails_ended(worker)
            of_server = await server.scrape()
            for process in (server, worker):
                await process.stop()
    assert of_worker.value(SENT) == 1
    assert of_worker.by_label(FAILURES, "kind") == NONE | {"put_off": 1, "refused": 1}
    assert {"OK", "FIELDS_INVALID", "INTERNAL_FAILURE"} <= set(of_server.by_label("toroku_calls_total", "outcome"))
    for shown_text in (of_server.text, of_worker.text, server.log_text, worker.log_text):
        assert find_secrets(shown_text, SECRETS) == []
    # What was broken stands in the log all the same, in one object with the trace that the caller was told.
    (failed,) = [record for record in server.log if "exception" in record]
    assert failed["trace_id"] in failed["message"]
    assert "nobody_is_called_so" in failed["exception"]
    assert "Traceback" in failed["exception"]
    assert {record["service"] for record in server.log + worker.log} == {NAME}


async def _refused(front_door: Any, request: service_pb2.StageContactsRequest) -> None:
    with pytest.raises(Refusal):
        await front_door.StageContacts(request)


def _break(dsn: str) -> None:
    """From now on the database refuses contacts, and quotes the whole row."""
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER TABLE contacts ADD CONSTRAINT nobody_is_called_so CHECK (person_name = '') NOT VALID")


async def _until_mails_ended(worker: ScrapedProcess) -> Scrape:
    async with asyncio.timeout(SECONDS):
        while True:
            found = await worker.scrape()
            if found.value(SENT) and found.value(FAILURES, kind="refused"):
                return found
            await asyncio.sleep(0.1)
