"""`card-agent advise`: which operation is right for a card."""

from datetime import UTC, datetime

from card_agent.advice.advise import advise
from card_agent.commands.options import (
    DetailsOption,
    EndpointOption,
    FormOption,
    InstanceOption,
    LanguageOption,
    PinDescriptorOption,
    PinFileOption,
    Pkcs11Option,
    Pkcs12Option,
    ReaderOption,
    SlotOption,
    TrustFileOption,
    TrustOption,
)
from card_agent.commands.surroundings import (
    Choices,
    make_choices,
    make_pin_source,
    open_front_door,
    person_at_terminal,
    read_answers,
)
from card_agent.console.person import Person


def advise_on_card(
    endpoint: EndpointOption = None,
    trust: TrustOption = None,
    instance: InstanceOption = None,
    trust_file: TrustFileOption = None,
    reader: ReaderOption = None,
    slot: SlotOption = None,
    pkcs12: Pkcs12Option = None,
    pkcs11: Pkcs11Option = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    form: FormOption = None,
    details: DetailsOption = False,
    language: LanguageOption = None,
) -> None:
    """登録・変更・ICカード更新のどれがよいかを調べる / Says which operation is right for the card, and by when."""
    with person_at_terminal(language) as person:
        person.pin_source = make_pin_source(pin_file, pin_fd)
        person.answers = read_answers(form)
        choices = make_choices(
            endpoint=endpoint,
            trust=trust,
            instance=instance,
            trust_file=trust_file,
            reader=reader,
            slot=slot,
            pkcs12=pkcs12,
            pkcs11=pkcs11,
            details=details,
        )
        run_advice(person, choices)


def run_advice(person: Person, choices: Choices) -> None:
    """Shows which operation is right for a card."""
    with open_front_door(choices.target) as front_door:
        advise(
            front_door,
            choices.medium,
            person,
            choices.unfinished,
            lambda: datetime.now(UTC),
            instance_id=choices.target.instance,
            details=choices.details,
        )
