"""Kill -9 of the agent at any call of a change and of a renewal: the same command again ends with one receipt."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml
from google.protobuf.json_format import MessageToDict

from tests.support.changing_contractor import ChangingContractor
from tests.support.contractor import Contractor
from tests.support.interruption import count_rows
from tests.support.killing_proxy import At, KillingProxy, Moment, killing_proxy
from tests.support.registered_contractor import mailbox_of
from tests.support.renewing_contractor import RenewingContractor
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1 import user_lookup_pb2
from toroku.contact.v1 import contact_pb2

GOOD = user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD
REPLACED = user_lookup_pb2.ResolveUserResponse.VERDICT_CARD_REPLACED
PASSWORD = "246810"
# Seconds for one run of the command.
MOST_SECONDS = 60.0
# All calls of a run, in order.
CHANGE_CALLS = [
    "DescribeInstance",
    "BeginChange",
    "OpenChangeSession",
    "GetRegistered",
    "PrepareChange",
    "PrepareChange",
    "SubmitChange",
    "EndSession",
]
RENEWAL_CALLS = [
    "DescribeInstance",
    "BeginRenewal",
    "OpenRenewalSession",
    "PrepareSuccession",
    "BeginRenewal",
    "OpenRenewalSession",
    "PrepareRenewal",
    "PrepareRenewal",
    "Renew",
    "EndSession",
    "EndSession",
]


def every_moment(calls: list[str]) -> list[At]:
    times = [calls[: number + 1].count(method) for number, method in enumerate(calls)]
    return [At(method, moment, time) for method, time in zip(calls, times, strict=True) for moment in Moment]


def name_moment(at: At) -> str:
    return f"{at.method}-{at.times}-{at.moment.name.lower()}"


@dataclass(slots=True)
class Desk:
    """A contractor's desk: a folder with the files of the command, which calls the front door through the proxy."""

    instance: RunningInstance
    proxy: KillingProxy
    folder: Path

    def fill(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            (self.folder / name).write_bytes(content)

    async def run(self, command: str, *options: str) -> int:
        """Runs the command to its end, or until it is killed; returns its status."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "card_agent", command, "--yes", "--language", "ja", *options),
            *("--endpoint", self.proxy.address),
            *("--trust", str(self.instance.launched.certificates.public.authority)),
            *("--state-directory", "state", "--form", "form.yaml", "--receipt", "receipt.txt"),
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        )
        self.proxy.victim = process.pid
        async with asyncio.timeout(MOST_SECONDS):
            _, errors = await process.communicate()
        assert process.returncode is not None
        assert process.returncode in (0, -signal.SIGKILL), errors.decode()
        return process.returncode

    async def run_killed_and_again(self, at: At, command: str, *options: str) -> None:
        self.proxy.at = at
        await self.run(command, *options)
        assert self.proxy.is_killed.is_set()
        assert await self.run(command, *options) == 0

    @property
    def receipt(self) -> str:
        return (self.folder / "receipt.txt").read_text("utf-8")

    @property
    def unfinished(self) -> list[Path]:
        return list((self.folder / "state").glob("*.json"))


def write_form(contractor: Contractor, **further: object) -> bytes:
    content = {"agency": contractor.agency, "category": contractor.category} | further
    return yaml.safe_dump(content, allow_unicode=True).encode()


def typed(contact: contact_pb2.Contact) -> dict[str, str]:
    values: dict[str, str] = MessageToDict(contact, preserving_proto_field_name=True)
    return values | {"mail_address_again": values["mail_address"]}


@pytest.mark.parametrize("at", every_moment(CHANGE_CALLS), ids=name_moment)
async def test_killed_change_is_made_once_by_the_same_command_again(
    instance: RunningInstance, tmp_path: Path, at: At
) -> None:
    contractor = instance.contractor()
    contractor.card_contact = mailbox_of(contractor, "before")
    await contractor.whole()
    await instance.poll(partial(instance.contact, contractor, "card"), lambda found: found is not None)
    new_contact = mailbox_of(contractor, "after")
    form = write_form(contractor, propagate="everywhere", card_contact=typed(new_contact))

    async with killing_proxy(instance.front_door, instance.launched.certificates.public) as proxy:
        desk = Desk(instance, proxy, tmp_path)
        desk.fill({"card.p12": contractor.card.pkcs12(PASSWORD.encode()), "pin": PASSWORD.encode(), "form.yaml": form})
        await desk.run_killed_and_again(at, "change", "--pkcs12", "card.p12", "--pin-file", "pin")

    assert await instance.contact(contractor, "card") == new_contact
    assert await count_rows(instance, "contact-notification", "contact_changes", contractor.card.sha256) == 1
    look = ChangingContractor.of(contractor)
    assert (await look.see()).card_contact.version == 2
    assert new_contact.mail_address in desk.receipt
    assert desk.unfinished == []


@pytest.mark.parametrize("at", every_moment(RENEWAL_CALLS), ids=name_moment)
async def test_killed_renewal_is_made_once_by_the_same_command_again(
    instance: RunningInstance, tmp_path: Path, at: At
) -> None:
    contractor = instance.contractor()
    await contractor.whole()
    renewal = RenewingContractor.of(contractor, instance.issue_successor(contractor))
    files = {
        "old.p12": contractor.card.pkcs12(PASSWORD.encode()),
        "new.p12": renewal.new.pkcs12(PASSWORD.encode()),
        "pin": PASSWORD.encode(),
        "form.yaml": write_form(contractor, propagate="here"),
    }
    cards = ("--pkcs12", "old.p12", "--pin-file", "pin", "--new-pkcs12", "new.p12", "--new-pin-file", "pin")

    async with killing_proxy(instance.front_door, instance.launched.certificates.public) as proxy:
        desk = Desk(instance, proxy, tmp_path)
        desk.fill(files)
        await desk.run_killed_and_again(at, "renew", *cards)

    old, new = contractor.card.sha256, renewal.new.sha256
    assert await count_rows(instance, "certificate-registry", "request_outcome", new) == 1
    assert await count_rows(instance, "certificate-registry", "binding", new) == 1
    assert await count_rows(instance, "certificate-registry", "registration", old, "state = 'replaced'") == 1
    assert await count_rows(instance, "certificate-registry", "registration", new) == 1
    answer = await instance.resolve(contractor)
    assert (answer.verdict, answer.replaced_by) == (REPLACED, new)
    assert (await instance.resolve(contractor, card=renewal.new)).verdict == GOOD
    assert str(renewal.new.certificate.serial_number) in desk.receipt
    assert desk.unfinished == []


@pytest.mark.parametrize(("command", "calls"), [("change", CHANGE_CALLS), ("renew", RENEWAL_CALLS)])
async def test_every_call_of_a_run_is_among_those_at_which_it_is_killed(
    instance: RunningInstance, tmp_path: Path, command: str, calls: list[str]
) -> None:
    contractor = instance.contractor()
    await contractor.whole()
    async with killing_proxy(instance.front_door, instance.launched.certificates.public) as proxy:
        desk = Desk(instance, proxy, tmp_path)
        new = instance.issue_successor(contractor)
        contact = {"card_contact": typed(mailbox_of(contractor, "after"))} if command == "change" else {}
        desk.fill(
            {
                "old.p12": contractor.card.pkcs12(PASSWORD.encode()),
                "new.p12": new.pkcs12(PASSWORD.encode()),
                "pin": PASSWORD.encode(),
                "form.yaml": write_form(contractor, propagate="here", **contact),
            }
        )
        new_card = ("--new-pkcs12", "new.p12", "--new-pin-file", "pin") if command == "renew" else ()
        assert await desk.run(command, "--pkcs12", "old.p12", "--pin-file", "pin", *new_card) == 0
        assert proxy.calls == calls
