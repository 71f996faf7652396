"""Who acts, when, in which trace and by which signed act, for the history."""

from datetime import datetime

from officers.act import OfficerAct
from qualification_registry.domain.history import Circumstances
from servicekit.telemetry import find_trace_id


def find_act_circumstances(act: OfficerAct, now: datetime) -> Circumstances:
    """Returns what the entries of an officer's act have in common, for the call that is running."""
    return Circumstances(act.who, now, find_trace_id(), act.request_id, act.signed_act)
