"""The link to the other language leads to the same page, also where the address says which one of its kind."""

import pytest

from tests.support.page_elements import Elements
from tests.support.services.portal import RunningPortal


@pytest.mark.parametrize(
    ("address", "leads_to"),
    [
        ("/agent?why=old", "/agent?why=old&language=en"),
        ("/end?operation=renewal", "/end?operation=renewal&language=en"),
        ("/end?operation=//evil.example", "/end?language=en"),
    ],
)
async def test_other_language_shows_the_same_page(portal: RunningPortal, address: str, leads_to: str) -> None:
    answer = await portal.open_browser().get(address)
    assert Elements(answer.body).one(hreflang="en")["href"] == leads_to
