"""Shows how far an act has come at the other agencies, and how far everything of an agency is."""

from collections.abc import Mapping

from operator_command.officer.acts.outcome import describe_time
from operator_command.officer.acts.session import AGENCY_SYNC, ActingSession, ask_service
from operator_command.officer.tables import make_table, print_line, print_table
from operator_command.speech import Phrase, Speech
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.agencysync.v1.propagation_pb2 import (
    PROPAGATION_KIND_CHANGE,
    PROPAGATION_KIND_REGISTRATION,
    PROPAGATION_KIND_RENEWAL,
    PROPAGATION_STATE_DONE,
    PROPAGATION_STATE_PLANNED,
    PROPAGATION_STATE_REFUSED,
    Propagation,
)

_KINDS: Mapping[int, Phrase] = {
    PROPAGATION_KIND_REGISTRATION: Phrase("利用者登録", "registration"),
    PROPAGATION_KIND_RENEWAL: Phrase("ICカード更新", "renewal"),
    PROPAGATION_KIND_CHANGE: Phrase("利用者変更", "change"),
}
_STATES: Mapping[int, Phrase] = {
    PROPAGATION_STATE_PLANNED: Phrase("予定", "planned"),
    PROPAGATION_STATE_DONE: Phrase("反映済み", "done"),
    PROPAGATION_STATE_REFUSED: Phrase("反映されません", "refused"),
}
_AGENCY = Phrase("調達機関", "agency")
_STATE = Phrase("状態", "state")
_WHEN = Phrase("日時", "when")
_WHY = Phrase("理由", "why")
_NOTHING = Phrase(
    "この登録・更新・変更に、他の調達機関への自動反映はありません。IDと、手続きをした調達機関をご確認ください。",
    "Nothing of this is propagated. Check the ID, and at which agency it was done.",
)


def show_propagations(session: ActingSession, agency: str, act_id: str) -> None:
    """Prints the state of an act at every other agency. Raises the service's refusals."""
    console, speech = session.console, session.speech
    request = agency_sync_pb2.ListPropagationsRequest(agency=agency, registration_id=act_id)
    with session.open(AGENCY_SYNC) as channel:
        propagations = ask_service(AgencySyncStub(channel).ListPropagations, request).propagations
    if not propagations:
        print_line(console, speech, _NOTHING)
        return
    table = make_table(speech, (_AGENCY, _STATE, _WHEN, _WHY))
    for propagation in propagations:
        instant = propagation.planned_at if propagation.HasField("planned_at") else propagation.updated_at
        table.add_row(
            speech.name_agency(propagation.agency),
            _say(_STATES, propagation.state, speech),
            describe_time(instant, speech),
            _explain(propagation, speech),
        )
    kind = _say(_KINDS, propagations[0].kind, speech)
    heading = Phrase(f"自動反映：{kind}", f"Propagation of the {kind}")
    print_table(console, speech.say(heading), table, speech)


def show_progress(session: ActingSession, agency: str) -> None:
    """Prints how far everything is that an agency's contractors did. Raises the service's refusals."""
    console, speech = session.console, session.speech
    request = agency_sync_pb2.GetPropagationProgressRequest(agency=agency)
    with session.open(AGENCY_SYNC) as channel:
        progress = ask_service(AgencySyncStub(channel).GetPropagationProgress, request)
    if progress.HasField("next_batch_at"):
        at = describe_time(progress.next_batch_at, speech)
        print_line(console, speech, Phrase(f"次の夜間処理：{at}", f"Next night batch: {at}"))
    if progress.HasField("running_since"):
        at = describe_time(progress.running_since, speech)
        print_line(console, speech, Phrase(f"処理中（開始：{at}）", f"Running since {at}"))
    for label, number in (
        (Phrase("予定の手続き", "Planned"), progress.planned),
        (Phrase("処理を待っている手続き", "Due, not carried out yet"), progress.due),
        (Phrase("保留中の手続き", "Waiting for the end of a suspension, or for the next try"), progress.waiting),
        (Phrase("24時間以内に処理した手続き", "Carried out in the last 24 hours"), progress.done),
        (Phrase("うち反映されなかった調達機関（延べ）", "Agencies that refused one of those"), progress.refused),
    ):
        print_line(console, speech, Phrase(f"{label.ja}：{number:,}件", f"{label.en}: {number:,}"))


def _explain(propagation: Propagation, speech: Speech) -> str:
    if not propagation.reason:
        return ""
    return str(speech.explain(propagation.reason, {"agency": propagation.agency}))


def _say(phrases: Mapping[int, Phrase], number: int, speech: Speech) -> str:
    return speech.say(phrases[number]) if number in phrases else str(number)
