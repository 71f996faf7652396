"""Authentication and access: TLS, the only URI of the certificate, and the access option."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from google.protobuf.wrappers_pb2 import StringValue
from grpc.experimental import session_cache  # type: ignore[attr-defined]  # the type stubs do not know it
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from refusals import Refusal
from refusals.status import from_rpc_error
from servicekit.credentials import CertificateFiles, create_channel_credentials
from tests.support.echo_service import OPTIONS, SECRET, EchoService, EchoStub, echo_stub, request, running_echo_service
from tests.support.in_process import calling
from tests.support.waiting import wait_until


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[EchoService]:
    async with running_echo_service(tmp_path) as opened:
        yield opened


async def failure_of(call: Any) -> grpc.aio.AioRpcError:
    """The error that a call or a stream of answers ends with."""
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call was not refused")


async def refusal_of(call: Any) -> Refusal:
    """The refusal that a call ends with."""
    return from_rpc_error(await failure_of(call))


async def ask(address: str, files: CertificateFiles, agency: str = "") -> str:
    """The answer of the service; raises Refusal."""
    async with echo_stub(address, files) as stub:
        try:
            answer: StringValue = await stub.ask(request(agency), timeout=10)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        return answer.value


async def test_service_is_identified_by_the_only_uri_of_its_certificate(echo: EchoService) -> None:
    assert await ask(echo.internal, echo.services.service("front-door")) == "service front-door"


@pytest.mark.parametrize(
    "uris",
    [
        (),
        ("spiffe://saitama/service/front-door", "spiffe://saitama/service/agency-sync"),
        ("spiffe://aomori/service/front-door",),
        ("spiffe://saitama/service/front-door/more",),
    ],
    ids=["no URI", "two URIs", "another instance", "longer"],
)
async def test_certificate_with_other_names_is_refused(echo: EchoService, uris: tuple[str, ...]) -> None:
    # The DNS name "front-door" must not count.
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        await ask(echo.internal, echo.services.named("front-door", *uris))
    assert echo.servicer.calls == 0


async def test_service_certificate_fails_tls_at_the_agency_listener(echo: EchoService) -> None:
    service = echo.services.service("front-door")
    with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
        await ask(echo.agency, service)
    assert await ask(echo.internal, service) == "service front-door"


async def test_agency_certificate_fails_tls_at_the_internal_listener(echo: EchoService) -> None:
    agency = echo.agency_files(echo.agencies.agency("kawagoe-city"))
    with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
        await ask(echo.internal, agency, "kawagoe-city")
    assert await ask(echo.agency, agency, "kawagoe-city") == "agency kawagoe-city"


async def test_client_without_a_certificate_is_refused(echo: EchoService) -> None:
    assert echo.own.trusted is not None
    credentials = grpc.ssl_channel_credentials(echo.own.trusted.read_bytes())
    for address in (echo.internal, echo.agency):
        async with grpc.aio.secure_channel(
            address, credentials, (("grpc.ssl_target_name_override", "echo"),)
        ) as channel:
            refusal = await refusal_of(EchoStub(channel).ask(request(), timeout=5))
        assert refusal.reason == "PEER_UNREACHABLE"
    assert echo.servicer.calls == 0


async def test_service_not_named_by_the_access_option_is_refused_on_every_kind_of_method(echo: EchoService) -> None:
    async with echo_stub(echo.internal, echo.services.service("agency-sync")) as stub:
        for call in (
            stub.ask(request()),
            stub.follow(request()),
            stub.talk(iter([request()])),
            stub.gather(iter([request()])),
        ):
            assert (await refusal_of(call)).reason == "CALLER_NOT_ALLOWED"
    assert echo.servicer.calls == 0


async def test_streams_identify_the_caller_as_single_calls_do(echo: EchoService) -> None:
    async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:
        assert [answer.value async for answer in stub.follow(request())] == ["first", "service front-door"]
        talked = [answer.value async for answer in stub.talk(iter([request(), request()]))]
        assert talked == ["service front-door"] * 2
        assert (await stub.gather(iter([request()]))).value == "service front-door"


async def test_methods_for_anyone_are_open_at_the_public_listener_only(echo: EchoService) -> None:
    assert echo.own.trusted is not None
    credentials = grpc.ssl_channel_credentials(echo.own.trusted.read_bytes())
    options = (("grpc.ssl_target_name_override", "public"),)
    async with grpc.aio.secure_channel(echo.public, credentials, options) as channel:
        assert (await EchoStub(channel).ask_publicly(request())).value == "anyone anyone"
        assert (await refusal_of(EchoStub(channel).ask(request()))).reason == "CALLER_NOT_ALLOWED"
    async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:
        assert (await refusal_of(stub.ask_publicly(request()))).reason == "CALLER_NOT_ALLOWED"


async def test_agency_may_name_only_itself_in_single_calls_and_streams(echo: EchoService) -> None:
    files = echo.agency_files(echo.agencies.agency("kawagoe-city"))
    async with echo_stub(echo.agency, files) as stub:
        assert (await stub.ask(request("kawagoe-city"))).value == "agency kawagoe-city"
        assert len([answer async for answer in stub.follow(request("kawagoe-city"))]) == 2
        for call in (stub.ask(request("saitama-city")), stub.follow(request("saitama-city")), stub.ask(request())):
            assert (await refusal_of(call)).reason == "AGENCY_NOT_OWN"
    assert echo.servicer.calls == 2


async def test_officer_needs_the_role_for_a_stream(echo: EchoService) -> None:
    files = echo.agency_files(echo.officers.enrol("kawagoe-city/hanako", "roster"))
    other = echo.agency_files(echo.officers.enrol("kawagoe-city/taro", "password"))
    async with echo_stub(echo.agency, files) as stub:
        talked = [answer.value async for answer in stub.talk(iter([request()]))]
        assert talked == ["officer kawagoe-city/hanako"]
    async with echo_stub(echo.agency, other) as stub:
        assert (await refusal_of(stub.talk(iter([request()])))).reason == "CALLER_NOT_ALLOWED"


async def test_certificate_with_an_unregistered_key_is_refused(echo: EchoService) -> None:
    files = echo.agency_files(echo.agencies.agency("kawagoe-city"))
    echo.agencies.callers.write_text(f"agencies:\n  kawagoe-city:\n    key_sha256: ['{'0' * 64}']\n")
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        await ask(echo.agency, files, "kawagoe-city")


async def test_withdrawn_fingerprint_is_refused_at_the_next_call_of_an_open_connection(echo: EchoService) -> None:
    files = echo.agency_files(echo.agencies.agency("kawagoe-city"))
    async with echo_stub(echo.agency, files) as stub:
        assert (await stub.ask(request("kawagoe-city"))).value == "agency kawagoe-city"
        echo.agencies.callers.write_text("agencies: {}\n")
        assert (await refusal_of(stub.ask(request("kawagoe-city")))).reason == "CALLER_UNKNOWN"
        assert (await refusal_of(stub.follow(request("kawagoe-city")))).reason == "CALLER_UNKNOWN"


LISTENERS = pytest.mark.parametrize("listener", ["internal", "agency"])
# Long enough for the first call, short enough to wait for.
SHORT = timedelta(seconds=6)


def short_lived(echo: EchoService, listener: str) -> tuple[str, CertificateFiles, str]:
    """The address of a listener, a certificate for it that expires soon, and the agency that its calls name."""
    if listener == "internal":
        return echo.internal, echo.services.service("front-door", SHORT), ""
    return echo.agency, echo.agency_files(echo.agencies.agency("kawagoe-city", SHORT)), "kawagoe-city"


@LISTENERS
async def test_expired_certificate_is_refused_at_the_next_call_of_an_open_connection(
    echo: EchoService, listener: str
) -> None:
    address, files, agency = short_lived(echo, listener)
    async with grpc.aio.secure_channel(address, create_channel_credentials(files), OPTIONS) as channel:
        stub = EchoStub(channel)
        assert (await stub.ask(request(agency))).value

        async def is_refused() -> bool:
            try:
                await stub.ask(request(agency))
            except grpc.aio.AioRpcError as error:
                return from_rpc_error(error).reason == "CALLER_CERTIFICATE_NOT_VALID"
            return False

        await wait_until(is_refused)
        assert (await refusal_of(stub.follow(request(agency)))).reason == "CALLER_CERTIFICATE_NOT_VALID"
        if listener == "internal":
            for call in (stub.talk(iter([request()])), stub.gather(iter([request()]))):
                assert (await refusal_of(call)).reason == "CALLER_CERTIFICATE_NOT_VALID"
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        listing = reflection_pb2.ServerReflectionRequest(list_services="")
        refusal = await refusal_of(reflection.ServerReflectionInfo(iter([listing]), timeout=10))
        assert refusal.reason == "CALLER_CERTIFICATE_NOT_VALID"


@LISTENERS
async def test_expired_certificate_is_refused_on_a_resumed_tls_session(echo: EchoService, listener: str) -> None:
    address, files, agency = short_lived(echo, listener)
    expires = x509.load_pem_x509_certificate(files.certificate.read_bytes()).not_valid_after_utc
    resuming = (*OPTIONS, ("grpc.ssl_session_cache", session_cache.ssl_session_cache_lru(1)))

    async def ask_anew(options: tuple[tuple[str, Any], ...]) -> None:
        async with grpc.aio.secure_channel(address, create_channel_credentials(files), options) as channel:
            await EchoStub(channel).ask(request(agency))

    async def has_expired() -> bool:
        return datetime.now(UTC) > expires

    await ask_anew(resuming)
    await wait_until(has_expired)
    # The handshake of a resumed session does not look at the certificate: the call itself is refused.
    assert (await refusal_of(ask_anew(resuming))).reason == "CALLER_CERTIFICATE_NOT_VALID"
    # A full handshake fails.
    assert (await refusal_of(ask_anew(OPTIONS))).reason == "PEER_UNREACHABLE"


async def test_withdrawn_certificate_gets_no_reflection(echo: EchoService) -> None:
    files = echo.agency_files(echo.agencies.agency("kawagoe-city"))
    echo.agencies.callers.write_text("agencies: {}\n")
    async with grpc.aio.secure_channel(echo.agency, create_channel_credentials(files), OPTIONS) as channel:
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        listing = reflection_pb2.ServerReflectionRequest(list_services="")
        refusal = await refusal_of(reflection.ServerReflectionInfo(iter([listing]), timeout=10))
    assert refusal.reason == "CALLER_UNKNOWN"


async def test_malformed_callers_file_is_named_as_the_cause(echo: EchoService) -> None:
    files = echo.agency_files(echo.agencies.agency("kawagoe-city"))
    echo.agencies.callers.write_text("agencies: [not, a, mapping")
    with pytest.raises(Refusal, match="CALLERS_UNREADABLE"):
        await ask(echo.agency, files, "kawagoe-city")
    assert await ask(echo.internal, echo.services.service("front-door")) == "service front-door"


@pytest.mark.parametrize("method", ["ask", "follow"])
async def test_unexpected_exception_shows_the_caller_only_its_trace_id(
    echo: EchoService, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:
        failure = await failure_of(getattr(stub, method)(request(behaviour="fail")))
    refusal = from_rpc_error(failure)
    assert (refusal.reason, list(refusal.metadata), refusal.violations) == ("INTERNAL_FAILURE", ["trace_id"], ())
    trace = refusal.metadata["trace_id"]
    assert re.fullmatch("[0-9a-f]{32}", trace)
    visible = f"{failure.details()} {failure.trailing_metadata()!r}"
    assert "hunter2" not in visible
    assert "RuntimeError" not in visible
    # The trace id leads to the details in the log.
    (logged,) = [record for record in caplog.records if trace in record.getMessage()]
    assert logged.exc_info is not None
    assert SECRET in str(logged.exc_info[1])


async def test_refusal_with_violations_is_read_back_by_a_peer(echo: EchoService) -> None:
    async with calling(echo.services.service("front-door"), echo=echo.internal) as peers:
        stub = peers.stub("echo", EchoStub)
        with pytest.raises(Refusal, match="FIELDS_INVALID") as refused:
            await stub.ask(request(behaviour="refuse"))
    assert refused.value.metadata == {"agency": "川口市"}
    (violation,) = refused.value.violations
    assert (violation.field, violation.reason, violation.metadata) == (
        "card_contact.address",
        "FIELD_TOO_LONG",
        {"most": "60", "actual": "61"},
    )
    assert echo.servicer.calls == 1


async def test_server_with_another_name_is_not_accepted_as_the_peer(echo: EchoService) -> None:
    async with calling(echo.services.service("front-door"), contact_notification=echo.internal) as peers:
        with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
            await peers.stub("contact-notification", EchoStub).ask(request(), timeout=2)
    assert echo.servicer.calls == 0
