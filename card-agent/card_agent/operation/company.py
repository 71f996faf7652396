"""企業情報: the company of the roster, by the labels of the instance (QUA-07)."""

from card_agent.console import words
from card_agent.console.person import Row
from card_agent.console.place import Place
from card_agent.console.words import Words, to_words
from toroku.frontdoor.v1 import front_door_pb2
from toroku.qualification.v1 import bidder_pb2

_GRADES = "grades"


def list_company_rows(company: bidder_pb2.CompanyProfile, place: Place) -> list[Row]:
    """Returns the rows of 企業情報: the fields that the category shows, in its order; missing values marked as such."""
    category = place.category or front_door_pb2.Category()
    if category.company_fields:
        labels = {shown.field: to_words(shown.label) for shown in category.company_fields}
    else:
        given = {name: label for name, label in words.FURTHER_COMPANY_FIELDS.items() if getattr(company, name)}
        labels = {"bidder_id": place.bidder_id_label, **words.COMPANY_FIELDS, **given}
    if company.branch and not {"name", "branch"} & set(labels):
        labels["branch"] = words.BRANCH
    rows: list[Row] = []
    for name, label in labels.items():
        if name == _GRADES:
            rows += _list_grade_rows(label, company, category)
        elif name == "name":
            rows.append((label, name_company(company)))
        elif name in company.DESCRIPTOR.fields_by_name:
            rows.append((label, getattr(company, name) or words.NOT_GIVEN))
    return rows


def name_company(company: bidder_pb2.CompanyProfile) -> str:
    """Returns the company's name with the branch to which bidding is delegated."""
    return f"{company.name}　{company.branch}" if company.branch else company.name


def _list_grade_rows(label: Words, company: bidder_pb2.CompanyProfile, category: front_door_pb2.Category) -> list[Row]:
    kinds = [kind.kind for kind in category.grade_kinds]
    rows: list[Row] = []
    for kind in kinds:
        grades = [grade.grade for grade in company.grades if grade.kind == kind and grade.grade]
        rows += [(label, f"{kind}　{grade}") for grade in grades]
        if not grades:
            rows.append((label, Words(f"{kind}　{words.NO_GRADE.ja}", f"{kind}: {words.NO_GRADE.en}")))
    rows += [(label, f"{grade.kind}　{grade.grade}".strip()) for grade in company.grades if grade.kind not in kinds]
    return rows or [(label, words.NOT_GIVEN)]
