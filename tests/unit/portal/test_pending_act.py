"""A signed act whose outcome is not known is kept until the front door has answered the act itself."""

import pytest

from portal.domain.journey import Journey, Operation, Step
from portal.domain.parts import ChangePart, RegistrationPart, RenewalPart
from portal.operations.change import ChangeWay
from portal.operations.registration import RegistrationWay
from portal.operations.renewal import RenewalWay
from portal.operations.way import Way
from refusals import Refusal
from toroku.act.v1.signed_purpose_pb2 import SignedPurpose

ACT = SignedPurpose(purpose=b"{}")
# No rule of these asks the front door.
NOBODY: object = object()
WAYS: dict[Operation, tuple[Way, RegistrationPart | ChangePart | RenewalPart]] = {
    Operation.REGISTRATION: (RegistrationWay(NOBODY), RegistrationPart(act=ACT)),  # type: ignore[arg-type]
    Operation.CHANGE: (ChangeWay(NOBODY, True, True), ChangePart(act=ACT)),  # type: ignore[arg-type]
    Operation.RENEWAL: (RenewalWay(NOBODY, True, True), RenewalPart(act=ACT)),  # type: ignore[arg-type]
}


def place(operation: Operation, step: Step, reason: str) -> object:
    """Returns the act that is left of a journey after a refusal at a step."""
    way, part = WAYS[operation]
    journey = Journey(operation=operation, agency="a", category="c", request_id="r", step=step, part=part)
    return way.place_refusal(journey, Refusal(reason)).part.act  # type: ignore[union-attr]


@pytest.mark.parametrize("reason", ["CHALLENGE_EXPIRED", "OUTSIDE_OPENING_HOURS", "CARD_SESSION_EXPIRED"])
@pytest.mark.parametrize("step", [Step.CARD, Step.LOG_IN, Step.NEW_CARD, Step.NEW_LOG_IN])
@pytest.mark.parametrize("operation", WAYS)
def test_refused_log_in_does_not_forget_it(operation: Operation, step: Step, reason: str) -> None:
    assert place(operation, step, reason) == ACT


@pytest.mark.parametrize("operation", WAYS)
def test_refused_act_is_signed_anew(operation: Operation) -> None:
    assert place(operation, Step.ACT, "CHALLENGE_EXPIRED") is None
