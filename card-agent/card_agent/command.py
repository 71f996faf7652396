"""The command `card-agent`: readers, show, register."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import grpc
import typer
import yaml

from card_agent.console import words
from card_agent.console.keyboard import open_keyboard
from card_agent.console.person import Row
from card_agent.console.terminal import (
    ConsolePerson,
    flatten_form,
    make_console,
    read_descriptor,
    read_first_line,
)
from card_agent.console.words import Words
from card_agent.media.pcsc import PivInReader, list_readers
from card_agent.media.piv import SLOTS
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import Pin, TokenMedium
from card_agent.private_files import check_writable, write_private
from card_agent.registration.calls import FrontDoor
from card_agent.registration.in_progress import Outcome, Progress, RegistrationResult
from card_agent.registration.receipt import compose_receipt
from card_agent.registration.register import register, show_receipt
from card_agent.registration.unfinished import UnfinishedRegistrations
from card_agent.signing.card_use import list_certificates, show_certificate, use_card
from card_agent.trust import FILE_NAME, Target, choose_target, read_trust_file
from refusals import Code, Refusal
from refusals.language import Language, read_system_language

# Sections of a form file. A password is not allowed in it.
_FORM_KEYS = {
    "certificate",
    "agency",
    "category",
    "search",
    "card_contact",
    "representative_contact",
    "person_in_charge",
}
_EXIT_REFUSED = 1
# 128 and the number of SIGINT, as shells have it.
_EXIT_INTERRUPTED = 130

application = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="ICカードの確認と利用者登録 / Shows an IC card and registers it.",
)

ReaderOption = Annotated[
    str | None, typer.Option("--reader", help="カードリーダー名の一部 / Part of the reader's name.")
]
SlotOption = Annotated[
    str | None,
    typer.Option(
        "--slot", help="PIVのスロット（9A, 9C） / Slot of the PIV card; by default the first with a certificate."
    ),
]
Pkcs12Option = Annotated[
    Path | None, typer.Option("--pkcs12", help="カードの代わりに使う証明書ファイル / A PKCS#12 file instead of a card.")
]
PinFileOption = Annotated[
    Path | None, typer.Option("--pin-file", help="PINを1行目に書いたファイル / File whose first line is the PIN.")
]
LanguageOption = Annotated[
    Language | None,
    typer.Option("--language", help="画面の言語 / Language of the screen; by default that of the locale."),
]
PinDescriptorOption = Annotated[
    int | None, typer.Option("--pin-fd", help="PINを読むファイル記述子 / File descriptor to read the PIN from.")
]


@application.command("readers")
def show_readers(language: LanguageOption = None) -> None:
    """カードリーダーとICカードの有無 / Lists the card readers, and shows which contain a card."""
    with _person_at_terminal(language) as person:
        rows: list[Row] = [
            (Words(reader.name, reader.name), words.WITH_CARD if reader.card_inserted else words.WITHOUT_CARD)
            for reader in list_readers()
        ]
        person.show(words.READERS, rows)


@application.command()
def show(
    reader: ReaderOption = None,
    slot: SlotOption = None,
    pkcs12: Pkcs12Option = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    language: LanguageOption = None,
) -> None:
    """ICカードの電子証明書の内容 / Shows the certificate. Reading it from a card needs no PIN."""
    with _person_at_terminal(language) as person:
        person.pin_source = _make_pin_source(pin_file, pin_fd)
        medium = _make_medium(reader, slot, pkcs12)
        pin = person.ask_pin(words.ASK_FILE_PASSWORD) if medium.pin_before_reading else None
        certificates, tries_left = use_card(
            medium, person, lambda token: (list_certificates(token, pin), token.pin_tries_left())
        )
        for certificate in certificates:
            show_certificate(person, certificate, tries_left)


@application.command("register")
def register_card(
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", help="接続先 / The front door, host:port, if the trust file does not say it."),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option("--trust", help="接続先を検証するCA証明書（PEM） / CA certificates (PEM) that verify it."),
    ] = None,
    instance: Annotated[
        str | None,
        typer.Option("--instance", help="このシステム以外には登録しない / Refuse to register at any other instance."),
    ] = None,
    trust_file: Annotated[
        Path | None,
        typer.Option("--trust-file", help="信頼するシステムの一覧（YAML） / Trusted instances, where and by which CA."),
    ] = None,
    reader: ReaderOption = None,
    slot: SlotOption = None,
    pkcs12: Pkcs12Option = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    form: Annotated[
        Path | None,
        typer.Option("--form", help="入力内容のファイル（YAML） / Form file: agency, category, search, contacts."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file", help="検索のパスワードのファイル / File with the password of the bidder search."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="確認を求めずに署名・登録する / Sign and register without asking.")
    ] = False,
    receipt: Annotated[
        Path | None, typer.Option("--receipt", help="控えを書くファイル / File to write the receipt to.")
    ] = None,
    details: Annotated[
        bool,
        typer.Option("--details", help="署名する内容をすべて表示する / Show all values of what the card signs."),
    ] = False,
    state_directory: Annotated[
        Path | None,
        typer.Option("--state-directory", help="途中の登録を覚えるフォルダー / Folder for unfinished registrations."),
    ] = None,
    language: LanguageOption = None,
) -> None:
    """ICカードを利用者登録する / Registers the card."""
    with _person_at_terminal(language) as person:
        person.pin_source = _make_pin_source(pin_file, pin_fd)
        person.assume_yes = yes
        person.answers = _read_answers(form, password_file)
        medium = _make_medium(reader, slot, pkcs12)
        configuration = Path(typer.get_app_dir("toroku-card-agent"))
        file = trust_file or configuration / FILE_NAME
        target = choose_target(read_trust_file(file), file, instance=instance, endpoint=endpoint, authority=trust)
        directory = state_directory or configuration / "unfinished"
        unfinished = UnfinishedRegistrations(directory)
        if receipt is not None:
            _check_writable(receipt)
        progress = Progress()
        try:
            with _open_front_door(target) as front_door:
                register(front_door, medium, person, unfinished, progress, instance_id=target.instance, details=details)
        except KeyboardInterrupt:
            # What is left takes no time; another Ctrl-C must not hide it.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _say_what_was_done(person, progress)
            _keep_receipt(person, progress.result, receipt)
            raise typer.Exit(_EXIT_INTERRUPTED) from None
        _keep_receipt(person, progress.result, receipt)


def main() -> None:
    """Runs the command line: exit status 1 after a refusal, 2 after wrong usage."""
    application()


@contextlib.contextmanager
def _open_front_door(target: Target) -> Iterator[FrontDoor]:
    try:
        roots = target.authority.read_bytes() if target.authority else None
    except OSError as error:
        raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(target.authority)}) from error
    with grpc.secure_channel(target.endpoint, grpc.ssl_channel_credentials(roots)) as channel:
        yield FrontDoor.at(channel)


def _say_what_was_done(person: ConsolePerson, progress: Progress) -> None:
    # The terminal's ^C stands on the line of the question.
    person.show_message(Words("", ""))
    if progress.outcome is Outcome.NOT_REGISTERED:
        person.show_message(words.STOPPED_WITHOUT_REGISTRATION)
    elif progress.result is None:
        person.show_message(words.STOPPED_WITHOUT_ANSWER)
    else:
        person.show_message(words.STOPPED_AFTER_REGISTRATION)
        show_receipt(person, progress.result)


def _keep_receipt(person: ConsolePerson, result: RegistrationResult | None, file: Path | None) -> None:
    if result is None or file is None:
        return
    try:
        # To be filed, and so in Japanese whatever the person reads.
        write_private(file, compose_receipt(result.receipt, result.instance, "ja"))
    except OSError as error:
        raise Refusal("RECEIPT_NOT_WRITTEN", Code.UNAVAILABLE, {"file": str(file)}) from error
    person.show(words.RECEIPT_WRITTEN, [(words.RECEIPT, str(file))])


@contextlib.contextmanager
def _person_at_terminal(language: Language | None) -> Iterator[ConsolePerson]:
    """Yields the person at the terminal; prints a refusal on the error stream and ends the command."""
    console = make_console()
    is_interactive = console.is_terminal and sys.stdin.isatty()
    person = ConsolePerson(
        console,
        is_interactive,
        language or read_system_language(),
        keyboard=open_keyboard(sys.stdin.fileno()) if is_interactive else None,
    )
    try:
        yield person
    except Refusal as refusal:
        if not person.has_seen(refusal):
            person.console = make_console(errors=True)
            person.show_refusal(refusal)
        raise typer.Exit(_EXIT_REFUSED) from None
    except KeyboardInterrupt:
        person.show_message(Words("", ""))
        person.show_message(words.STOPPED)
        raise typer.Exit(_EXIT_INTERRUPTED) from None


def _make_medium(reader: str | None, slot: str | None, pkcs12: Path | None) -> TokenMedium:
    if pkcs12 is not None:
        return Pkcs12File(pkcs12)
    if slot is not None and slot.upper() not in SLOTS:
        raise Refusal("CHOICE_UNKNOWN", Code.INVALID_ARGUMENT, {"answer": slot, "choices": ", ".join(SLOTS)})
    return PivInReader(reader, slot and slot.upper())


def _make_pin_source(file: Path | None, descriptor: int | None) -> Callable[[], Pin] | None:
    # There is no option for the PIN itself: other users of the machine can read command lines and environments.
    if file is not None:
        return lambda: read_first_line(_read_text(file))
    if descriptor is not None:
        # A descriptor can be read only once.
        pin = read_first_line(read_descriptor(descriptor))
        return lambda: pin
    return None


def _read_answers(form: Path | None, password_file: Path | None) -> dict[str, str]:
    answers: dict[str, str] = {}
    if form is not None:
        try:
            values = yaml.safe_load(_read_text(form))
        except yaml.YAMLError as error:
            raise Refusal("FORM_FILE_INVALID", Code.INVALID_ARGUMENT, {"path": str(form)}) from error
        if not isinstance(values, dict) or values.keys() - _FORM_KEYS:
            keys = sorted(str(key) for key in values.keys() - _FORM_KEYS) if isinstance(values, dict) else []
            raise Refusal("FORM_FILE_INVALID", Code.INVALID_ARGUMENT, {"path": ", ".join(keys) or str(form)})
        answers = dict(flatten_form(values))
        if "search.password" in answers:
            raise Refusal("FORM_FILE_INVALID", Code.INVALID_ARGUMENT, {"path": "search.password"})
    if password_file is not None:
        answers["search.password"] = _read_text(password_file).partition("\n")[0].rstrip("\r")
    return answers


def _read_text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(file)}) from error


def _check_writable(receipt: Path) -> None:
    # To be called before the registration, not after it.
    try:
        check_writable(receipt)
    except OSError as error:
        raise Refusal("FILE_UNWRITABLE", Code.INVALID_ARGUMENT, {"file": str(receipt)}) from error
