"""An instance's own text of the mails can name its help desk's mail address and page (ENT-08)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.example_profile import example_profile
from tests.support.services.contact_messages import staging_request
from tests.support.services.contact_notification import running_contact_notification


@pytest.mark.requirement("ENT-08")
async def test_mail_of_a_registration_has_the_help_desks_mail_address_and_page(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = example_profile()
    mails = profile.mails.model_dump(mode="json")
    mails["registration"]["body"] += "\nお問い合わせ: {help_desk_mail_address} {help_desk_url}\n"
    dsn = migrated_database("contact_notification")
    async with running_contact_notification(dsn, tmp_path, example_profile(mails=mails)) as contacts:
        await contacts.register(staging_request(1))
        await contacts.send_all()
        bodies = [mail.message.get_content() for mail in contacts.mailbox.mails]

    desk = profile.help_desk
    assert any(f"お問い合わせ: {desk.mail_address} {desk.url}" in body for body in bodies), bodies
