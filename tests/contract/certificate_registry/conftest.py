"""The running service, for every contract test of certificate-registry."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.officers import RunningOfficers, running_officers
from tests.support.services.running_certificate_registry import running_certificate_registry


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningCertificateRegistry]:
    """The service on an empty database, with the CA's CRL fetched."""
    async with running_certificate_registry(migrated_database("certificate_registry"), tmp_path) as running:
        yield running


@pytest.fixture
async def officers(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningOfficers]:
    """The service on an empty database, with the two administrators of the file of callers."""
    async with running_officers(migrated_database("certificate_registry"), tmp_path) as running:
        yield running
