"""What a diagnosis makes of clocks, certificates and media; the command itself has its own tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from card_agent.console.words import Words
from card_agent.diagnosis.cards import look_at_certificates, look_at_media
from card_agent.diagnosis.findings import Finding, Section, count_problems
from card_agent.diagnosis.instances import look_at_instances, measure_clock
from card_agent.diagnosis.text import write_text
from card_agent.diagnosis.this_pc import look_at_this_pc
from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import TokenCertificate
from card_agent.trust import TrustedInstance
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from toroku.frontdoor.v1 import front_door_pb2

NOW = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
LABEL = Words("項目", "Item")


def instance_at(now: datetime) -> front_door_pb2.Instance:
    instance = front_door_pb2.Instance(id="example")
    instance.opening.now.FromDatetime(now)
    return instance


@pytest.mark.parametrize(
    ("ahead", "is_problem"),
    [(0, False), (119, False), (-119, False), (121, True), (-121, True), (86400, True)],
)
def test_clock_may_differ_by_two_minutes(ahead: int, is_problem: bool) -> None:
    # The answer took two seconds: the server's clock was read in between.
    asked_at, answered_at = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    finding = measure_clock(instance_at(NOW - timedelta(seconds=ahead)), asked_at, answered_at)
    assert finding is not None
    assert (finding.is_problem, finding.value) == (is_problem, Words(f"{ahead:+d}秒", f"{ahead:+d} s"))


def test_server_without_a_clock_is_no_problem() -> None:
    assert measure_clock(front_door_pb2.Instance(), NOW, NOW) is None


def test_another_instance_at_the_address_is_a_problem() -> None:
    (looked_at,) = look_at_instances([TrustedInstance("saitama", "127.0.0.1:9")], lambda _: instance_at(NOW))
    assert looked_at.instance is None
    assert "example" in write_text([looked_at.section], "ja")


def test_foreign_card_beside_a_good_one_is_no_problem(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(key=new_ec_key())
    cards = [TokenCertificate(authority.issue(key=new_ec_key()).der, "9A") for _ in range(2)]
    foreign = FoundCertificate(cards[0], refusal=Refusal("CERTIFICATE_AUTHORITY_UNKNOWN"))
    good = FoundCertificate(cards[1], "test-ca")
    medium = Pkcs12File(tmp_path)
    both = [FoundMedium("one", medium, (foreign,)), FoundMedium("two", medium, (good,))]
    assert count_problems([look_at_certificates(both, {"test-ca": LABEL})]) == 0
    assert count_problems([look_at_certificates(both[:1], {})]) == 1
    # What is read after a PIN may be the right one.
    assert count_problems([look_at_certificates([both[0], FoundMedium("three", medium)], {})]) == 0
    assert count_problems([look_at_certificates([], {})]) == 0


def test_empty_reader_is_no_problem_and_a_stopped_service_is_one() -> None:
    empty = FoundMedium("reader", None, refusal=Refusal("CARD_NOT_INSERTED"))
    assert count_problems([look_at_media([empty])]) == 0
    stopped = look_at_media([FoundMedium("", None, refusal=Refusal("SMART_CARD_SERVICE_NOT_RUNNING"))])
    assert count_problems([stopped]) == 1
    assert stopped.findings[0].advice is not None


def test_log_that_can_not_be_written_is_a_problem(tmp_path: Path) -> None:
    section = look_at_this_pc(tmp_path, NOW, None, LABEL)
    assert [finding.label.en for finding in section.findings if finding.is_problem] == ["Newer version", "Log"]


def test_text_marks_problems_with_their_advice_and_hides_what_controls_a_terminal() -> None:
    problem = Finding(LABEL, "bad\x1b[2J", is_problem=True, advice=Words("一行目\n二行目", "first\nsecond"))
    text = write_text([Section(LABEL, (Finding(LABEL, "good"), problem))], "ja")
    assert "  項目: good\n" in text
    assert "  項目: 【要確認】bad\N{REPLACEMENT CHARACTER}[2J\n  | 一行目\n  | 二行目\n" in text
    assert "「要確認」の項目が1件あります。" in text
