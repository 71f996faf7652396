"""Journeys as bytes, sealed: JSON of the dataclasses, with messages and bytes in base64."""

import base64
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from google.protobuf.message import Message

from portal.domain.journey import Journey, Operation
from portal.domain.parts import AdvicePart, ChangePart, RegistrationPart, RenewalPart
from servicekit.sealing import SealingKey

CONTEXT = b"toroku portal draft v1"
_PARTS: Mapping[Operation, type] = {
    Operation.REGISTRATION: RegistrationPart,
    Operation.CHANGE: ChangePart,
    Operation.RENEWAL: RenewalPart,
    Operation.ADVICE: AdvicePart,
}


def seal_journey(journey: Journey, key: SealingKey, draft_id: str) -> bytes:
    """Returns a journey as only its own draft can have it."""
    return key.seal(json.dumps(_write(journey), ensure_ascii=False).encode(), draft_id.encode())


def open_journey(sealed: bytes, key: SealingKey, draft_id: str) -> Journey:
    """Returns the journey of a draft; raises SealBroken."""
    values = json.loads(key.open(sealed, draft_id.encode()))
    part = _read(_PARTS[Operation(values["operation"])], values.pop("part"))
    journey: Journey = _read(Journey, values, part=part)
    return journey


def _write(value: Any) -> Any:
    if isinstance(value, Message):
        return base64.b64encode(value.SerializeToString()).decode()
    if is_dataclass(value):
        return {each.name: _write(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _write(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_write(each) for each in value]
    return value


def _read(kind: Any, value: Any, **given: Any) -> Any:
    if value is None:
        return None
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        # Of unions there is only `X | None` here.
        return _read(next(each for each in get_args(kind) if each is not type(None)), value)
    if origin is tuple:
        return tuple(_read(get_args(kind)[0], each) for each in value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _read(get_args(kind)[1], each) for key, each in value.items()}
    if is_dataclass(kind):
        hints = _find_hints(kind)  # type: ignore[arg-type]  # a class
        read = {name: _read(hints[name], each) for name, each in value.items() if name in hints and name not in given}
        return kind(**read, **given)  # type: ignore[operator]  # a class
    if issubclass(kind, Message):
        return kind.FromString(base64.b64decode(value))
    if kind is bytes:
        return base64.b64decode(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if issubclass(kind, StrEnum):
        return kind(value)
    return value


@cache
def _find_hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)
