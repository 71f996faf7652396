"""`card-agent --version` and `check-update`: which version this is, and whether a package is of a newer one."""

from hashlib import file_digest
from pathlib import Path
from typing import Annotated

import typer

from card_agent.commands.options import LanguageOption
from card_agent.commands.surroundings import find_configuration, person_at_terminal
from card_agent.console.words import Words
from card_agent.release import read_version
from card_agent.release_notices import find_newest, locate_program, say_what_is_newer
from refusals import Code, Refusal
from refusals.language import read_system_language


def print_version() -> None:
    """Prints the version on one line for programs, and on the error stream that a newer one is known."""
    typer.echo(f"card-agent {read_version()}")
    newer = say_what_is_newer(locate_program(), find_configuration())
    if newer is not None:
        typer.echo(newer.say(read_system_language()), err=True)


def check_update(
    file: Annotated[Path, typer.Argument(help="ダウンロードしたファイル / The package that was downloaded.")],
    language: LanguageOption = None,
) -> None:
    """ダウンロードした新しいバージョンの署名を確認する / Says whether the publisher has signed this package."""
    with person_at_terminal(language) as person:
        configuration = find_configuration()
        release = find_newest(locate_program(), configuration)
        if release is None:
            raise Refusal("RELEASE_UNKNOWN", Code.FAILED_PRECONDITION, {"folder": str(configuration)})
        try:
            with file.open("rb") as stream:
                digest = file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(file)}) from error
        # By its content: a browser may have given it another name.
        if digest not in {each.sha256 for each in release.files}:
            metadata = {"file": str(file), "version": release.version}
            raise Refusal("PACKAGE_NOT_OF_RELEASE", Code.INVALID_ARGUMENT, metadata)
        person.show_message(
            Words(
                f"ファイル「{file.name}」は、署名されたバージョン{release.version}の配布物です。",
                f"{file.name} is of version {release.version}, which the publisher has signed.",
            )
        )
