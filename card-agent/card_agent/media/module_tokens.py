"""What a PKCS#11 module lists: its slots and tokens, and what a token shows of its certificates and keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from card_agent.media.certificate_der import load_certificate
from card_agent.media.issuers import list_issuers
from card_agent.media.module_process import ModuleError, ModuleProcess
from card_agent.media.token import TokenCertificate, public_key
from refusals import Code, Refusal


class TokenFlag(IntFlag):
    """Of CK_TOKEN_INFO (3.2)."""

    LOGIN_REQUIRED = 0x4
    PROTECTED_AUTHENTICATION_PATH = 0x100
    TOKEN_INITIALIZED = 0x400
    USER_PIN_FINAL_TRY = 0x20000
    USER_PIN_LOCKED = 0x40000


# What a module returns, by the names of python-pkcs11, when the card is not there any more.
_REMOVED = {"DeviceRemoved", "TokenNotPresent", "SlotIDInvalid"}


@dataclass(frozen=True, slots=True)
class ModuleToken:
    """A token that a module lists: its slot, the reader's name, its own names, and its flags."""

    slot: int
    reader: str
    label: str
    serial: str
    model: str
    # They change with each PIN, while the token stays the same.
    flags: int = field(compare=False)

    @property
    def place(self) -> str:
        """The token's name and its reader's."""
        return f"{self.label} ({self.reader})" if self.label else self.reader

    @property
    def tries_left(self) -> int | None:
        """How often the PIN may still be wrong. A module tells no more than that it is once, or never again."""
        if self.flags & TokenFlag.USER_PIN_LOCKED:
            return 0
        return 1 if self.flags & TokenFlag.USER_PIN_FINAL_TRY else None

    def is_same(self, other: "ModuleToken") -> bool:
        """Returns whether both are the same card, by what it says of itself, in whatever slot."""
        return (self.label, self.serial, self.model) == (other.label, other.serial, other.model)


@dataclass(frozen=True, slots=True)
class ModuleSlot:
    """A slot of a module: the reader's name, and its token; `error` is the module's word on a card it can't read."""

    reader: str
    token: ModuleToken | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class TokenContent:
    """What a token shows: its certificates by the id of their key, its private keys, and its mechanisms."""

    certificates: tuple[tuple[str, bytes], ...] = ()
    keys: tuple[Mapping[str, Any], ...] = ()
    mechanisms: frozenset[str] = frozenset()


def list_slots(process: ModuleProcess) -> Sequence[ModuleSlot]:
    """Returns the slots of a module; none where it finds no reader."""
    try:
        slots = process.call("tokens", process.limits.read)["slots"]
    except ModuleError as error:
        raise explain_code(error.code) from error
    return [_read_slot(slot) for slot in slots]


def list_tokens(process: ModuleProcess) -> Sequence[ModuleToken]:
    """Returns the tokens in a module's slots, at least one.

    Raises CARD_READER_NOT_FOUND for a module without a slot, CARD_NOT_INSERTED, and CARD_NOT_SUPPORTED where there is
    nothing but a card that the module does not know.
    """
    slots = list_slots(process)
    tokens = [slot.token for slot in slots if slot.token is not None]
    if tokens:
        return tokens
    errors = [slot.error for slot in slots if slot.error]
    if errors:
        raise Refusal("CARD_NOT_SUPPORTED", metadata={"status": errors[0]})
    raise refuse_missing([slot.reader for slot in slots])


def _read_slot(slot: Mapping[str, Any]) -> ModuleSlot:
    token = ModuleToken(slot["slot"], slot["reader"], **slot["token"]) if slot["token"] else None
    # Some modules show an empty token, in which new keys could be made.
    is_empty = token is None or not token.flags & TokenFlag.TOKEN_INITIALIZED
    return ModuleSlot(slot["reader"], None if is_empty else token, slot["error"])


def refuse_pin_pad(token: ModuleToken) -> None:
    """Raises MODULE_PIN_PAD for a token whose PIN is typed on the reader: the agent's own question would mislead."""
    if token.flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH:
        raise Refusal("MODULE_PIN_PAD", metadata={"token": token.place})


def read_content(process: ModuleProcess, token: ModuleToken) -> TokenContent:
    """Returns what the token shows now; after its PIN that is more. Raises CARD_REMOVED, CARD_FAILED."""
    try:
        answer = process.call("read", process.limits.read, slot=token.slot)
    except ModuleError as error:
        raise explain_code(error.code) from error
    certificates = ((each["id"], bytes.fromhex(each["der"])) for each in answer["certificates"])
    return TokenContent(
        tuple(dict.fromkeys((key_id, der) for key_id, der in certificates if der)),
        tuple(answer["keys"]),
        frozenset(answer["mechanisms"]),
    )


def list_certificates(content: TokenContent) -> list[TokenCertificate]:
    """Returns the certificates of the token's keys with their issuers.

    Before its PIN a token usually hides its private keys; then every certificate but a CA's counts as one of a key.
    Raises CERTIFICATE_MALFORMED if there is nothing else.
    """
    readable = [(key_id, der) for key_id, der in content.certificates if _is_readable(der)]
    if content.certificates and not readable:
        raise Refusal("CERTIFICATE_MALFORMED", Code.INVALID_ARGUMENT, {"part": content.certificates[0][0]})
    ders = [der for _, der in readable]
    found = [TokenCertificate(der, key_id, list_issuers(der, ders)) for key_id, der in readable if not _is_ca(der)]
    return [each for each in found if not content.keys or find_key(content, each) is not None]


def find_key(content: TokenContent, certificate: TokenCertificate) -> int | None:
    """Returns the position of the certificate's key: by its id, or where the module has other ones, by its modulus."""
    signing = [(position, key) for position, key in enumerate(content.keys) if key["signs"]]
    same_id = [position for position, key in signing if certificate.slot and key["id"] == certificate.slot]
    if same_id:
        return same_id[0]
    key = public_key(certificate.certificate)
    if isinstance(key, rsa.RSAPublicKey):
        for position, each in signing:
            if each["modulus"] and int(each["modulus"], 16) == key.public_numbers().n:
                return position
    return None


def _is_readable(der: bytes) -> bool:
    try:
        load_certificate(der).public_key()
    except ValueError:
        return False
    return True


def _is_ca(der: bytes) -> bool:
    try:
        return load_certificate(der).extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def refuse_empty(token: ModuleToken) -> Refusal:
    """Returns the refusal CARD_WITHOUT_CERTIFICATE."""
    return Refusal("CARD_WITHOUT_CERTIFICATE", Code.NOT_FOUND, {"slot": token.place})


def refuse_missing(readers: Sequence[str]) -> Refusal:
    """Returns the refusal for readers without a card, or for none at all."""
    if not readers:
        return Refusal("CARD_READER_NOT_FOUND", Code.NOT_FOUND)
    return Refusal("CARD_NOT_INSERTED", metadata={"reader": " / ".join(readers)})


def explain_code(code: str) -> Refusal:
    """Returns the refusal for an error of a module that says nothing of a PIN."""
    if code in _REMOVED:
        return Refusal("CARD_REMOVED", Code.ABORTED)
    if code == "UserNotLoggedIn":
        return Refusal("CARD_PIN_NOT_VERIFIED")
    return Refusal("CARD_FAILED", Code.INTERNAL, {"code": code})
