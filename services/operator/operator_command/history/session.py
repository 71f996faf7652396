"""What a command works with: connections to the registries, and the language and words of its output."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from instance_profile.base import OPERATOR
from operator_command.client.connection import Connection, read_file, resolve_connection
from operator_command.console import exit_on_refusal
from operator_command.history.registries import Registry
from operator_command.officer.profile_files import find_profile
from operator_command.speech import Language, Speech, find_language
from refusals import Code, Refusal

_INSTANCE = re.compile(r"spiffe://(?P<instance>[a-z0-9-]+)/.+")


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """The options of the command line: which registries of which instance are called, and as whom."""

    registry: Registry | None
    endpoints: Sequence[str]
    profile: Path | None
    overlay: Path | None
    certificate: Path | None
    private_key: Path | None
    authority: Path | None
    state: Path
    officer: str | None


@dataclass(frozen=True, slots=True)
class HistorySession:
    """A connection to each registry, and the speech of the command."""

    connections: Mapping[Registry, Connection]
    speech: Speech


@contextmanager
def history_session(language: Language | None, options: SessionOptions) -> Iterator[HistorySession]:
    """Yields the session of a command. A refusal in its block is printed in its language, and ends the process."""
    chosen = language or find_language()
    with exit_on_refusal(Speech(chosen)):
        endpoints = dict(map(_read_endpoint, options.endpoints))
        registries = [options.registry] if options.registry is not None else [*(endpoints or Registry)]
        is_named = (
            options.certificate and options.private_key and options.authority and endpoints.keys() >= {*registries}
        )
        profile = find_profile(options.profile, options.overlay, None if is_named else options.state)
        connections = {registry: _connect(registry, endpoints.get(registry), options) for registry in registries}
    speech = Speech(chosen, profile)
    with exit_on_refusal(speech):
        yield HistorySession(connections, speech)


def read_instance(connection: Connection) -> str:
    """Returns the instance that the caller's certificate is for. Raises CLIENT_FILE_UNREADABLE, INSTANCE_NOT_NAMED.

    It is not asked for at the registry, which would say of which instance its own history is.
    """
    try:
        certificate = x509.load_pem_x509_certificate(read_file(connection.certificate))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (ValueError, x509.ExtensionNotFound):
        uris = []
    match = _INSTANCE.fullmatch(uris[0]) if uris else None
    if match is None:
        raise Refusal("INSTANCE_NOT_NAMED", Code.FAILED_PRECONDITION, {"path": str(connection.certificate)})
    return match["instance"]


def _read_endpoint(option: str) -> tuple[Registry, str]:
    name, _, address = option.partition("=")
    if name not in {*Registry} or not address:
        raise Refusal(
            "ENDPOINT_UNREADABLE", Code.INVALID_ARGUMENT, {"endpoint": option, "registries": ", ".join(Registry)}
        )
    return Registry(name), address


def _connect(registry: Registry, endpoint: str | None, options: SessionOptions) -> Connection:
    has_certificate = options.certificate is not None and options.private_key is not None
    officer = options.officer or ("" if has_certificate else _find_only_officer(options.state / "certificates"))
    return resolve_connection(
        registry,
        ("officers", officer),
        endpoint=endpoint,
        certificate=options.certificate,
        private_key=options.private_key,
        authority=options.authority,
        state=options.state,
    )


def _find_only_officer(certificates: Path) -> str:
    """Returns the only officer of the operator: no other may read histories. Raises OPERATORS_OFFICER_NOT_NAMED."""
    officers = sorted(f"{OPERATOR}/{file.stem}" for file in (certificates / "officers" / OPERATOR).glob("*.crt"))
    if len(officers) != 1:
        metadata = {"officers": "、".join(officers) or "―"}
        raise Refusal("OPERATORS_OFFICER_NOT_NAMED", Code.INVALID_ARGUMENT, metadata)
    return officers[0]
