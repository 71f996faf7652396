"""The question to an officer, of a registration and of a renewal."""

from instance_profile.model import Profile
from portal.domain.journey import Journey, Step
from portal.pages import words
from portal.pages.explained import make_trouble
from portal.pages.parts import find_problem
from portal.pages.views import Button, Field, FormPage, Frame, Link, ResultPage, Row, Section, make_step_address


def build_approval(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> FormPage:
    """Returns the form that asks for the address of the answer."""
    address = Field(
        name="mail_address",
        label=words.APPROVAL_ADDRESS,
        kind="mail_address",
        value=journey.typed.get("mail_address", ""),
        hint=words.APPROVAL_HINT,
        required=True,
        problem=find_problem(journey.problem, "mail_address", profile, journey),
    )
    return FormPage(
        frame=frame,
        title=words.APPROVAL_TITLE,
        trouble=make_trouble(journey.problem, journey, profile),
        action=make_step_address(journey_id, Step.APPROVAL),
        sections=(Section(fields=(address,)),),
        buttons=(Button(label=words.ASK), Button(label=words.BACK, answer="back")),
    )


def build_asked(number: str, frame: Frame) -> ResultPage:
    """Returns the end of the question, with its number."""
    return ResultPage(
        frame=frame,
        title=words.ASKED,
        message=words.ASKED,
        rows=(Row(label=words.ASKED_NUMBER, value=number),),
        lines=(words.ASKED_NEXT,),
        links=(Link(label=words.TO_MENU, address=frame.menu),),
    )
