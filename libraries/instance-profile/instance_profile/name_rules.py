"""The catalogue of name rules: by what two pieces of names count as the same, may be the same, or differ (ADR 18)."""

from dataclasses import dataclass
from enum import StrEnum

from instance_profile.base import Text
from instance_profile.character_forms import FormTable


class NameVerdict(StrEnum):
    """How two names, or two pieces of names, compare; a search finds only what counts as the same."""

    SAME = "SAME"
    PERHAPS_SAME = "PERHAPS_SAME"
    DIFFERENT = "DIFFERENT"


class NameRule(StrEnum):
    """The code of a rule, as the registry sends it to officers."""

    SPACE = "SPACE"
    WIDTH = "WIDTH"
    CASE = "CASE"
    SIGN_KIND = "SIGN_KIND"
    VARIATION_SELECTOR = "VARIATION_SELECTOR"
    COMPATIBILITY_FORM = "COMPATIBILITY_FORM"
    RADICAL = "RADICAL"
    LEGAL_FORM_WRITING = "LEGAL_FORM_WRITING"
    VARIANT_OF_TAX_AGENCY = "VARIANT_OF_TAX_AGENCY"
    VARIANT_OF_FAMILY_REGISTER = "VARIANT_OF_FAMILY_REGISTER"
    VARIANT_OF_JIS = "VARIANT_OF_JIS"
    VARIANT_OF_OLD_JIS = "VARIANT_OF_OLD_JIS"
    VARIANT_IN_NAMES = "VARIANT_IN_NAMES"
    SMALL_KANA = "SMALL_KANA"
    KANA_OF_BOTH_SCRIPTS = "KANA_OF_BOTH_SCRIPTS"
    LEGAL_FORM_NOT_SPELLED_OUT = "LEGAL_FORM_NOT_SPELLED_OUT"
    VARIANT_BORNE_BY_ANOTHER = "VARIANT_BORNE_BY_ANOTHER"
    LEGAL_FORM_POSITION = "LEGAL_FORM_POSITION"
    LEGAL_FORM_MISSING = "LEGAL_FORM_MISSING"
    JOINT_VENTURE_KIND = "JOINT_VENTURE_KIND"
    MARK_MISSING = "MARK_MISSING"
    SMALL_TSU = "SMALL_TSU"
    KANA_SCRIPT = "KANA_SCRIPT"
    REPETITION = "REPETITION"
    LOOK_ALIKE = "LOOK_ALIKE"
    VARIANT_BY_READING = "VARIANT_BY_READING"
    LEGAL_FORM = "LEGAL_FORM"
    CHARACTER = "CHARACTER"


@dataclass(frozen=True, slots=True)
class RuleDescription:
    """What a rule says of the pieces that it is given for, and its words for officers."""

    verdict: NameVerdict
    words: Text


def _describe(verdict: NameVerdict, ja: str, en: str) -> RuleDescription:
    return RuleDescription(verdict, Text(ja=ja, en=en))


_SAME, _PERHAPS, _DIFFERENT = NameVerdict.SAME, NameVerdict.PERHAPS_SAME, NameVerdict.DIFFERENT
NAME_RULES = {
    NameRule.SPACE: _describe(_SAME, "空白の有無", "spaces"),
    NameRule.WIDTH: _describe(_SAME, "全角・半角", "full and half width"),
    NameRule.CASE: _describe(_SAME, "英字の大文字・小文字", "upper and lower case"),
    NameRule.SIGN_KIND: _describe(_SAME, "記号の種類（ハイフン、中点、括弧など）", "kinds of one sign"),
    NameRule.VARIATION_SELECTOR: _describe(_SAME, "字形の指定（IVS）", "the form chosen by a variation selector"),
    NameRule.COMPATIBILITY_FORM: _describe(_SAME, "互換文字（Unicode）", "a compatibility character of Unicode"),
    NameRule.RADICAL: _describe(
        _SAME, "部首の文字（PDFから写したもの。Unicode）", "a radical, as copied from PDF text"
    ),
    NameRule.LEGAL_FORM_WRITING: _describe(_SAME, "法人の種類の表記（略号など）", "the writing of a legal form"),
    NameRule.VARIANT_OF_TAX_AGENCY: _describe(
        _SAME, "異体字（国税庁 JIS縮退マップ）", "a variant (tax agency's table)"
    ),
    NameRule.VARIANT_OF_FAMILY_REGISTER: _describe(
        _SAME, "異体字（MJ縮退マップ、戸籍の通達・通知）", "a variant (MJ table, notices on the family register)"
    ),
    NameRule.VARIANT_OF_JIS: _describe(
        _SAME, "異体字（MJ縮退マップ、JIS包摂規準）", "a variant (MJ table, unified by JIS)"
    ),
    NameRule.VARIANT_OF_OLD_JIS: _describe(
        _SAME, "異体字（JIS X 0208の1983年の改正）", "a variant (exchanged by JIS X 0208 of 1983)"
    ),
    NameRule.VARIANT_IN_NAMES: _describe(_SAME, "異体字（本システムの一覧）", "a variant (this system's list)"),
    NameRule.SMALL_KANA: _describe(_SAME, "仮名の大小（慣用によるもの）", "small kana, by custom"),
    NameRule.KANA_OF_BOTH_SCRIPTS: _describe(_SAME, "平仮名・片仮名が同じ形の文字", "kana alike in both scripts"),
    NameRule.LEGAL_FORM_NOT_SPELLED_OUT: _describe(
        _PERHAPS,
        "法人の種類の略号（この分類の検索では略さずに入力）",
        "an abbreviated legal form, which this search refuses",
    ),
    NameRule.VARIANT_BORNE_BY_ANOTHER: _describe(
        _PERHAPS,
        "異体字（同じ名簿の別の業者の名称がこの字）",
        "a variant; another bidder of the roster bears this form",
    ),
    NameRule.LEGAL_FORM_POSITION: _describe(_PERHAPS, "法人の種類の位置（前・後）", "the position of the legal form"),
    NameRule.LEGAL_FORM_MISSING: _describe(_PERHAPS, "法人の種類の有無", "a legal form that one of them lacks"),
    NameRule.JOINT_VENTURE_KIND: _describe(
        _PERHAPS, "共同企業体の種類（特定、経常など）の有無", "the kind of a joint venture, which one of them lacks"
    ),
    NameRule.MARK_MISSING: _describe(_PERHAPS, "記号・長音の有無", "a mark that one of them lacks"),
    NameRule.SMALL_TSU: _describe(_PERHAPS, "ツとッ（音が異なる）", "ツ and ッ, which differ in sound"),
    NameRule.KANA_SCRIPT: _describe(_PERHAPS, "平仮名・片仮名", "hiragana and katakana"),
    NameRule.REPETITION: _describe(_PERHAPS, "繰返しの符号（々など）", "an iteration mark"),
    NameRule.LOOK_ALIKE: _describe(_PERHAPS, "形又は用法の似た文字", "characters alike in form or use"),
    NameRule.VARIANT_BY_READING: _describe(
        _PERHAPS,
        "読み・字形から推定される異体字（MJ縮退マップ）",
        "a variant inferred from reading and form (MJ table)",
    ),
    NameRule.LEGAL_FORM: _describe(_DIFFERENT, "法人の種類が異なる", "another legal form"),
    NameRule.CHARACTER: _describe(_DIFFERENT, "文字が異なる", "other characters"),
}
RULE_OF_TABLE = {
    FormTable.TAX_AGENCY: NameRule.VARIANT_OF_TAX_AGENCY,
    FormTable.FAMILY_REGISTER: NameRule.VARIANT_OF_FAMILY_REGISTER,
    FormTable.JIS: NameRule.VARIANT_OF_JIS,
    FormTable.EXCHANGED: NameRule.VARIANT_OF_OLD_JIS,
    FormTable.CONFUSED: NameRule.VARIANT_IN_NAMES,
}
