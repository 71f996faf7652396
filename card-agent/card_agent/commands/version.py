"""`card-agent --version`: which version this is, and whether a newer one is known."""

from pathlib import Path

import typer

from card_agent.release import read_version
from card_agent.release_notices import locate_program, say_what_is_newer
from refusals.language import read_system_language


def print_version() -> None:
    """Prints the version on one line for programs, and on the error stream that a newer one is known."""
    typer.echo(f"card-agent {read_version()}")
    newer = say_what_is_newer(locate_program(), Path(typer.get_app_dir("toroku-card-agent")))
    if newer is not None:
        typer.echo(newer.say(read_system_language()), err=True)
