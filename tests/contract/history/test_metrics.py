"""What a worker shows of the entries that wait to be sealed."""

from datetime import UTC, datetime, timedelta

import pytest

from history.metrics import SealMetrics
from history.writing import write_history
from servicekit.database import Database
from servicekit.metrics import Metrics
from servicekit.signed_statement import SigningKey
from tests.support.history import CHAIN, make_entry, seal_all

NAME = "toroku_history_oldest_unsealed_seconds"


async def read_metric(database: Database) -> float | None:
    metrics = Metrics("certificate-registry", "worker")
    async with database.read() as connection:
        await SealMetrics(metrics).look(connection)
    return metrics.registry.get_sample_value(NAME)


async def test_oldest_entry_that_is_not_sealed_shows_its_age(opened: Database, key: SigningKey) -> None:
    assert await read_metric(opened) == 0
    async with opened.transaction() as connection:
        for minutes in (10, 5):
            happened_at = datetime.now(UTC) - timedelta(minutes=minutes)
            await write_history(connection, CHAIN, [make_entry(minutes, happened_at=happened_at)])
    assert await read_metric(opened) == pytest.approx(600, abs=30)
    await seal_all(opened, key)
    assert await read_metric(opened) == 0
