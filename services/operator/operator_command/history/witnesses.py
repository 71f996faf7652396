"""Heads that were noted, in a file: what a history is compared with later.

Such a file is one that this command wrote, with a head of each registry; or the JSON of one signed head, as the feeds'
heartbeats bring it to the agencies (docs/howto/verify-the-history.md), which is left as it is.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from history.entries import Chain
from history.heads import PublicKeys, Witness, is_signed
from history.receipt import ReceiptInvalid, read_head
from operator_command.history.registries import Registry
from operator_command.officer.private_files import write_atomically
from refusals import Code, Refusal

_FORMAT = "toroku history witnesses v1"


class NotedHeads(NamedTuple):
    """The noted head of each registry, and whether the file has them as a registry signed them."""

    heads: Mapping[Registry, Witness]
    is_signed: bool


def read_witnesses(file: Path, instance: str, keys: PublicKeys) -> NotedHeads:
    """Returns the noted heads of a file; none where there is no file yet.

    Raises WITNESS_UNREADABLE, also for a signed head that none of the keys signed.
    """
    try:
        text = file.read_text("utf-8")
        content = json.loads(text)
        if "chain" in content:
            return NotedHeads(_read_signed(text, instance, keys), is_signed=True)
        if (content["format"], content["instance"]) != (_FORMAT, instance):
            raise _refuse(file)
        heads = content["heads"].items()
        noted = {Registry(name): _read_witness(head["number"], head["hash"]) for name, head in heads}
        return NotedHeads(noted, is_signed=False)
    except FileNotFoundError:
        return NotedHeads({}, is_signed=False)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, ReceiptInvalid):
        raise _refuse(file) from None


def _read_signed(text: str, instance: str, keys: PublicKeys) -> Mapping[Registry, Witness]:
    """Returns a signed head as what it is a witness of; raises ReceiptInvalid, ValueError, KeyError."""
    head = read_head(text)
    if not is_signed(head, keys[head.key_id]):
        raise ValueError
    [registry] = [registry for registry in Registry if Chain(instance, registry).id == head.chain]
    return {registry: head.witness}


def write_witnesses(file: Path, instance: str, witnesses: Mapping[Registry, Witness]) -> None:
    """Writes the noted heads in place of those that are in the file. Raises WITNESS_NOT_WRITTEN."""
    heads = {str(name): {"number": head.number, "hash": head.hash.hex()} for name, head in witnesses.items()}
    content = json.dumps({"format": _FORMAT, "instance": instance, "heads": heads}, indent=1)
    try:
        write_atomically(file, f"{content}\n".encode())
    except OSError as error:
        metadata = {"path": str(file), "cause": error.strerror or type(error).__name__}
        raise Refusal("WITNESS_NOT_WRITTEN", Code.FAILED_PRECONDITION, metadata) from None


def _read_witness(number: object, text: str) -> Witness:
    value = bytes.fromhex(text)
    if type(number) is not int or number < 1 or len(value) != 32:
        raise ValueError
    return Witness(number, value)


def _refuse(file: Path) -> Refusal:
    return Refusal("WITNESS_UNREADABLE", Code.FAILED_PRECONDITION, {"path": str(file)})
