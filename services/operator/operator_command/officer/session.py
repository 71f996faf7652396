"""What an officer's command works with: the connection to the registry, and the language and words of its output."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from operator_command.client.connection import Connection, resolve_connection
from operator_command.console import exit_on_refusal
from operator_command.officer.profile_files import find_profile
from operator_command.speech import Language, Speech, find_language

SERVICE = "qualification-registry"


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """The options of the command line that say which instance is called, and as whom; those not given are None."""

    profile: Path | None
    overlay: Path | None
    endpoint: str | None
    certificate: Path | None
    private_key: Path | None
    authority: Path | None
    state: Path
    officer: str | None

    @property
    def name_all(self) -> bool:
        """Whether the state folder is not used at all: then its instance is not the one that is called."""
        return all((self.endpoint, self.certificate, self.private_key, self.authority))


@dataclass(frozen=True, slots=True)
class OfficerSession:
    """A connection, and the speech of the command."""

    connection: Connection
    speech: Speech


@contextmanager
def officer_session(language: Language | None, options: ConnectionOptions) -> Iterator[OfficerSession]:
    """Yields the session of a command. A refusal in its block is printed in its language, and ends the process."""
    chosen = language or find_language()
    with exit_on_refusal(Speech(chosen)):
        profile = find_profile(options.profile, options.overlay, None if options.name_all else options.state)
        connection = resolve_connection(
            SERVICE,
            ("officers", options.officer) if options.officer is not None else None,
            endpoint=options.endpoint,
            certificate=options.certificate,
            private_key=options.private_key,
            authority=options.authority,
            state=options.state,
        )
    speech = Speech(chosen, profile)
    with exit_on_refusal(speech):
        yield OfficerSession(connection, speech)
