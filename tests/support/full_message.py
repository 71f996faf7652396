"""Messages with a value in every field, also in those that are added later: whoever drops one is found out."""

from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

AnyMessage = TypeVar("AnyMessage", bound=Message)

_SAMPLES: dict[int, Any] = {
    FieldDescriptor.TYPE_BOOL: True,
    FieldDescriptor.TYPE_INT32: 7,
    FieldDescriptor.TYPE_INT64: 7,
}


def fill_message(message: AnyMessage, text: str = "値") -> AnyMessage:
    """Returns the message with every field of its descriptor set: texts are `text` and the field's name."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            held = getattr(message, field.name)
            fill_message(held.add() if field.is_repeated else held, text)
            continue
        value = f"{text} {field.name}" if field.type == FieldDescriptor.TYPE_STRING else _SAMPLES[field.type]
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    return message


def list_unset(message: Message) -> list[str]:
    """Returns the names of the fields that have no value."""
    names = {field.name for field, _ in message.ListFields()}
    return [field.name for field in message.DESCRIPTOR.fields if field.name not in names]
