"""Heads that were noted, in a file: what a history is compared with later."""

import json
from collections.abc import Mapping
from pathlib import Path

from history.heads import Witness
from operator_command.history.registries import Registry
from operator_command.officer.private_files import write_atomically
from refusals import Code, Refusal

_FORMAT = "toroku history witnesses v1"


def read_witnesses(file: Path, instance: str) -> Mapping[Registry, Witness]:
    """Returns the noted head of each registry; nothing where there is no file yet. Raises WITNESS_UNREADABLE."""
    try:
        content = json.loads(file.read_bytes())
        if (content["format"], content["instance"]) != (_FORMAT, instance):
            raise _refuse(file)
        heads = content["heads"].items()
        return {Registry(name): _read_witness(head["number"], head["hash"]) for name, head in heads}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _refuse(file) from None


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
