"""A registration is one trace through all services."""

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.contractor import Contractor
from tests.support.running_instance import RunningInstance

TRACE = bytes.fromhex("5a" * 16)
SERVICES = {"front-door", "qualification-registry", "certificate-registry", "contact-notification", "agency-sync"}


async def test_registration_is_one_trace_through_all_services(
    instance: RunningInstance,
) -> None:
    contractor: Contractor = instance.contractor()
    contractor.traceparent = f"00-{TRACE.hex()}-{'6b' * 8}-01"
    await contractor.whole()

    async def spans() -> list[tuple[str, Span]]:
        return instance.collected.of_trace(TRACE)

    def orphans(found: list[tuple[str, Span]]) -> list[str]:
        known = {span.span_id for _, span in found} | {bytes.fromhex("6b" * 8)}
        return [span.name for _, span in found if span.parent_span_id not in known]

    # Each process exports its spans every few seconds, so the earliest spans may arrive last.
    wanted = {
        "job propagate",
        "job send_mail",
        "/toroku.certificate.v1.CertificateRegistry/Register",
        "/toroku.frontdoor.v1.Registration/Register",
    }
    found = await instance.poll(spans, lambda found: wanted <= {span.name for _, span in found} and not orphans(found))

    assert {service for service, _ in found} == SERVICES
    # A trace carries no personal data and no secret.
    text = str(found)
    for secret in (
        contractor.password,
        contractor.company_name,
        contractor.card_contact.person_name,
        contractor.session_token,
    ):
        assert secret not in text
