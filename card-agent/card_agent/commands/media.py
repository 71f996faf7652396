"""`card-agent media`: what is used beside the cards in readers, PKCS#11 modules and certificate files."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from card_agent.commands.options import LanguageOption
from card_agent.commands.surroundings import find_configuration, person_at_terminal
from card_agent.console import media_words
from card_agent.console.person import Person, Row
from card_agent.console.words import Words
from card_agent.media.module_file import read_machines
from card_agent.media.pkcs12_structure import read_structure
from card_agent.settings import FILE_NAME, Settings, read_settings, write_settings
from refusals import Code, Refusal

application = typer.Typer(
    help="カードリーダーのほかに使用するもの（PKCS#11モジュール、証明書ファイル）"
    " / PKCS#11 modules and certificate files that are used beside the readers.",
    no_args_is_help=True,
)

_PathArgument = Annotated[
    Path, typer.Argument(help="PKCS#11モジュールまたは証明書ファイル / PKCS#11 module or certificate file.")
]
_MOST_BYTES = 1024 * 1024


@application.command("add")
def add_medium(path: _PathArgument, language: LanguageOption = None) -> None:
    """使用するものに加える / Adds one."""
    with person_at_terminal(language) as person:
        settings = read_settings(_find_file())
        # It is used in any folder later.
        place = path.absolute()
        if _is_certificate_file(place):
            settings = replace(settings, files=tuple(dict.fromkeys((*settings.files, place))))
        else:
            settings = replace(settings, modules=tuple(dict.fromkeys((*settings.modules, place))))
        write_settings(_find_file(), settings)
        person.show_message(media_words.ADDED)
        _show(person, settings)


@application.command("remove")
def remove_medium(path: _PathArgument, language: LanguageOption = None) -> None:
    """使用するものから外す / Removes one; the file itself stays."""
    with person_at_terminal(language) as person:
        settings = read_settings(_find_file())
        unwanted = {path, path.absolute()}
        left = Settings(
            tuple(each for each in settings.modules if each not in unwanted),
            tuple(each for each in settings.files if each not in unwanted),
        )
        if left == settings:
            raise Refusal("MEDIUM_NOT_LISTED", Code.NOT_FOUND, {"file": str(path)})
        write_settings(_find_file(), left)
        person.show_message(media_words.REMOVED)
        _show(person, left)


@application.command("list")
def list_media(language: LanguageOption = None) -> None:
    """使用するものの一覧 / Lists them; `card-agent readers` says what is on them."""
    with person_at_terminal(language) as person:
        _show(person, read_settings(_find_file()))


def _find_file() -> Path:
    return find_configuration() / FILE_NAME


def _is_certificate_file(path: Path) -> bool:
    """Returns whether it is a certificate file and not a module.

    Raises FILE_UNREADABLE, MEDIUM_UNKNOWN for neither.
    """
    try:
        if read_machines(path):
            return False
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(path)}) from error
    try:
        read_structure(content)
    except ValueError as error:
        raise Refusal("MEDIUM_UNKNOWN", Code.INVALID_ARGUMENT, {"file": str(path)}) from error
    return True


def _show(person: Person, settings: Settings) -> None:
    titles = ((media_words.MODULES, settings.modules), (media_words.FILES, settings.files))
    for title, paths in titles:
        if paths:
            rows: list[Row] = [(Words(str(number), str(number)), str(path)) for number, path in enumerate(paths, 1)]
            person.show(title, rows)
    if settings == Settings():
        person.show_message(media_words.NOTHING_ADDED)
