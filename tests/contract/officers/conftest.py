"""A service that officers call, for every test of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servicekit.officer_proof import STATEMENT_PREFIX
from servicekit.signed_statement import SigningKey
from tests.support.desk_service import Desk, running_desk


@pytest.fixture
def proof_key() -> SigningKey:
    """The key by which certificate-registry signs officer proofs."""
    return SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX)


@pytest.fixture
async def desk(database: str, tmp_path: Path, proof_key: SigningKey) -> AsyncIterator[Desk]:
    async with running_desk(tmp_path, database, proof_keys={proof_key.key_id: proof_key.public_key}) as opened:
        yield opened
