"""登録 as a person does it in Firefox: real portal, agent, reader, card and instance."""

from pathlib import Path

from instance_profile.name_pieces import spell_out
from tests.support.person_at_portal import Desk, new_contractor
from tests.support.person_at_toroku import find_origin, trust_toroku, write_contact, write_search
from tests.support.person_in_firefox import person_in_firefox
from tests.support.running_agent import PHRASE, agent_of_a_person
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

PIN = "246810"


async def test_card_is_registered_in_firefox(instance: RunningInstance, desk: Desk, tmp_path: Path) -> None:
    contractor = new_contractor(instance)
    desk.insert(contractor.card, PIN)
    ok = "button[name=answer][value=ok]"
    with agent_of_a_person(tmp_path / "home", {instance.profile.id: trust_toroku(instance)}) as agent:
        agent.choose_phrase(PHRASE)
        agent.start()
        async with person_in_firefox(tmp_path) as person:
            await person.go(agent.address)
            await person.click("button[name=instance]")
            await person.wait_for(find_origin(instance))
            await person.see(".doors")
            await person.go(f"{find_origin(instance)}/agencies/{contractor.agency}/{contractor.category}/menu")
            await person.click("button[name=operation][value=registration]")
            await person.use_agent()
            await person.use_agent(PIN)
            await person.fill_in(write_search(contractor, spell_out(contractor.company_name)))
            await person.click(ok)
            await person.wait_for("/form")
            await person.fill_in(write_contact("representative_contact", contractor.representative_contact))
            await person.fill_in(write_contact("card_contact", contractor.card_contact))
            await person.click(ok)
            await person.wait_for("/check")
            await person.click(ok)
            await person.wait_for("/act")
            await person.use_agent()
            await person.wait_for("/result")

            receipt = await person.read()
    assert "登録が完了しました。" in receipt
    assert contractor.card_contact.mail_address in receipt
    answer = await instance.resolve(contractor)
    assert (answer.verdict, answer.bidder_id) == (ResolveUserResponse.VERDICT_GOOD, contractor.bidder_id)
