"""The links to the card agent, and its answers (docs/hand-off.md)."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from portal.domain.browser_session import BrowserSession
from portal.domain.journey import CARD_HOPS, CardAnswer, Journey, Operation, SignatureAnswer, require
from portal.pages.gate import read_number
from refusals import Code, Refusal
from refusals.catalogue import list_reasons
from refusals.language import Language
from toroku.act.v1.signed_purpose_pb2 import SignatureAlgorithm, SignedPurpose

# What the agent says where the person went back; it is no reason of the catalogue.
GIVEN_UP = "GIVEN_UP"


def write_link(session: BrowserSession, journey: Journey, journey_id: str, version: int, language: Language) -> str:
    """Returns the address of the agent's page for the hop at which a journey stands."""
    parameters = {"handoff": session.hand_off, "step": f"{journey_id}-{version}", "language": language}
    role = CARD_HOPS.get(journey.step)
    if role is None:
        signing = require(journey.signing)
        parameters["purpose"] = _encode(signing.purpose)
        if signing.request:
            parameters["request"] = _encode(signing.request)
        return f"http://127.0.0.1:{session.port}/sign?{urlencode(parameters)}"
    operation = "view" if journey.operation is Operation.ADVICE else journey.operation.value
    parameters |= {"operation": operation, "role": role.value}
    if journey.operation is Operation.RENEWAL:
        parameters["category"] = journey.category
    return f"http://127.0.0.1:{session.port}/card?{urlencode(parameters)}"


def read_step(step: str) -> tuple[str, int]:
    """Returns journey and version of a hop's name; version 0, which no journey has, of what is none."""
    journey_id, _, version = step.rpartition("-")
    return journey_id, read_number(version)


def read_answer(encoded: str, *, of_card: bool) -> CardAnswer | SignatureAnswer | Refusal:
    """Returns what the agent answered to a hop, or why it did not. Raises AGENT_ANSWER_UNEXPECTED."""
    try:
        values = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        if not isinstance(values, dict):
            raise ValueError("an answer is an object")
        if "refusal" in values:
            return _read_refusal(str(values["refusal"]))
        return _read_card(values) if of_card else _read_signature(values)
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise Refusal("AGENT_ANSWER_UNEXPECTED", Code.INVALID_ARGUMENT) from None


def _read_refusal(reason: str) -> Refusal:
    if reason == GIVEN_UP:
        return Refusal("CARD_GIVEN_UP", Code.ABORTED)
    return Refusal(reason if reason in list_reasons() else "AGENT_FAILED", Code.ABORTED)


def _read_card(values: Mapping[str, Any]) -> CardAnswer:
    return CardAnswer(
        certificate=_decode(values["certificate"]),
        chain=tuple(map(_decode, values["chain"])),
        successor_key=_decode(values.get("successor_key", "")),
    )


def _read_signature(values: Mapping[str, Any]) -> SignatureAnswer:
    person_in_charge = values.get("person_in_charge", "")
    if not isinstance(person_in_charge, str):
        raise TypeError("a person in charge is a text")
    return SignatureAnswer(
        signed=SignedPurpose(
            purpose=_decode(values["purpose"]),
            algorithm=SignatureAlgorithm.Value(f"SIGNATURE_ALGORITHM_{values['algorithm']}"),
            signature=_decode(values["signature"]),
        ),
        successor_signature=_decode(values.get("successor_signature", "")),
        person_in_charge=person_in_charge,
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
