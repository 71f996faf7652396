"""The tokens of a PKCS#11 module (OASIS, PKCS #11 version 3.1), which runs in a child process."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntFlag
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from card_agent.media.certificate_der import load_certificate
from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.issuers import list_issuers
from card_agent.media.module_mechanisms import choose_mechanism
from card_agent.media.module_process import ModuleError, ModuleProcess, TimeLimits, run_module
from card_agent.media.token import Pin, TokenCertificate, public_key, refuse_key
from refusals import Code, Refusal
from signed_acts.signature import SignatureAlgorithm


class _Flag(IntFlag):
    """Of CK_TOKEN_INFO (3.2)."""

    LOGIN_REQUIRED = 0x4
    PROTECTED_AUTHENTICATION_PATH = 0x100
    TOKEN_INITIALIZED = 0x400
    USER_PIN_FINAL_TRY = 0x20000
    USER_PIN_LOCKED = 0x40000


# What a module returns, by the names of python-pkcs11, when the card is not there any more.
_REMOVED = {"DeviceRemoved", "TokenNotPresent", "SlotIDInvalid"}
_KEY_UNFIT = {"KeySizeRange", "KeyTypeInconsistent", "MechanismInvalid", "KeyFunctionNotPermitted"}


@dataclass(frozen=True, slots=True)
class ModuleToken:
    """A token that a module lists: its slot, the reader's name, its own names, and its flags."""

    slot: int
    reader: str
    label: str
    serial: str
    model: str
    flags: int

    @property
    def place(self) -> str:
        """The token's name and its reader's."""
        return f"{self.label} ({self.reader})" if self.label else self.reader

    @property
    def tries_left(self) -> int | None:
        """How often the PIN may still be wrong. A module tells no more than that it is once, or never again."""
        if self.flags & _Flag.USER_PIN_LOCKED:
            return 0
        return 1 if self.flags & _Flag.USER_PIN_FINAL_TRY else None

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
class Pkcs11Module:
    """A module, by its path."""

    path: Path
    limits: TimeLimits = field(default_factory=TimeLimits)

    def list_media(self) -> tuple[FoundMedium, ...]:
        """Returns the module's tokens with their certificates, at least one medium; asks for no PIN.

        Raises no refusal: where the module or a token can't be used, the medium has it.
        """
        try:
            with run_module(self.path, self.limits) as process:
                return tuple(self._look_at(process, token) for token in list_tokens(process))
        except Refusal as refusal:
            return (FoundMedium(str(self.path), TokenInModule(self), refusal=refusal),)

    def look_into(self, reader: str) -> tuple[FoundMedium, ...]:
        """Returns the tokens in the reader of this whole name. Raises the refusals of `run_module`."""
        with run_module(self.path, self.limits) as process:
            tokens = [slot.token for slot in list_slots(process) if slot.reader == reader]
            return tuple(self._look_at(process, token) for token in tokens if token is not None)

    def list_slots(self) -> Sequence[ModuleSlot]:
        """Returns the module's slots. Raises the refusals of `run_module`."""
        with run_module(self.path, self.limits) as process:
            return list_slots(process)

    def _look_at(self, process: ModuleProcess, token: ModuleToken) -> FoundMedium:
        try:
            refuse_pin_pad(token)
            content = _read_content(process, token)
            readable = _list_certificates(content)
        except Refusal as refusal:
            return FoundMedium(token.place, TokenInModule(self, token=token, pin_first=False), refusal=refusal)
        # The CA's certificate alone may be readable, as on My Number cards.
        needs_pin = not readable and bool(token.flags & _Flag.LOGIN_REQUIRED)
        medium = TokenInModule(self, token=token, pin_first=needs_pin)
        if not readable and not needs_pin:
            return FoundMedium(token.place, medium, refusal=_refuse_empty(token))
        return FoundMedium(token.place, medium, tuple(FoundCertificate(each) for each in readable), token.tries_left)


@dataclass(slots=True)
class TokenInModule:
    """A token medium: one token of a module.

    `token` is the one that was found before; `name` is a part of its name or of its reader's. Without either it is the
    only token there.
    """

    module: Pkcs11Module
    name: str | None = None
    token: ModuleToken | None = None
    # None: not known before the module has been asked.
    pin_first: bool | None = None

    @property
    def pin_before_reading(self) -> bool:
        """Whether the token shows no certificate before its PIN; asks the module, if that is not known yet."""
        if self.pin_first is None:
            try:
                with self.open() as token:
                    self.pin_first = token.is_closed
            except Refusal:
                # The one who opens the medium is told.
                return False
        return self.pin_first

    @contextlib.contextmanager
    def open(self) -> Iterator["Pkcs11Token"]:
        """Starts the module and yields the token; a card that received a PIN is reset at the end.

        Raises the refusals of `run_module`, and CARD_READER_NOT_FOUND, CARD_NOT_INSERTED, CARD_CHANGED,
        CARD_READER_UNKNOWN, MODULE_TOKENS_SEVERAL, MODULE_PIN_PAD.
        """
        with run_module(self.module.path, self.module.limits) as process:
            token = self._choose(list_tokens(process))
            refuse_pin_pad(token)
            yield Pkcs11Token(process, token)

    def _choose(self, tokens: Sequence[ModuleToken]) -> ModuleToken:
        if self.token is not None:
            same = [token for token in tokens if token.is_same(self.token)]
            in_slot = [token for token in tokens if token.slot == self.token.slot]
            if not same:
                # In its slot there may be another card, which must not get the PIN of the first one.
                raise Refusal("CARD_CHANGED", Code.ABORTED) if in_slot else _refuse_missing([self.token.reader])
            return next((token for token in same if token in in_slot), same[0])
        if self.name is not None:
            tokens = [token for token in tokens if self.name.casefold() in token.place.casefold()]
            if not tokens:
                raise Refusal("CARD_READER_UNKNOWN", Code.NOT_FOUND, {"reader": self.name})
        if len(tokens) > 1:
            raise Refusal("MODULE_TOKENS_SEVERAL", metadata={"tokens": " / ".join(token.place for token in tokens)})
        return tokens[0]


@dataclass(frozen=True, slots=True)
class _Content:
    """What a token shows: its certificates by the id of their key, its private keys, and its mechanisms."""

    certificates: tuple[tuple[str, bytes], ...] = ()
    keys: tuple[Mapping[str, Any], ...] = ()
    mechanisms: frozenset[str] = frozenset()


@dataclass(slots=True)
class Pkcs11Token:
    """An open token of a module. The slot of a certificate is the id of its key, in hexadecimal."""

    process: ModuleProcess
    token: ModuleToken
    _content: _Content | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the token wants its PIN and shows no certificate of a key without it."""
        return bool(self.token.flags & _Flag.LOGIN_REQUIRED) and not _list_certificates(self._read())

    def certificates(self) -> Sequence[TokenCertificate]:
        """Returns the certificates of the keys. Raises CARD_WITHOUT_CERTIFICATE, CERTIFICATE_MALFORMED."""
        found = _list_certificates(self._read())
        if not found:
            raise _refuse_empty(self.token)
        return found

    def pin_tries_left(self) -> int | None:
        """Returns 1 or 0 where the module says that it is the last try, or too late; otherwise None."""
        return self.token.tries_left

    def verify_pin(self, pin: Pin) -> None:
        """Sends the PIN to the module once.

        Raises MODULE_PIN_CHARACTERS, without sending it, and MODULE_PIN_FORM.
        """
        encoded = pin.encode()
        # What is typed with an input method that is still on would cost a try.
        if not encoded or not encoded.isascii():
            raise Refusal("MODULE_PIN_CHARACTERS", Code.INVALID_ARGUMENT)
        self._content = None
        try:
            self.process.call("log_in", self.process.limits.log_in, slot=self.token.slot, pin=encoded.decode("ascii"))
        except ModuleError as error:
            raise self._explain_login(error.code) from error
        # A right PIN gives the tries back.
        flags = self.token.flags & ~int(_Flag.USER_PIN_FINAL_TRY | _Flag.USER_PIN_LOCKED)
        self.token = replace(self.token, flags=flags)

    def sign(self, certificate: TokenCertificate, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Returns the signature over `data`. Raises CARD_PIN_NOT_VERIFIED, CARD_KEY_NOT_SUPPORTED, CARD_FAILED."""
        content = self._read()
        key = public_key(certificate.certificate)
        position = _find_key(content, certificate)
        if position is None:
            raise Refusal("CARD_PIN_NOT_VERIFIED")
        request = choose_mechanism(content.mechanisms, key, data, algorithm)
        try:
            answer = self.process.call(
                "sign",
                self.process.limits.sign,
                slot=self.token.slot,
                key=position,
                mechanism=request.name,
                parameter=request.parameter,
                data=request.data.hex(),
            )
        except ModuleError as error:
            raise refuse_key(key) if error.code in _KEY_UNFIT else _explain(error.code) from error
        signature = bytes.fromhex(answer["signature"])
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return signature
        # r and s, each as long as the order of the curve (6.3.1).
        half = len(signature) // 2
        return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))

    def _read(self) -> _Content:
        if self._content is None:
            self._content = _read_content(self.process, self.token)
        return self._content

    def _explain_login(self, code: str) -> Refusal:
        if code == "PinLocked":
            return Refusal("CARD_PIN_BLOCKED")
        if code in ("PinLenRange", "PinInvalid"):
            return Refusal("MODULE_PIN_FORM", Code.INVALID_ARGUMENT)
        if code != "PinIncorrect":
            return _explain(code)
        # The flags tell what is left only after the try.
        with contextlib.suppress(Refusal):
            after = [token for token in list_tokens(self.process) if token.slot == self.token.slot]
            self.token = next(iter(after), self.token)
        if self.token.tries_left is None:
            return Refusal("CARD_PIN_WRONG_UNCOUNTED", Code.PERMISSION_DENIED)
        if self.token.tries_left == 0:
            return Refusal("CARD_PIN_BLOCKED")
        return Refusal("CARD_PIN_WRONG", Code.PERMISSION_DENIED, {"tries_left": str(self.token.tries_left)})


def list_slots(process: ModuleProcess) -> Sequence[ModuleSlot]:
    """Returns the slots of a module; none where it finds no reader."""
    try:
        slots = process.call("tokens", process.limits.read)["slots"]
    except ModuleError as error:
        raise _explain(error.code) from error
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
    raise _refuse_missing([slot.reader for slot in slots])


def _read_slot(slot: Mapping[str, Any]) -> ModuleSlot:
    token = ModuleToken(slot["slot"], slot["reader"], **slot["token"]) if slot["token"] else None
    # Some modules show an empty token, in which new keys could be made.
    is_empty = token is None or not token.flags & _Flag.TOKEN_INITIALIZED
    return ModuleSlot(slot["reader"], None if is_empty else token, slot["error"])


def refuse_pin_pad(token: ModuleToken) -> None:
    """Raises MODULE_PIN_PAD for a token whose PIN is typed on the reader: the agent's own question would mislead."""
    if token.flags & _Flag.PROTECTED_AUTHENTICATION_PATH:
        raise Refusal("MODULE_PIN_PAD", metadata={"token": token.place})


def _read_content(process: ModuleProcess, token: ModuleToken) -> _Content:
    try:
        answer = process.call("read", process.limits.read, slot=token.slot)
    except ModuleError as error:
        raise _explain(error.code) from error
    certificates = ((each["id"], bytes.fromhex(each["der"])) for each in answer["certificates"])
    return _Content(
        tuple(dict.fromkeys((key_id, der) for key_id, der in certificates if der)),
        tuple(answer["keys"]),
        frozenset(answer["mechanisms"]),
    )


def _list_certificates(content: _Content) -> list[TokenCertificate]:
    """Returns the certificates of the token's keys with their issuers.

    Before its PIN a token usually hides its private keys; then every certificate but a CA's counts as one of a key.
    Raises CERTIFICATE_MALFORMED if there is nothing else.
    """
    readable = [(key_id, der) for key_id, der in content.certificates if _is_readable(der)]
    if content.certificates and not readable:
        raise Refusal("CERTIFICATE_MALFORMED", Code.INVALID_ARGUMENT, {"part": content.certificates[0][0]})
    ders = [der for _, der in readable]
    found = [TokenCertificate(der, key_id, list_issuers(der, ders)) for key_id, der in readable if not _is_ca(der)]
    return [each for each in found if not content.keys or _find_key(content, each) is not None]


def _find_key(content: _Content, certificate: TokenCertificate) -> int | None:
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


def _refuse_empty(token: ModuleToken) -> Refusal:
    return Refusal("CARD_WITHOUT_CERTIFICATE", Code.NOT_FOUND, {"slot": token.place})


def _refuse_missing(readers: Sequence[str]) -> Refusal:
    if not readers:
        return Refusal("CARD_READER_NOT_FOUND", Code.NOT_FOUND)
    return Refusal("CARD_NOT_INSERTED", metadata={"reader": " / ".join(readers)})


def _explain(code: str) -> Refusal:
    if code in _REMOVED:
        return Refusal("CARD_REMOVED", Code.ABORTED)
    if code == "UserNotLoggedIn":
        return Refusal("CARD_PIN_NOT_VERIFIED")
    return Refusal("CARD_FAILED", Code.INTERNAL, {"code": code})
