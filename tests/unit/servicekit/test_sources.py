"""Token buckets, and which addresses are one source."""

import pytest

from servicekit.sources import read_source
from servicekit.token_buckets import Rate, TokenBuckets


@pytest.mark.parametrize(
    ("peer", "source"),
    [
        ("ipv4:192.0.2.1:40000", bytes([192, 0, 2, 1])),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:40000", bytes.fromhex("20010db800010002")),
        ("ipv6:[2001:db8:1:2::9]:1", bytes.fromhex("20010db800010002")),
        ("ipv6:%5B::ffff:192.0.2.1%5D:40000", bytes([192, 0, 2, 1])),
        ("ipv6:%5Bfe80::1%25eth0%5D:40000", bytes.fromhex("fe80000000000000")),
        ("unix:/run/toroku.sock", b"unix:/run/toroku.sock"),
        ("ipv4:nonsense", b"ipv4:nonsense"),
    ],
)
def test_source_of_a_peer(peer: str, source: bytes) -> None:
    assert read_source(peer) == source


def test_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = [100.0]
    buckets = TokenBuckets(Rate(burst=3, per_second=0.5), clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2]
    assert buckets.take("b") == 0
    now[0] += 1
    assert buckets.take("a") == 1
    now[0] += 1
    assert [buckets.take("a"), buckets.take("a")] == [0, 2]
    now[0] += 1000
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2]


def test_table_of_buckets_is_bounded() -> None:
    buckets = TokenBuckets(Rate(burst=1, per_second=0.001), most_keys=100, clock=lambda: 0.0)
    for key in range(1000):
        assert buckets.take(key) == 0
        # One that is used all the time stays known.
        assert (buckets.take("always") > 0) is (key > 0)
    assert len(buckets) == 100
