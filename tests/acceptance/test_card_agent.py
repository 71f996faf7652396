"""登録 by a contractor: card in the reader, `card-agent register`, receipt, all with real parts."""

import asyncio
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from google.protobuf.json_format import MessageToDict

from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.smart_card_service import SmartCardService, smart_card_service
from simulators.virtual_card import VirtualCard
from tests.support.contractor import Contractor
from tests.support.pkcs11_modules import find_opensc
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

GOOD = ResolveUserResponse.VERDICT_GOOD
NOT_REGISTERED = ResolveUserResponse.VERDICT_NOT_REGISTERED
PIN = "246810"


@pytest.fixture(scope="module")
def service() -> Iterator[SmartCardService]:
    """The smart card service, which the commands find by their environment."""
    with smart_card_service() as running:
        yield running


@dataclass(frozen=True, slots=True)
class Ended:
    status: int
    output: str
    errors: str


@dataclass(slots=True)
class Desk:
    """A contractor's desk: the reader, the files with the inputs, and the command."""

    instance: RunningInstance
    service: SmartCardService
    folder: Path
    card: VirtualCard | None = None

    def insert(self, contractor: Contractor) -> VirtualCard:
        self.pull()
        issued = contractor.card
        self.card = VirtualCard.with_key(issued.key, issued.certificate, PIN, port=self.service.port)
        self.service.insert(self.card)
        return self.card

    def pull(self) -> None:
        if self.card is not None:
            self.service.pull(self.card)
            self.card = None

    async def register(self, contractor: Contractor, *further: str, pin: str = PIN) -> Ended:
        """Runs `card-agent register` with all inputs of the contractor."""
        instance = self.instance.launched
        form = {
            "agency": contractor.agency,
            "category": contractor.category,
            "search": {"name": contractor.company_name, "bidder_id": contractor.bidder_id},
            "card_contact": typed(contractor.card_contact),
            "representative_contact": typed(contractor.representative_contact),
        }
        for name, content in (("form.yaml", yaml.safe_dump(form)), ("pin", pin), ("password", contractor.password)):
            (self.folder / name).write_text(content, "utf-8")
        files = {"--form": "form.yaml", "--pin-file": "pin", "--password-file": "password", "--receipt": "receipt.txt"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "card_agent", "register", "--yes", "--state-directory", str(self.folder / "state")),
            *("--endpoint", instance.front_door, "--trust", str(instance.certificates.public.authority)),
            *(word for option, file in files.items() for word in (option, str(self.folder / file))),
            *("--language", "ja", *further),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | self.service.environment | {"PYTHONIOENCODING": "utf-8"},
        )
        output, errors = await process.communicate()
        assert process.returncode is not None
        ended = Ended(process.returncode, output.decode(), errors.decode())
        assert "Traceback" not in ended.errors, ended.errors
        assert not [secret for secret in (PIN, contractor.password) if secret in ended.output + ended.errors]
        return ended

    @property
    def receipt(self) -> str:
        return (self.folder / "receipt.txt").read_text("utf-8")


CONTACT_LABELS = [
    "連絡先名称(部署名等)",
    "連絡先郵便番号",
    "連絡先住所",
    "連絡先氏名",
    "連絡先電話番号",
    "連絡先FAX番号",
    "連絡先メールアドレス",
]
# What the manual's 利用者情報 has, in its order.
RECEIPT_LABELS = [
    "業者名",
    "企業郵便番号",
    "企業住所",
    "代表者等氏名",
    "代表者等役職",
    "代表者等電話番号",
    "代表者等FAX番号",
    "部署名",
    *CONTACT_LABELS,
    "ICカード企業名称",
    "ICカード取得者氏名",
    "ICカード取得者住所",
    *CONTACT_LABELS,
]


def typed(contact: object) -> dict[str, str]:
    values: dict[str, str] = MessageToDict(contact, preserving_proto_field_name=True)  # type: ignore[arg-type]
    return values | {"mail_address_again": values["mail_address"]}


@pytest.fixture
def desk(instance: RunningInstance, service: SmartCardService, tmp_path: Path) -> Iterator[Desk]:
    at = Desk(instance, service, tmp_path)
    yield at
    at.pull()


@pytest.mark.requirement("CRD-01")
@pytest.mark.requirement("REG-01")
@pytest.mark.requirement("REG-06")
@pytest.mark.requirement("REG-08")
async def test_card_in_the_reader_is_registered_and_good_at_once(instance: RunningInstance, desk: Desk) -> None:
    contractor = instance.contractor()
    desk.insert(contractor)

    ended = await desk.register(contractor)

    assert ended.status == 0, ended.errors
    answer = await instance.resolve(contractor)
    assert (answer.verdict, answer.bidder_id) == (GOOD, contractor.bidder_id)
    serial = str(contractor.card.certificate.serial_number)
    for part in (contractor.company_name, contractor.bidder_id, contractor.card_contact.person_name):
        assert part in desk.receipt
        assert part in ended.output
    assert serial in ended.output
    labels = [line.partition("：")[0].strip() for line in desk.receipt.splitlines() if "：" in line]
    assert labels[labels.index("業者名") :] == RECEIPT_LABELS
    assert stat.S_IMODE((desk.folder / "receipt.txt").stat().st_mode) == 0o600
    assert "null" not in ended.output


@pytest.mark.requirement("CRD-06")
async def test_registered_card_is_refused_right_after_the_pin(instance: RunningInstance, desk: Desk) -> None:
    contractor = instance.contractor()
    desk.insert(contractor)
    assert (await desk.register(contractor)).status == 0

    again = await desk.register(contractor)
    assert (again.status, "[CARD_ALREADY_REGISTERED]" in again.errors) == (1, True)
    assert "既に登録されています" in again.errors
    assert "資格審査情報の検索" not in again.output


@pytest.mark.requirement("CRD-03")
async def test_wrong_pin_registers_nothing_and_shows_the_remaining_tries(instance: RunningInstance, desk: Desk) -> None:
    contractor = instance.contractor()
    card = desk.insert(contractor)

    ended = await desk.register(contractor, pin="135791")

    assert (ended.status, "[CARD_PIN_WRONG]" in ended.errors) == (1, True)
    assert "あと2回" in ended.errors
    assert card.piv.tries_left == 2
    assert (await instance.resolve(contractor)).verdict == NOT_REGISTERED


@pytest.mark.requirement("CRD-09")
async def test_card_pulled_during_signing_registers_nothing_and_can_retry(
    instance: RunningInstance, desk: Desk
) -> None:
    contractor = instance.contractor()
    card = desk.insert(contractor)
    card.pull_during_sign = True

    ended = await desk.register(contractor)
    assert (ended.status, "[CARD_REMOVED]" in ended.errors) == (1, True)
    assert (await instance.resolve(contractor)).verdict == NOT_REGISTERED

    desk.insert(contractor)
    assert (await desk.register(contractor)).status == 0
    assert (await instance.resolve(contractor)).verdict == GOOD


@pytest.mark.requirement("CRD-05")
async def test_foreign_and_revoked_cards_are_refused_before_the_pin(instance: RunningInstance, desk: Desk) -> None:
    foreign = CertificateAuthority.create("Another CA").issue(key=new_ec_key())
    for card, reason in ((foreign, "CERTIFICATE_AUTHORITY_UNKNOWN"), (instance.revoked_card, "CERTIFICATE_REVOKED")):
        contractor = instance.contractor(card=card)
        inserted = desk.insert(contractor)
        ended = await desk.register(contractor)
        assert (ended.status, f"[{reason}]" in ended.errors) == (1, True), ended.errors
        assert inserted.pins == 0


@pytest.mark.requirement("CRD-08")
async def test_certificate_file_is_registered_like_a_card(
    instance: RunningInstance, desk: Desk, tmp_path: Path
) -> None:
    contractor = instance.contractor()
    path = tmp_path / "card.p12"
    path.write_bytes(contractor.card.pkcs12(PIN.encode()))

    ended = await desk.register(contractor, "--pkcs12", str(path))

    assert ended.status == 0, ended.errors
    assert (await instance.resolve(contractor)).verdict == GOOD


@pytest.mark.requirement("CRD-08")
async def test_card_is_registered_through_the_module_of_its_software(instance: RunningInstance, desk: Desk) -> None:
    contractor = instance.contractor()
    card = desk.insert(contractor)

    ended = await desk.register(contractor, "--pkcs11", str(find_opensc()))

    assert ended.status == 0, ended.errors
    assert (await instance.resolve(contractor)).verdict == GOOD
    assert not card.piv.verified


async def test_endpoint_of_another_instance_is_refused(instance: RunningInstance, desk: Desk) -> None:
    contractor = instance.contractor()
    card = desk.insert(contractor)
    ended = await desk.register(contractor, "--instance", "aomori")
    assert "[INSTANCE_DIFFERS]" in ended.errors
    assert card.instructions == []


async def test_endpoint_with_a_foreign_certificate_is_refused(instance: RunningInstance, desk: Desk) -> None:
    contractor = instance.contractor()
    card = desk.insert(contractor)
    stranger = desk.folder / "stranger.pem"
    stranger.write_text(CertificateAuthority.create("Stranger").pem)
    ended = await desk.register(contractor, "--trust", str(stranger))
    assert (ended.status, "[ENDPOINT_NOT_TRUSTED]" in ended.errors) == (1, True)
    assert "handshake" not in ended.errors.casefold()
    assert card.instructions == []
