"""What went wrong, in words: by the catalogue, with what this instance calls things."""

from collections.abc import Mapping

from instance_profile.hours import write_hours
from instance_profile.model import Profile
from portal.domain.journey import Journey, Problem
from portal.pages.views import Line, Trouble, Words
from refusals import Refusal
from refusals.catalogue import NEUTRAL_NAMES, explain
from servicekit.telemetry import trace_id


def make_trouble(problem: Problem | None, journey: Journey, profile: Profile) -> Trouble | None:
    """Returns the error summary of a problem: one line for each field, or one for the whole."""
    if problem is None:
        return None
    names = list_names(profile, journey.agency, journey.category)
    words = explain(problem.reason, problem.metadata, names)
    lines = tuple(Line(words=explain_field(problem, field, names), field=field) for field in problem.fields)
    return Trouble(
        lines=lines or (Line(words=Words(words.ja.what, words.en.what)),),
        next_step=Words(words.ja.next, words.en.next),
        number=problem.number,
    )


def explain_field(problem: Problem, field: str, names: Mapping[str, str]) -> Words:
    """Returns what is wrong with a field, and how to correct it."""
    words = explain(problem.fields[field], problem.field_metadata.get(field, {}), names)
    return Words(f"{words.ja.what}{words.ja.next}", f"{words.en.what} {words.en.next}")


def list_names(profile: Profile, agency: str, category: str) -> Mapping[str, str]:
    """Returns what things are called here, by the keys of NEUTRAL_NAMES."""
    desk, hours = profile.help_desk, write_hours(profile.opening_hours)
    of_category = profile.category(category)
    authorities, reissue = profile.card_authorities, of_category.reissue
    names = {
        "help_desk": (
            f"{desk.name.ja}（電話：{desk.telephone}、{desk.hours.ja}）",
            f"the {desk.name.en} (telephone {desk.telephone}, {desk.hours.en})",
        ),
        "bidder_id_label": (profile.bidder_id.label.ja, profile.bidder_id.label.en),
        "hours": (hours.ja, hours.en),
        "agency": (profile.agency(agency).name.ja, profile.agency(agency).name.en),
        "category": (of_category.name.ja, of_category.name.en),
        "reissue": (reissue.summary.ja, reissue.summary.en) if reissue else ("", ""),
        "search_checks": (
            "\n".join(f"・{check.ja}" for check in of_category.search_checks),
            "\n".join(f"- {check.en}" for check in of_category.search_checks),
        ),
        "authorities": (
            "、".join(authority.name.ja for authority in authorities),
            ", ".join(authority.name.en for authority in authorities),
        ),
    }
    given = {f"{name}_ja": ja for name, (ja, _) in names.items() if ja}
    given |= {f"{name}_en": en for name, (_, en) in names.items() if en}
    return {**NEUTRAL_NAMES, **given}


def make_trouble_of_refusal(refusal: Refusal, profile: Profile) -> Trouble:
    """Returns the error summary of a refusal outside of a journey."""
    names = list_names(profile, profile.agencies[0].code, profile.agencies[0].categories[0])
    words = explain(refusal.reason, refusal.metadata, names)
    return Trouble(
        lines=(Line(words=Words(words.ja.what, words.en.what)),),
        next_step=Words(words.ja.next, words.en.next),
        number=trace_id(),
    )
