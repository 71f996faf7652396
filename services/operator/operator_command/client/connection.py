"""The connection of a command to a service: the address of a listener, and the certificate to call with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from instance_profile.base import OPERATOR
from operator_command.instance_certificates import locate_identity
from operator_command.topology import read_addresses
from refusals import Code, Refusal

MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Connection:
    """`endpoint` is `host:port` of one of the service's listeners; the files are PEM, `authority` the services' CA."""

    endpoint: str
    certificate: Path
    private_key: Path
    authority: Path


def resolve_connection(
    service: str,
    caller: tuple[str, str] | None,
    *,
    endpoint: str | None,
    certificate: Path | None,
    private_key: Path | None,
    authority: Path | None,
    state: Path,
) -> Connection:
    """Returns the connection given on the command line; whatever is None comes from the instance in `state`.

    `caller` is a kind (agencies, officers, services) and a name; None means the instance's only officer beside the
    operator's.
    Raises NO_INSTANCE, OFFICER_NOT_NAMED, UNKNOWN_CALLER.
    """
    if endpoint and certificate and private_key and authority:
        return Connection(endpoint, certificate, private_key, authority)
    kind, name = caller or ("officers", None)
    endpoint = endpoint or read_addresses(state).of(service, "internal" if kind == "services" else "agency")
    if certificate is None or private_key is None:
        certificate, private_key = locate_key_files(kind, name, state)
    return Connection(endpoint, certificate, private_key, authority or locate_authority(state))


def locate_key_files(kind: str, name: str | None, state: Path) -> tuple[Path, Path]:
    """Returns certificate and key of a caller in a state folder; of the only officer where nobody is named.

    Raises OFFICER_NOT_NAMED, UNKNOWN_CALLER.
    """
    certificates = state / "certificates"
    name = name or _only_officer(certificates)
    identity = locate_identity(certificates, kind, name)
    if not identity.certificate.exists():
        raise Refusal("UNKNOWN_CALLER", Code.INVALID_ARGUMENT, {"caller": name, "path": str(identity.certificate)})
    return identity.certificate, identity.private_key


def locate_authority(state: Path) -> Path:
    """Returns the services' CA in a state folder."""
    return state / "certificates" / "services" / "ca.crt"


@contextmanager
def open_channel(service: str, connection: Connection) -> Iterator[grpc.Channel]:
    """Opens a channel over mTLS for the duration of the block. Raises CLIENT_FILE_UNREADABLE."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=read_file(connection.authority),
        private_key=read_file(connection.private_key),
        certificate_chain=read_file(connection.certificate),
    )
    with open_channel_with(service, connection.endpoint, credentials) as channel:
        yield channel


@contextmanager
def open_channel_with(service: str, endpoint: str, credentials: grpc.ChannelCredentials) -> Iterator[grpc.Channel]:
    """Opens a channel with these credentials for the duration of the block."""
    options = (
        # A service's certificate carries the service's name, on whatever host it runs.
        ("grpc.ssl_target_name_override", service),
        ("grpc.max_receive_message_length", MOST_BYTES),
    )
    with grpc.secure_channel(endpoint, credentials, options) as channel:
        yield channel


def read_file(file: Path) -> bytes:
    """Returns the bytes of a file named on the command line; raises CLIENT_FILE_UNREADABLE."""
    try:
        return file.read_bytes()
    except OSError as error:
        metadata = {"path": str(file), "cause": error.strerror or type(error).__name__}
        raise Refusal("CLIENT_FILE_UNREADABLE", Code.FAILED_PRECONDITION, metadata) from None


def _only_officer(certificates: Path) -> str:
    folder = certificates / "officers"
    officers = sorted(str(file.relative_to(folder).with_suffix("")) for file in folder.glob("*/*.crt"))
    of_agencies = [officer for officer in officers if not officer.startswith(f"{OPERATOR}/")]
    if len(of_agencies) != 1:
        names = "、".join([*officers[:5], "…"] if len(officers) > 5 else officers)
        raise Refusal("OFFICER_NOT_NAMED", Code.INVALID_ARGUMENT, {"officers": names or "―"})
    return of_agencies[0]
