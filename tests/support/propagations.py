"""States of acts at other agencies, as agency-sync tells them."""

from datetime import UTC, datetime

from servicekit.messages import write_timestamp
from toroku.agencysync.v1 import propagation_pb2

# 22:00 in Japan.
TONIGHT = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CHANGE_ID = "7d4f1c1e-52f4-4c6b-9d07-0f7a1f0d3c55"
REGISTRATION_ID = "1b2c3d4e-52f4-4c6b-9d07-0f7a1f0d3c55"


def planned(
    agency: str,
    *,
    act_id: str = CHANGE_ID,
    kind: propagation_pb2.PropagationKind.ValueType = propagation_pb2.PROPAGATION_KIND_CHANGE,
    reason: str = "",
) -> propagation_pb2.Propagation:
    """An act that is planned for tonight at an agency."""
    return propagation_pb2.Propagation(
        registration_id=act_id,
        agency=agency,
        state=propagation_pb2.PROPAGATION_STATE_PLANNED,
        reason=reason,
        updated_at=write_timestamp(MORNING),
        kind=kind,
        planned_at=write_timestamp(TONIGHT),
    )


def ended(
    agency: str,
    reason: str = "",
    *,
    act_id: str = REGISTRATION_ID,
    kind: propagation_pb2.PropagationKind.ValueType = propagation_pb2.PROPAGATION_KIND_REGISTRATION,
) -> propagation_pb2.Propagation:
    """An act that is done at an agency, or refused for a reason."""
    refused, done = propagation_pb2.PROPAGATION_STATE_REFUSED, propagation_pb2.PROPAGATION_STATE_DONE
    return propagation_pb2.Propagation(
        registration_id=act_id,
        agency=agency,
        state=refused if reason else done,
        reason=reason,
        updated_at=write_timestamp(MORNING),
        kind=kind,
    )
