"""The tokens of a PKCS#11 module (OASIS, PKCS #11 version 3.1), which runs in a child process."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.module_mechanisms import choose_mechanism
from card_agent.media.module_process import ModuleError, ModuleProcess, TimeLimits, run_module
from card_agent.media.module_tokens import (
    ModuleSlot,
    ModuleToken,
    TokenContent,
    TokenFlag,
    explain_code,
    find_key,
    list_certificates,
    list_slots,
    list_tokens,
    read_content,
    refuse_empty,
    refuse_missing,
    refuse_pin_pad,
)
from card_agent.media.token import Pin, TokenCertificate, public_key, refuse_key
from refusals import Code, Refusal
from signed_acts.signature import SignatureAlgorithm

# Errors of a key that can't do what was asked; the last one is CKR_KEY_FUNCTION_NOT_PERMITTED.
_KEY_UNFIT = {"KeySizeRange", "KeyTypeInconsistent", "MechanismInvalid", "0x68"}


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
            content = read_content(process, token)
            readable = list_certificates(content)
        except Refusal as refusal:
            return FoundMedium(token.place, TokenInModule(self, token=token, pin_first=False), refusal=refusal)
        # The CA's certificate alone may be readable, as on My Number cards.
        needs_pin = not readable and bool(token.flags & TokenFlag.LOGIN_REQUIRED)
        medium = TokenInModule(self, token=token, pin_first=needs_pin)
        if not readable and not needs_pin:
            return FoundMedium(token.place, medium, refusal=refuse_empty(token))
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
    pin_first: bool | None = field(default=None, compare=False)

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
                raise Refusal("CARD_CHANGED", Code.ABORTED) if in_slot else refuse_missing([self.token.reader])
            return next((token for token in same if token in in_slot), same[0])
        if self.name is not None:
            tokens = [token for token in tokens if self.name.casefold() in token.place.casefold()]
            if not tokens:
                raise Refusal("CARD_READER_UNKNOWN", Code.NOT_FOUND, {"reader": self.name})
        if len(tokens) > 1:
            raise Refusal("MODULE_TOKENS_SEVERAL", metadata={"tokens": " / ".join(token.place for token in tokens)})
        return tokens[0]


@dataclass(slots=True)
class Pkcs11Token:
    """An open token of a module. The slot of a certificate is the id of its key, in hexadecimal."""

    process: ModuleProcess
    token: ModuleToken
    _content: TokenContent | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the token wants its PIN and shows no certificate of a key without it."""
        return bool(self.token.flags & TokenFlag.LOGIN_REQUIRED) and not list_certificates(self._read())

    def certificates(self) -> Sequence[TokenCertificate]:
        """Returns the certificates of the keys. Raises CARD_WITHOUT_CERTIFICATE, CERTIFICATE_MALFORMED."""
        found = list_certificates(self._read())
        if not found:
            raise refuse_empty(self.token)
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
        flags = self.token.flags & ~int(TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED)
        self.token = replace(self.token, flags=flags)

    def sign(self, certificate: TokenCertificate, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Returns the signature over `data`. Raises CARD_PIN_NOT_VERIFIED, CARD_KEY_NOT_SUPPORTED, CARD_FAILED."""
        content = self._read()
        key = public_key(certificate.certificate)
        position = find_key(content, certificate)
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
            raise refuse_key(key) if error.code in _KEY_UNFIT else self._explain(error.code) from error
        signature = bytes.fromhex(answer["signature"])
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return signature
        # r and s, each as long as the order of the curve (6.3.1).
        half = len(signature) // 2
        return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))

    def _read(self) -> TokenContent:
        if self._content is None:
            self._content = read_content(self.process, self.token)
        return self._content

    def _explain_login(self, code: str) -> Refusal:
        if code == "PinLocked":
            return Refusal("CARD_PIN_BLOCKED")
        if code in ("PinLenRange", "PinInvalid"):
            return Refusal("MODULE_PIN_FORM", Code.INVALID_ARGUMENT)
        if code != "PinIncorrect":
            return self._explain(code)
        # The flags tell what is left only after the try.
        with contextlib.suppress(Refusal):
            after = [token for token in list_tokens(self.process) if token.slot == self.token.slot]
            self.token = next(iter(after), self.token)
        if self.token.tries_left is None:
            return Refusal("CARD_PIN_WRONG_UNCOUNTED", Code.PERMISSION_DENIED)
        if self.token.tries_left == 0:
            return Refusal("CARD_PIN_BLOCKED")
        return Refusal("CARD_PIN_WRONG", Code.PERMISSION_DENIED, {"tries_left": str(self.token.tries_left)})

    def _explain(self, code: str) -> Refusal:
        # Modules have many errors for a card that was pulled out.
        with contextlib.suppress(Refusal):
            slots = list_slots(self.process)
            if all(slot.token is None or slot.token.slot != self.token.slot for slot in slots):
                return Refusal("CARD_REMOVED", Code.ABORTED)
        return explain_code(code)
