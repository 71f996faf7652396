"""What a certificate file (PKCS#12, RFC 7292) shows without its password: its keys, and the work to open it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from asn1crypto import algos, pkcs12  # type: ignore[import-untyped]  # it has no type hints


@dataclass(frozen=True, slots=True)
class EncodedKey:
    """A private key in the file, in DER: PrivateKeyInfo or, where encrypted, EncryptedPrivateKeyInfo (RFC 5208)."""

    der: bytes = field(repr=False)
    encrypted: bool


@dataclass(frozen=True, slots=True)
class FileStructure:
    """The keys that are in plain sight, and the most iterations of any derivation from the password."""

    keys: tuple[EncodedKey, ...]
    iterations: int


def read_structure(content: bytes) -> FileStructure:
    """Returns the structure of a file. Raises ValueError for anything else."""
    try:
        archive = pkcs12.Pfx.load(content)
        counts = [_read_mac_iterations(archive)]
        keys: list[EncodedKey] = []
        for part in archive.authenticated_safe:
            if part["content_type"].native == "encrypted_data":
                algorithm = part["content"]["encrypted_content_info"]["content_encryption_algorithm"]
                counts.append(_read_iterations(algorithm))
            elif part["content_type"].native == "data":
                for key, iterations in _read_keys(pkcs12.SafeContents.load(part["content"].native)):
                    keys.append(key)
                    counts.append(iterations)
    except (TypeError, KeyError, AttributeError) as error:
        # What the library raises for values of another kind than the structure names.
        raise ValueError("not a PKCS#12 file") from error
    return FileStructure(tuple(keys), max(counts))


def _read_mac_iterations(archive: pkcs12.Pfx) -> int:
    return int(archive["mac_data"]["iterations"].native) if archive["mac_data"].native else 1


def _read_keys(bags: pkcs12.SafeContents) -> Iterator[tuple[EncodedKey, int]]:
    for bag in bags:
        kind, value = bag["bag_id"].native, bag["bag_value"]
        if kind == "pkcs8_shrouded_key_bag":
            yield (
                EncodedKey(value.untag().dump(force=True), encrypted=True),
                _read_iterations(value["encryption_algorithm"]),
            )
        elif kind == "key_bag":
            yield EncodedKey(value.untag().dump(force=True), encrypted=False), 1


def _read_iterations(algorithm: algos.EncryptionAlgorithm) -> int:
    # scrypt has no iterations, and the library that decrypts bounds its memory.
    if algorithm["algorithm"].native == "pbes2" and algorithm.kdf != "pbkdf2":
        return 1
    return int(algorithm.kdf_iterations)
