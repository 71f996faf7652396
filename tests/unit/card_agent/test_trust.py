"""The trust file: which instance may be behind an endpoint."""

from pathlib import Path

import pytest

from card_agent.trust import Target, TrustedInstance, WatchedTrustFile, choose_target, read_trust_file
from refusals import Refusal

SAITAMA = TrustedInstance("saitama", "toroku.example:443", Path("/etc/ca.pem"))
CHIBA = TrustedInstance("chiba", "chiba.example:443")
FILE = Path("trust.yaml")


def choose(
    *trusted: TrustedInstance, instance: str | None = None, endpoint: str | None = None, authority: Path | None = None
) -> Target:
    return choose_target(trusted, FILE, instance=instance, endpoint=endpoint, authority=authority)


def test_file_is_read_and_a_relative_authority_lies_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "trust.yaml"
    file.write_text(
        "saitama: {endpoint: 'toroku.example:443', authority: ca.pem}\nchiba: {endpoint: 'chiba.example:443'}\n"
    )
    saitama, chiba = read_trust_file(file)
    assert saitama == TrustedInstance("saitama", SAITAMA.endpoint, tmp_path / "ca.pem")
    assert chiba == CHIBA


def test_no_file_trusts_no_instance(tmp_path: Path) -> None:
    assert read_trust_file(tmp_path / "trust.yaml") == ()


def test_watched_file_is_read_anew_when_it_changed_came_or_went(tmp_path: Path) -> None:
    file = tmp_path / "trust.yaml"
    watched = WatchedTrustFile(file)
    assert watched.read() == ()
    file.write_text("chiba: {endpoint: 'chiba.example:443'}\n")
    assert watched.read() == (CHIBA,)
    assert watched.read() is watched.read()
    file.write_text("chiba: {endpoint: 'chiba.example:444'}\n")
    assert [each.endpoint for each in watched.read()] == ["chiba.example:444"]
    file.write_text("[")
    for _ in range(2):
        with pytest.raises(Refusal, match="TRUST_FILE_INVALID"):
            watched.read()
    file.unlink()
    assert watched.read() == ()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("[", "YAML"),
        ("", "YAML"),
        ("a: b", "a"),
        ("1: {endpoint: 'a:1'}", "1"),
        ("a: {}", "a.endpoint"),
        ("a: {endpoint: host}", "a.endpoint"),
        ("a: {endpoint: 'h:1', ca: x}", "a.ca"),
        ("a: {endpoint: 'h:1', authority: ''}", "a.authority"),
        ("a: {endpoint: 'h:1', portal: 'https://h'}", "a.portal"),
        ("a: {endpoint: 'h:1'}\nb: {endpoint: 'h:1'}", "endpoint"),
    ],
)
def test_refusal_of_a_wrong_file_names_the_part(tmp_path: Path, content: str, part: str) -> None:
    file = tmp_path / "trust.yaml"
    file.write_text(content)
    with pytest.raises(Refusal) as refused:
        read_trust_file(file)
    assert (refused.value.reason, refused.value.metadata["part"]) == ("TRUST_FILE_INVALID", part)


def test_only_instance_is_the_default_and_others_are_named() -> None:
    expected = Target(SAITAMA.endpoint, SAITAMA.authority, "saitama")
    assert choose(SAITAMA) == choose(SAITAMA, CHIBA, instance="saitama") == expected
    assert choose(SAITAMA, authority=Path("x")) == Target(SAITAMA.endpoint, Path("x"), "saitama")


def test_trusted_endpoint_expects_its_own_instance() -> None:
    assert choose(SAITAMA, CHIBA, endpoint=CHIBA.endpoint).instance == "chiba"
    assert choose(SAITAMA, endpoint="h:1", instance="chiba") == Target("h:1", None, "chiba")


@pytest.mark.parametrize(
    ("instance", "endpoint", "reason"),
    [
        ("gunma", None, "INSTANCE_NOT_TRUSTED"),
        (None, None, "INSTANCE_NOT_CHOSEN"),
        ("chiba", SAITAMA.endpoint, "INSTANCE_DIFFERS"),
    ],
)
def test_what_the_file_does_not_decide_is_refused(instance: str | None, endpoint: str | None, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        choose(SAITAMA, CHIBA, instance=instance, endpoint=endpoint)
    assert refused.value.reason == reason
