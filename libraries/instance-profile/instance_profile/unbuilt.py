"""What a profile can say and this version of Toroku does not do yet: the one table of it, and where a profile says it.

A key that would change what the system does must not be passed over, because people would rely on it, and a card would
sign it: a service does not start with it. A key on which nobody relies yet, since it prepares what is to come, may be
given.
Every other key of the model has a reader (tools/profile_readers.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from instance_profile.agency import Agency, RulesInCategory
from instance_profile.base import Part
from instance_profile.category import Category, Proof, SearchField, SearchFieldRule, Stages
from instance_profile.display import CompanyField, CompanyFieldRule, ContactSection, ContactSectionRule
from instance_profile.model import Profile, Propagation
from instance_profile.operation import Operation

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbuiltKey:
    """A key of the model, or some of its values, that nothing carries out yet."""

    part: type[Part]
    key: str
    # What is missing, and what to write instead; ends a sentence.
    why: str
    # Whether a service refuses to start with it; otherwise it prepares what is to come, and nobody relies on it yet.
    prevents_start: bool
    # Whether a value asks for what is missing; without it every value does, and nothing reads the key.
    asks: Callable[[Any], bool] | None = None


@dataclass(frozen=True, slots=True)
class UnbuiltUse:
    """Where a profile asks for what is missing."""

    path: KeyPath
    unbuilt: UnbuiltKey


_EDITED = "no operation edits 企業情報 yet"
_USER_ID = "a ユーザID beside the bidder id is neither asked for nor known yet; leave it out"

UNBUILT: tuple[UnbuiltKey, ...] = (
    UnbuiltKey(
        part=Category,
        key="stages",
        why="a registered card would be good at once, since nothing confirms it; write one",
        prevents_start=True,
        asks=lambda stages: stages is not Stages.ONE,
    ),
    UnbuiltKey(
        part=Category,
        key="proof",
        why="there is no log-in without a card; write card, or leave the category out",
        prevents_start=True,
        asks=lambda proof: proof is not Proof.CARD,
    ),
    UnbuiltKey(
        part=SearchFieldRule,
        key="field",
        why=_USER_ID,
        prevents_start=True,
        asks=lambda field: field is SearchField.USER_ID,
    ),
    UnbuiltKey(
        part=Agency,
        key="required_search_fields",
        why=_USER_ID,
        prevents_start=True,
        asks=lambda fields: SearchField.USER_ID in fields,
    ),
    UnbuiltKey(
        part=RulesInCategory,
        key="required_search_fields",
        why=_USER_ID,
        prevents_start=True,
        asks=lambda fields: SearchField.USER_ID in (fields or ()),
    ),
    UnbuiltKey(
        part=CompanyFieldRule,
        key="field",
        why="資格審査情報 商号又は名称 is not kept yet; leave the field out",
        prevents_start=True,
        asks=lambda field: field is CompanyField.QUALIFICATION_NAME,
    ),
    UnbuiltKey(
        part=CompanyFieldRule,
        key="editable_at",
        why="every operation takes 企業情報 from the roster as it is; leave the key out",
        prevents_start=True,
    ),
    UnbuiltKey(
        part=ContactSectionRule,
        key="section",
        why="the contact of a requester is not asked for yet; leave the section out",
        prevents_start=True,
        asks=lambda section: section is ContactSection.REQUESTER,
    ),
    UnbuiltKey(
        part=Profile,
        key="propagation",
        why="nothing carries out the nightly batch; write at_once or none",
        prevents_start=True,
        asks=lambda propagation: propagation is Propagation.NIGHT,
    ),
    UnbuiltKey(
        part=Profile,
        key="company_id",
        why="no 企業ID is assigned yet; leave the key out",
        prevents_start=True,
    ),
    UnbuiltKey(
        part=Profile,
        key="application_desk",
        why="the application desk (利用申込) does not exist yet; leave the key out",
        prevents_start=True,
    ),
    UnbuiltKey(
        part=Profile,
        key="propagation_chosen_at",
        why="a registration always reaches the other agencies; leave registration out",
        prevents_start=True,
        asks=lambda operations: Operation.REGISTRATION in operations,
    ),
    UnbuiltKey(part=CompanyFieldRule, key="kind", why=_EDITED, prevents_start=False),
    UnbuiltKey(part=CompanyFieldRule, key="most_characters", why=_EDITED, prevents_start=False),
    UnbuiltKey(
        part=Category,
        key="card_outlives_lapse",
        why="a bidder that officers make the successor of another one gets none of its cards yet",
        prevents_start=False,
    ),
)


def find_unbuilt(profile: Profile) -> list[UnbuiltUse]:
    """Returns every place at which a profile asks for what is missing, in the profile's order of keys."""
    return list(_walk(profile, ()))


def _walk(part: Part, path: KeyPath) -> Iterator[UnbuiltUse]:
    # Only keys that were given: a default asks for nothing.
    for key in type(part).model_fields:
        if key not in part.model_fields_set:
            continue
        value = getattr(part, key)
        uses = [UnbuiltUse((*path, key), unbuilt) for unbuilt in _find_rules(part, key) if _asks(unbuilt, value)]
        yield from uses
        if not any(use.unbuilt.asks is None for use in uses):
            entries = enumerate(value) if isinstance(value, tuple) else ()
            for inner, inner_path in ((value, ()), *((entry, (position,)) for position, entry in entries)):
                if isinstance(inner, Part):
                    yield from _walk(inner, (*path, key, *inner_path))


def _find_rules(part: Part, key: str) -> list[UnbuiltKey]:
    return [unbuilt for unbuilt in UNBUILT if type(part) is unbuilt.part and unbuilt.key == key]


def _asks(unbuilt: UnbuiltKey, value: Any) -> bool:
    # An empty list, or null, asks for nothing; false is a value.
    if unbuilt.asks is None:
        return value is not None and value != ()
    return unbuilt.asks(value)
