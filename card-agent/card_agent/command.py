"""The command `card-agent`: readers, show, register."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import grpc
import typer
import yaml

from card_agent.console import words
from card_agent.console.terminal import ConsolePerson, first_line, flat, read_descriptor, terminal
from card_agent.console.words import Words
from card_agent.media.pcsc import PivInReader, readers
from card_agent.media.piv import SLOTS
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import Pin, TokenMedium
from card_agent.registration.receipt import receipt_text
from card_agent.registration.register import Registered, register
from card_agent.registration.unfinished import UnfinishedRegistrations
from card_agent.signing.card_use import read_certificate, show_certificate
from refusals import Code, Refusal
from toroku.frontdoor.v1.service_pb2_grpc import RegistrationStub

# What a form file may say; passwords and PINs are not among it.
_FORM_KEYS = {"agency", "category", "search", "card_contact", "representative_contact"}
_REFUSED = 1

application = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="ICカードの確認と利用者登録 / Looks at an IC card and registers it.",
)

ReaderOption = Annotated[
    str | None, typer.Option("--reader", help="カードリーダー名の一部 / A part of the reader's name.")
]
SlotOption = Annotated[str, typer.Option("--slot", help="PIVのスロット（9A, 9C） / Slot of a PIV card.")]
Pkcs12Option = Annotated[
    Path | None, typer.Option("--pkcs12", help="カードの代わりに使う証明書ファイル / A PKCS#12 file instead of a card.")
]
PinFileOption = Annotated[
    Path | None, typer.Option("--pin-file", help="PINを1行目に書いたファイル / File whose first line is the PIN.")
]
PinDescriptorOption = Annotated[
    int | None, typer.Option("--pin-fd", help="PINを読むファイル記述子 / File descriptor to read the PIN from.")
]


@application.command("readers")
def show_readers() -> None:
    """カードリーダーとICカードの有無 / The readers, and which of them have a card."""
    with _told() as person:
        rows = [
            (Words(reader.name, ""), str(words.WITH_CARD if reader.card_inserted else words.WITHOUT_CARD))
            for reader in readers()
        ]
        person.show(words.READERS, rows)


@application.command()
def show(
    reader: ReaderOption = None,
    slot: SlotOption = "9A",
    pkcs12: Pkcs12Option = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
) -> None:
    """ICカードの電子証明書の内容 / What the card's certificate says. A card needs no PIN for it."""
    with _told() as person:
        person.pin = _pin_source(pin_file, pin_fd)
        medium = _medium(reader, slot, pkcs12)
        pin = person.ask_pin(words.ASK_FILE_PASSWORD) if medium.pin_before_reading else None
        with person.busy(words.BUSY), medium.open() as token:
            certificate, tries_left = read_certificate(token, pin)
        show_certificate(person, certificate, tries_left)


@application.command("register")
def register_card(
    endpoint: Annotated[str, typer.Option("--endpoint", help="接続先 / The front door, host:port.")],
    trust: Annotated[
        Path | None, typer.Option("--trust", help="接続先を検証するCA証明書（PEM） / CA certificates of the endpoint.")
    ] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", help="このシステム以外には登録しない / Refuse any other instance.")
    ] = None,
    reader: ReaderOption = None,
    slot: SlotOption = "9A",
    pkcs12: Pkcs12Option = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    form: Annotated[
        Path | None,
        typer.Option("--form", help="入力内容のファイル（YAML） / Answers: agency, category, search, contacts."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", help="検索のパスワードのファイル / File with the search's password."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="確認を求めずに署名・登録する / Sign and register without asking.")
    ] = False,
    receipt: Annotated[
        Path | None, typer.Option("--receipt", help="控えを書くファイル / File to write the receipt to.")
    ] = None,
    state_directory: Annotated[
        Path | None,
        typer.Option(
            "--state-directory", help="途中の登録を覚えるフォルダー / Where unfinished registrations are kept."
        ),
    ] = None,
) -> None:
    """ICカードを利用者登録する / Registers the card (利用者登録)."""
    with _told() as person:
        person.pin = _pin_source(pin_file, pin_fd)
        person.agrees = yes
        person.answers = _answers(form, password_file)
        medium = _medium(reader, slot, pkcs12)
        kept = UnfinishedRegistrations(state_directory or Path(typer.get_app_dir("toroku-card-agent")) / "unfinished")
        if receipt is not None:
            _check_writable(receipt)
        registered = asyncio.run(_register(endpoint, trust, instance, medium, person, kept))
        if receipt is not None:
            receipt.write_text(receipt_text(registered.receipt, registered.instance), "utf-8")
            person.show(words.RECEIPT_WRITTEN, [(words.RECEIPT, str(receipt))])


def main() -> None:
    """The entry point; refusals end with status 1, wrong usage with 2."""
    application()


async def _register(
    endpoint: str,
    trust: Path | None,
    instance_id: str | None,
    medium: TokenMedium,
    person: ConsolePerson,
    kept: UnfinishedRegistrations,
) -> Registered:
    try:
        roots = trust.read_bytes() if trust else None
    except OSError as error:
        raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(trust)}) from error
    async with grpc.aio.secure_channel(endpoint, grpc.ssl_channel_credentials(roots)) as channel:
        return await register(RegistrationStub(channel), medium, person, kept, instance_id=instance_id)


@contextlib.contextmanager
def _told() -> Iterator[ConsolePerson]:
    """The person at the terminal; a refusal is told on the error stream and ends the command."""
    console = terminal()
    try:
        yield ConsolePerson(console, interactive=console.is_terminal and sys.stdin.isatty())
    except Refusal as refusal:
        ConsolePerson(terminal(errors=True), interactive=False).refused(refusal)
        raise typer.Exit(_REFUSED) from None


def _medium(reader: str | None, slot: str, pkcs12: Path | None) -> TokenMedium:
    if pkcs12 is not None:
        return Pkcs12File(pkcs12)
    if slot.upper() not in SLOTS:
        raise Refusal("CHOICE_UNKNOWN", Code.INVALID_ARGUMENT, {"answer": slot, "choices": ", ".join(SLOTS)})
    return PivInReader(reader, slot.upper())


def _pin_source(file: Path | None, descriptor: int | None) -> Callable[[], Pin] | None:
    # There is no option for the PIN itself: others on this machine can read command lines and environments.
    if file is not None:
        return lambda: first_line(_text(file))
    if descriptor is not None:
        # A descriptor can be read once only.
        pin = first_line(read_descriptor(descriptor))
        return lambda: pin
    return None


def _answers(form: Path | None, password_file: Path | None) -> dict[str, str]:
    answers: dict[str, str] = {}
    if form is not None:
        try:
            values = yaml.safe_load(_text(form))
        except yaml.YAMLError as error:
            raise Refusal("FORM_FILE_INVALID", Code.INVALID_ARGUMENT, {"path": str(form)}) from error
        if not isinstance(values, dict) or values.keys() - _FORM_KEYS:
            wrong = (
                ", ".join(sorted(str(key) for key in values.keys() - _FORM_KEYS)) if isinstance(values, dict) else ""
            )
            raise Refusal("FORM_FILE_INVALID", Code.INVALID_ARGUMENT, {"path": wrong or str(form)})
        answers = dict(flat(values))
        if "search.password" in answers:
            raise Refusal("FORM_FILE_INVALID", Code.INVALID_ARGUMENT, {"path": "search.password"})
    if password_file is not None:
        answers["search.password"] = _text(password_file).partition("\n")[0].rstrip("\r")
    return answers


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(file)}) from error


def _check_writable(receipt: Path) -> None:
    # Found out before the registration, not after it.
    try:
        receipt.touch()
    except OSError as error:
        raise Refusal("FILE_UNWRITABLE", Code.INVALID_ARGUMENT, {"file": str(receipt)}) from error
