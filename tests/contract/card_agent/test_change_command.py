"""`card-agent change` with a form file, as a script runs it: what the file has is changed, all else stays."""

import asyncio
import stat
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.changing_office import CARD_CONTACT, ChangingOffice
from tests.support.example_profile import CITY, PREFECTURE, WORKS
from tests.support.office import CONTACT

PASSWORD = "file-password"


async def run(office: ChangingOffice, folder: Path, form: dict[str, object], *further: str) -> tuple[int, str, str]:
    """Runs the command with a certificate file and a form; returns status, output and errors."""
    files = {
        "form.yaml": yaml.safe_dump({"agency": PREFECTURE, "category": WORKS, **form}).encode(),
        "pin": PASSWORD.encode(),
        "card.p12": office.card.pkcs12(PASSWORD.encode()),
        "ca.pem": office.server.authority,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "card_agent", "change", "--language", "ja", "--endpoint", office.server.address),
        *("--trust", "ca.pem", "--pkcs12", "card.p12", "--pin-file", "pin", "--form", "form.yaml"),
        *("--state-directory", "state", *further),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@pytest.mark.requirement("CHG-01")
async def test_form_file_changes_what_it_has_and_keeps_the_rest(
    changing_office: ChangingOffice, tmp_path: Path
) -> None:
    form: dict[str, object] = {CARD_CONTACT: {"telephone": "048-111-2222"}}
    status, output, errors = await run(changing_office, tmp_path, form, "--yes", "--receipt", "receipt.txt")
    assert status == 0, errors
    contact = changing_office.newest(CARD_CONTACT)
    assert (contact.telephone, contact.address) == ("048-111-2222", CONTACT["address"])
    receipt = tmp_path / "receipt.txt"
    assert "048-111-2222" in receipt.read_text("utf-8")
    assert stat.S_IMODE(receipt.stat().st_mode) == 0o600
    assert "変更が完了しました。" in output
    assert PASSWORD not in output + errors


@pytest.mark.requirement("CHG-05")
async def test_form_file_without_a_contact_only_shows_what_is_registered(
    changing_office: ChangingOffice, tmp_path: Path
) -> None:
    status, output, errors = await run(changing_office, tmp_path, {})
    assert status == 0, errors
    assert changing_office.changes == 0
    assert CONTACT["mail_address"] in output
    assert "変更せずに終了しました。" in output


@pytest.mark.requirement("CHG-02")
async def test_form_file_without_the_choice_of_other_agencies_is_refused(
    changing_office: ChangingOffice, tmp_path: Path
) -> None:
    await changing_office.have_registered(agencies=(CITY,))
    form: dict[str, object] = {CARD_CONTACT: {"telephone": "048-111-2222"}}
    status, _, errors = await run(changing_office, tmp_path, form, "--yes")
    assert (status, "[ANSWER_MISSING]" in errors, "propagate" in errors) == (1, True, True)
    status, _, errors = await run(changing_office, tmp_path, form | {"propagate": "here"}, "--yes")
    assert status == 0, errors
    assert changing_office.changes == 1
