"""How a command reaches a service: where it is, and with whose certificate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from operator_command.instance_certificates import identity_files
from operator_command.topology import remembered_addresses
from refusals import Code, Refusal

MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Connection:
    """`endpoint` is `host:port` of one of the service's listeners; the files are PEM."""

    endpoint: str
    certificate: Path
    private_key: Path
    trusted: Path


def connection(
    service: str,
    *,
    endpoint: str | None,
    certificate: Path | None,
    private_key: Path | None,
    trusted: Path | None,
    state: Path,
    officer: str | None,
) -> Connection:
    """What was said on the command line or in the environment; what was not, from the folder of an instance.

    Raises NO_INSTANCE, OFFICER_NOT_NAMED, UNKNOWN_CALLER.
    """
    caller = ("officers", officer) if officer is not None else None
    return connection_of(caller, service, endpoint, certificate, private_key, trusted, state)


def connection_of(
    caller: tuple[str, str] | None,
    service: str,
    endpoint: str | None,
    certificate: Path | None,
    private_key: Path | None,
    trusted: Path | None,
    state: Path,
) -> Connection:
    """The same for any caller: its kind (agencies, officers, services) and its name, or None where it was not named."""
    if endpoint and certificate and private_key and trusted:
        return Connection(endpoint, certificate, private_key, trusted)
    kind, name = caller or ("officers", None)
    endpoint = endpoint or remembered_addresses(state).of(service, "internal" if kind == "services" else "agency")
    certificates = state / "certificates"
    if certificate is None or private_key is None:
        name = name or _only_officer(certificates)
        identity = identity_files(certificates, kind, name)
        if not identity.certificate.exists():
            raise Refusal("UNKNOWN_CALLER", Code.INVALID_ARGUMENT, {"caller": name, "path": str(identity.certificate)})
        certificate, private_key = identity.certificate, identity.private_key
    return Connection(endpoint, certificate, private_key, trusted or certificates / "services" / "ca.crt")


@contextmanager
def channel(service: str, to: Connection) -> Iterator[grpc.Channel]:
    """A channel over mTLS, until the block ends. Raises CLIENT_FILE_UNREADABLE."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=read_file(to.trusted),
        private_key=read_file(to.private_key),
        certificate_chain=read_file(to.certificate),
    )
    options = (
        # The server has to be the service that is meant, wherever it runs: its certificate carries that name.
        ("grpc.ssl_target_name_override", service),
        ("grpc.max_receive_message_length", MOST_BYTES),
    )
    with grpc.secure_channel(to.endpoint, credentials, options) as opened:
        yield opened


def _only_officer(certificates: Path) -> str:
    found = sorted(str(file.relative_to(certificates / "officers").with_suffix("")) for file in _officers(certificates))
    if len(found) != 1:
        shown = "、".join([*found[:5], "…"] if len(found) > 5 else found)
        raise Refusal("OFFICER_NOT_NAMED", Code.INVALID_ARGUMENT, {"officers": shown or "―"})
    return found[0]


def _officers(certificates: Path) -> Iterator[Path]:
    return (certificates / "officers").glob("*/*.crt")


def read_file(file: Path) -> bytes:
    """The bytes of a certificate or key; raises CLIENT_FILE_UNREADABLE."""
    try:
        return file.read_bytes()
    except OSError as error:
        metadata = {"path": str(file), "cause": error.strerror or type(error).__name__}
        raise Refusal("CLIENT_FILE_UNREADABLE", Code.FAILED_PRECONDITION, metadata) from None
