"""The trust file: which instances this PC's user trusts, and how each is reached and recognized.

A log-in purpose names its instance but not the endpoint that asked for it. The trust file says which instance may be
behind an endpoint, so that no endpoint gets a signature that is good at another one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from refusals import Code, Refusal

FILE_NAME = "trust.yaml"
_KEYS = {"endpoint", "authority", "portal", "return", "releases"}
# Visible ASCII characters without a fragment; what stands there is compared and linked to as it is.
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[!-\"$-~]*")
_MOST_ADDRESS_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class TrustedInstance:
    """An instance: the front door as host:port, and the CA that verifies it (None: the system's).

    `portal` is where its web portal begins, `return_address` where a browser goes back to with an answer of the card;
    both https, empty where the portal is not used. `releases` is where the newest version of the agent is announced,
    https or empty.
    """

    id: str
    endpoint: str
    authority: Path | None = None
    portal: str = ""
    return_address: str = ""
    releases: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to register; `instance` is None if the endpoint was given by hand and is in no trust file."""

    endpoint: str
    authority: Path | None
    instance: str | None


def read_trust_file(file: Path) -> tuple[TrustedInstance, ...]:
    """Returns the trusted instances, none if there is no file. A relative authority lies beside the file.

    Raises FILE_UNREADABLE, and TRUST_FILE_INVALID with `part`.
    """
    if not file.exists():
        return ()
    instances = tuple(read_entry(file, instance, entry) for instance, entry in load_entries(file).items())
    check_endpoints(file, instances)
    return instances


@dataclass(slots=True)
class WatchedTrustFile:
    """A trust file that is read anew when it was changed, for whoever asks often."""

    file: Path
    _seen: tuple[int, int, int] | None = None
    _instances: tuple[TrustedInstance, ...] = ()

    def read(self) -> tuple[TrustedInstance, ...]:
        """Returns the trusted instances as they are now; raises as `read_trust_file`."""
        seen = _look_at(self.file)
        if seen is None or seen != self._seen:
            self._instances, self._seen = read_trust_file(self.file), seen
        return self._instances


def _look_at(file: Path) -> tuple[int, int, int] | None:
    """Returns what is another one after each change; None where there is no file to look at."""
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def load_entries(file: Path) -> Mapping[object, object]:
    """Returns what stands in a trust file, unchecked. Raises FILE_UNREADABLE, and TRUST_FILE_INVALID with `part`."""
    try:
        values = yaml.safe_load(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(file)}) from error
    except yaml.YAMLError as error:
        raise _invalid(file, "YAML") from error
    if not isinstance(values, dict):
        raise _invalid(file, "YAML")
    return values


def check_endpoints(file: Path, instances: Sequence[TrustedInstance]) -> None:
    """Raises TRUST_FILE_INVALID for one endpoint of two instances: which of them might ask for a signature?"""
    if len({instance.endpoint for instance in instances}) != len(instances):
        raise _invalid(file, "endpoint")


def choose_target(
    trusted: Sequence[TrustedInstance],
    file: Path,
    *,
    instance: str | None,
    endpoint: str | None,
    authority: Path | None,
) -> Target:
    """Returns where to register: what the options say, and for the rest the trust file.

    Raises INSTANCE_DIFFERS if the endpoint is trusted for another instance, INSTANCE_NOT_TRUSTED if the instance is not
    in the file, and INSTANCE_NOT_CHOSEN if neither option is given and the file has not exactly one instance.
    """
    if endpoint is not None:
        entries = [entry for entry in trusted if entry.endpoint == endpoint]
        if not entries:
            return Target(endpoint, authority, instance)
    elif instance is not None:
        entries = [entry for entry in trusted if entry.id == instance]
        if not entries:
            metadata = {"instance": instance, "file": str(file)}
            raise Refusal("INSTANCE_NOT_TRUSTED", Code.FAILED_PRECONDITION, metadata)
    else:
        entries = list(trusted)
        if len(entries) != 1:
            metadata = {"instances": ", ".join(entry.id for entry in entries) or "-", "file": str(file)}
            raise Refusal("INSTANCE_NOT_CHOSEN", Code.FAILED_PRECONDITION, metadata)
    entry = entries[0]
    if instance not in (None, entry.id):
        raise Refusal("INSTANCE_DIFFERS", Code.FAILED_PRECONDITION, {"found": entry.id, "expected": str(instance)})
    return Target(entry.endpoint, authority or entry.authority, entry.id)


def read_entry(file: Path, instance: object, entry: object) -> TrustedInstance:
    """Returns an instance of a trust file. Raises TRUST_FILE_INVALID with `part`."""
    if not isinstance(instance, str) or not isinstance(entry, dict):
        raise _invalid(file, str(instance))
    for key, value in entry.items():
        if key not in _KEYS or not isinstance(value, str) or not value:
            raise _invalid(file, f"{instance}.{key}")
    host, _, port = entry.get("endpoint", "").rpartition(":")
    if not host or not port.isdecimal():
        raise _invalid(file, f"{instance}.endpoint")
    for key in ("portal", "return", "releases"):
        address = entry.get(key)
        if address is not None and (len(address) > _MOST_ADDRESS_CHARACTERS or not _ADDRESS.fullmatch(address)):
            raise _invalid(file, f"{instance}.{key}")
    authority = file.parent / entry["authority"] if "authority" in entry else None
    return TrustedInstance(
        instance,
        entry["endpoint"],
        authority,
        entry.get("portal", ""),
        entry.get("return", ""),
        entry.get("releases", ""),
    )


def _invalid(file: Path, part: str) -> Refusal:
    return Refusal("TRUST_FILE_INVALID", Code.INVALID_ARGUMENT, {"file": str(file), "part": part[:80]})
