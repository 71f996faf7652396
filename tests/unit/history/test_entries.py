"""The digests of an entry and of its details."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from history.entries import Chain, Entry, digest_details, digest_entry, write_details
from tests.support.history import ACT, CHAIN, make_entry

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
DIGEST = sha256(b"details").digest()


def write_by_hand(chain: Chain, entry: Entry) -> bytes:
    content: dict[str, Any] = {
        name: getattr(entry, name) for name in ("who", "what", "trace_id", "category", "bidder_id")
    }
    content |= {
        "instance": chain.instance,
        "registry": chain.registry,
        "happened_at": entry.happened_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "request_id": entry.request_id and str(entry.request_id),
        "certificate_sha256": entry.certificate_sha256 and entry.certificate_sha256.hex(),
        "agencies": list(entry.agencies),
        "details_digest": DIGEST.hex(),
    }
    return rfc8785.dumps(content)


@given(
    chain=st.builds(Chain, TEXTS, TEXTS),
    entry=st.builds(
        Entry,
        happened_at=st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 29), timezones=st.just(UTC)),
        who=TEXTS,
        what=TEXTS,
        request_id=st.none() | st.uuids(),
        trace_id=st.none() | TEXTS,
        certificate_sha256=st.none() | st.binary(min_size=32, max_size=32),
        category=st.none() | TEXTS,
        agencies=st.lists(TEXTS),
        bidder_id=st.none() | TEXTS,
        before=st.just({}),
        after=st.just({}),
    ),
)
def test_digest_of_an_entry_is_that_of_its_canonical_json(chain: Chain, entry: Entry) -> None:
    assert digest_entry(chain, entry, DIGEST) == sha256(b"\x00" + write_by_hand(chain, entry)).digest()


def test_instant_in_another_zone_is_the_same_instant() -> None:
    entry = make_entry(1)
    japan = entry.happened_at.astimezone(timezone(timedelta(hours=9)))
    assert digest_entry(CHAIN, replace(entry, happened_at=japan), DIGEST) == digest_entry(CHAIN, entry, DIGEST)


@pytest.mark.parametrize(
    "changes",
    [
        {"happened_at": make_entry(1).happened_at + timedelta(microseconds=1)},
        {"who": "card/2"},
        {"what": "revoked"},
        {"request_id": UUID(int=2)},
        {"request_id": None},
        {"trace_id": None},
        {"certificate_sha256": bytes(32)},
        {"certificate_sha256": None},
        {"category": "goods"},
        {"agencies": ("saitama",)},
        {"agencies": ("kawagoe", "saitama")},
        {"bidder_id": "2"},
        {"bidder_id": None},
    ],
)
def test_digest_covers_each_column(changes: dict[str, Any]) -> None:
    entry = make_entry(1)
    assert digest_entry(CHAIN, replace(entry, **changes), DIGEST) != digest_entry(CHAIN, entry, DIGEST)


def test_digest_covers_instance_registry_and_details() -> None:
    entry = make_entry(1)
    digests = {
        digest_entry(CHAIN, entry, DIGEST),
        digest_entry(CHAIN, entry, bytes(32)),
        digest_entry(Chain("kanagawa", CHAIN.registry), entry, DIGEST),
        digest_entry(Chain(CHAIN.instance, "qualification-registry"), entry, DIGEST),
    }
    assert len(digests) == 4


@given(
    st.recursive(
        st.none() | st.booleans() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(st.just("k"), inner)
    )
)
def test_details_are_canonical_json(value: object) -> None:
    entry = make_entry(1, before={"value": value}, after={"b": "1", "a": "2"})
    assert ACT.certificate is not None
    act = {
        "purpose": b64encode(ACT.purpose).decode(),
        "algorithm": ACT.algorithm,
        "signature": b64encode(ACT.signature).decode(),
        "certificate": b64encode(ACT.certificate).decode(),
    }
    expected: dict[str, Any] = {"before": {"value": value}, "after": {"b": "1", "a": "2"}, "act": act}
    assert write_details(entry).encode() == rfc8785.dumps(expected)


def test_details_without_an_act_have_none() -> None:
    assert json.loads(write_details(make_entry(1, act=None))).keys() == {"before", "after"}


def test_digest_of_details_covers_the_salt() -> None:
    assert digest_details(b"salt", "髙") == sha256(b"salt" + "髙".encode()).digest()
