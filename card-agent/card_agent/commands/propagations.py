"""`card-agent propagations`: how far what a card did has come at the other agencies."""

from card_agent.advice.propagations import look_at_propagations
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
    make_choices,
    make_pin_source,
    open_front_door,
    person_at_terminal,
    read_answers,
)


def show_propagations(
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
    """他の調達機関への自動反映の状況を表示する / Shows how far what the card did has come at the other agencies."""
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
        with open_front_door(choices.target) as front_door:
            look_at_propagations(
                front_door,
                choices.medium,
                person,
                choices.unfinished,
                instance_id=choices.target.instance,
                details=choices.details,
            )
