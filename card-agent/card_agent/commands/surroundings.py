"""What a command has around it: the person at the terminal, the card, the front door, and files with answers."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import typer
import yaml

from card_agent.console import words
from card_agent.console.keyboard import open_keyboard
from card_agent.console.terminal import (
    ConsolePerson,
    flatten_form,
    make_console,
    read_descriptor,
    read_first_line,
)
from card_agent.console.words import Words
from card_agent.media.card_places import CardPlaces, FilePlaces, ReaderPlaces
from card_agent.media.inventory import MediaSources
from card_agent.media.module_places import ModulePlaces
from card_agent.media.pcsc import CardInReader
from card_agent.media.piv import SLOTS
from card_agent.media.pkcs11 import Pkcs11Module, TokenInModule
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import Pin, TokenMedium
from card_agent.operation.calls import FrontDoor
from card_agent.operation.card_approval import PENDING
from card_agent.operation.unfinished import UnfinishedRequests
from card_agent.settings import FILE_NAME as SETTINGS_FILE_NAME
from card_agent.settings import read_settings
from card_agent.signing.card_choice import AnyCard
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
    "predecessor_serial",
    "propagate",
    "pins",
}
# The name of the folder with a person's files.
_APPLICATION = "toroku-card-agent"
_EXIT_REFUSED = 1
# Nothing is wrong and nothing is registered: an officer of the agency decides first.
_EXIT_OFFICER_ASKED = 3
# 128 and the number of SIGINT, as shells have it.
EXIT_INTERRUPTED = 130


_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the options of a command chose: where, with which card, and what is kept. `target` is where."""

    target: Target
    medium: TokenMedium
    # Where a renewal looks for its two cards.
    places: CardPlaces
    unfinished: UnfinishedRequests
    receipt: Path | None = None
    details: bool = False


def find_configuration() -> Path:
    """Returns the folder with the files of this person: trust file, settings, log, unfinished requests."""
    return Path(typer.get_app_dir(_APPLICATION))


def make_choices(
    *,
    endpoint: str | None,
    trust: Path | None,
    instance: str | None,
    trust_file: Path | None,
    reader: str | None,
    slot: str | None,
    pkcs12: Path | None,
    pkcs11: Path | None = None,
    state_directory: Path | None = None,
    receipt: Path | None = None,
    details: bool = False,
    new_reader: str | None = None,
    new_pkcs12: Path | None = None,
) -> Choices:
    """Returns what the options of a command choose. Raises the refusals of `trust` and of the card's options."""
    medium = make_medium(reader, slot, pkcs12, pkcs11)
    places: CardPlaces = ReaderPlaces(reader, new_reader, slot and slot.upper())
    if pkcs12 is not None:
        # The server refuses one file alone, as a card that would replace itself.
        places = FilePlaces(pkcs12, new_pkcs12 or pkcs12)
    elif pkcs11 is not None:
        places = ModulePlaces(Pkcs11Module(pkcs11), reader, new_reader)
    configuration = find_configuration()
    file = trust_file or configuration / FILE_NAME
    target = choose_target(read_trust_file(file), file, instance=instance, endpoint=endpoint, authority=trust)
    unfinished = UnfinishedRequests(state_directory or configuration / "unfinished")
    return Choices(target=target, medium=medium, places=places, unfinished=unfinished, receipt=receipt, details=details)


@contextlib.contextmanager
def open_front_door(target: Target) -> Iterator[FrontDoor]:
    """Yields the services of the front door. Raises FILE_UNREADABLE where the file of its CA can't be read."""
    try:
        roots = target.authority.read_bytes() if target.authority else None
    except OSError as error:
        raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(target.authority)}) from error
    with grpc.secure_channel(target.endpoint, grpc.ssl_channel_credentials(roots)) as channel:
        yield FrontDoor.at(channel)


@contextlib.contextmanager
def person_at_terminal(language: Language | None) -> Iterator[ConsolePerson]:
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
        # No metadata: they may have a name or a path.
        _LOG.info("refused: %s", refusal.reason)
        if not person.has_seen(refusal):
            person.console = make_console(errors=True)
            person.show_refusal(refusal)
        raise typer.Exit(_EXIT_OFFICER_ASKED if refusal.reason == PENDING else _EXIT_REFUSED) from None
    except KeyboardInterrupt:
        person.show_message(Words("", ""))
        person.show_message(words.STOPPED)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def make_medium(reader: str | None, slot: str | None, pkcs12: Path | None, pkcs11: Path | None = None) -> TokenMedium:
    """Returns the card in a reader, a file, or a module's token; without any option what the person chooses of all.

    Raises CHOICE_UNKNOWN for a slot that does not exist, and the refusals of `read_settings`.
    """
    if pkcs12 is not None:
        return Pkcs12File(pkcs12)
    if pkcs11 is not None:
        if reader is None:
            return AnyCard(MediaSources(modules=(pkcs11,), readers=False))
        return TokenInModule(Pkcs11Module(pkcs11), reader)
    if slot is not None and slot.upper() not in SLOTS:
        raise Refusal("CHOICE_UNKNOWN", Code.INVALID_ARGUMENT, {"answer": slot, "choices": ", ".join(SLOTS)})
    if reader is None and slot is None:
        return AnyCard(find_sources())
    return CardInReader(reader, slot and slot.upper())


def find_sources() -> MediaSources:
    """Returns where to look for cards: the readers, and the modules and files of the settings.

    Raises the refusals of `read_settings`.
    """
    settings = read_settings(find_configuration() / SETTINGS_FILE_NAME)
    return MediaSources(settings.modules, settings.files)


def make_pin_source(file: Path | None, descriptor: int | None) -> Callable[[], Pin] | None:
    """Returns what gives the PIN; None where it is typed."""
    # There is no option for the PIN itself: other users of the machine can read command lines and environments.
    if file is not None:
        return lambda: read_first_line(_read_text(file))
    if descriptor is not None:
        # A descriptor can be read only once.
        pin = read_first_line(read_descriptor(descriptor))
        return lambda: pin
    return None


def read_answers(form: Path | None, password_file: Path | None = None) -> dict[str, str]:
    """Returns the answers of a form file, and the password of its own file. Raises FORM_FILE_INVALID."""
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
