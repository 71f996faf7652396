"""Request ids, and the canonical form of messages."""

from uuid import UUID

import pytest

from refusals import Refusal
from servicekit.messages import check_request_id


def test_request_id_is_a_uuid_in_its_usual_form() -> None:
    request_id = "0b8b6bb4-0d5e-4d43-9b58-1f6c1f2f2a11"
    assert check_request_id(request_id) == UUID(request_id)
    for wrong in ("", "1", "0B8B6BB4-0D5E-4D43-9B58-1F6C1F2F2A11", "{0b8b6bb4-0d5e-4d43-9b58-1f6c1f2f2a11}"):
        with pytest.raises(Refusal, match="REQUEST_ID_INVALID"):
            check_request_id(wrong)
