"""Legal forms in the names of companies (株式会社, 協業組合, 医療法人, 共同企業体 …) and how rosters abbreviate them.

Sources: the kinds of legal persons of the corporate number system (法人種別), the abbreviations of rosters (略号 of
construction permits, 建設業者・宅建業者等企業情報検索システム), and the lists of prefectures. A joint venture
(共同企業体, JV) is no legal form, but is abbreviated as one.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LegalForm:
    """Words of one legal form, or of several that rosters abbreviate alike.

    `words` and `abbreviations` are written as `name_key` folds them, the most likely word first. An abbreviation counts
    in brackets only.
    """

    words: tuple[str, ...]
    abbreviations: tuple[str, ...]
    # What a form may mean that says less: 共同企業体 beside 特定建設工事共同企業体.
    general: str = ""

    @property
    def token(self) -> str:
        """What stands for the form in a key. No name can contain it, because 〔 〕 are folded to ( )."""
        return f"〔{self.words[0]}〕"


JOINT_VENTURE = "共同企業体"
# Rosters write 協同組合 and 合同会社 both as （同）, and 合資会社, 合名会社 and 合同会社 all as （合）: these are
# one form.
LEGAL_FORMS = (
    LegalForm(("株式会社",), ("株",)),
    LegalForm(("有限会社", "特例有限会社"), ("有",)),
    LegalForm(
        ("合同会社", "合資会社", "合名会社", "協同組合", "協業組合"),
        ("同", "合", "資", "名", "協", "業", "協組", "協業"),
    ),
    LegalForm(("企業組合",), ("企", "企組", "企業")),
    LegalForm(("相互会社",), ("相",)),
    LegalForm(("一般社団法人", "公益社団法人", "社団法人"), ("一社", "公社", "社")),
    LegalForm(("一般財団法人", "公益財団法人", "財団法人"), ("一財", "公財", "財")),
    LegalForm(("医療法人", "医療法人社団", "医療法人財団"), ("医", "医社", "医財", "医療")),
    LegalForm(("社会医療法人",), ("社医",)),
    LegalForm(("社会福祉法人",), ("福", "社福")),
    LegalForm(("学校法人",), ("学",)),
    LegalForm(("宗教法人",), ("宗",)),
    LegalForm(
        ("特定非営利活動法人", "認定特定非営利活動法人", "npo法人", "認定npo法人"),
        ("特非", "認特非", "npo", "認npo"),
    ),
    LegalForm(("独立行政法人",), ("独", "独法")),
    LegalForm(("地方独立行政法人",), ("地独",)),
    LegalForm(("国立研究開発法人",), ("国研",)),
    LegalForm(("国立大学法人",), ("国大",)),
    LegalForm(("農事組合法人",), ("農",)),
    LegalForm(("農業協同組合",), ("農協",)),
    LegalForm(("漁業協同組合",), ("漁協",)),
    LegalForm(("生活協同組合",), ("生協",)),
    LegalForm(("森林組合",), ("森組",)),
    LegalForm(("労働者協同組合",), ("労協",)),
    LegalForm(("管理組合法人",), ("管",)),
    LegalForm(("有限責任事業組合", "llp"), ("責", "llp")),
    LegalForm(("弁護士法人",), ("弁",)),
    LegalForm(("司法書士法人",), ("司",)),
    LegalForm(("行政書士法人",), ("行",)),
    LegalForm(("税理士法人",), ("税",)),
    LegalForm(("社会保険労務士法人",), ("労", "社労")),
    LegalForm(("土地家屋調査士法人",), ("調査士",)),
    LegalForm(("弁理士法人", "特許業務法人"), ("弁理", "特")),
    LegalForm(("監査法人", "有限責任監査法人"), ("監",)),
    LegalForm((JOINT_VENTURE, "jv"), ("共", "jv", "企体")),
    LegalForm(
        ("特定建設工事共同企業体", "特定建設共同企業体", "特定共同企業体", "特定jv"),
        ("特共", "特jv", "特定jv"),
        JOINT_VENTURE,
    ),
    LegalForm(
        ("経常建設共同企業体", "経常共同企業体", "経常jv"),
        ("経共", "経jv", "経常jv"),
        JOINT_VENTURE,
    ),
    LegalForm(
        ("地域維持型建設共同企業体", "地域維持型共同企業体", "地域維持型jv"),
        ("地域jv", "地域維持型jv"),
        JOINT_VENTURE,
    ),
)

# By the token in a key.
FORM_OF_TOKEN = {form.token: form for form in LEGAL_FORMS}
_TOKEN_OF_WORD = {word: form.token for form in LEGAL_FORMS for word in form.words}
_TOKEN_OF_ABBREVIATION = {f"({short})": form.token for form in LEGAL_FORMS for short in form.abbreviations}
_SPELLED_OUT = {f"({short})": form.words[0] for form in LEGAL_FORMS for short in form.abbreviations}
# Where the abbreviation is that of another word than the first.
_SPELLED_OUT |= {
    "(合)": "合資会社",
    "(資)": "合資会社",
    "(名)": "合名会社",
    "(協)": "協同組合",
    "(協組)": "協同組合",
    "(業)": "協業組合",
    "(協業)": "協業組合",
    "(公社)": "公益社団法人",
    "(社)": "社団法人",
    "(公財)": "公益財団法人",
    "(財)": "財団法人",
    "(医社)": "医療法人社団",
    "(医財)": "医療法人財団",
    "(特)": "特許業務法人",
    "(認特非)": "認定特定非営利活動法人",
    "(認npo)": "認定特定非営利活動法人",
}
# Old forms inside legal forms (株式會社), which are the same word.
_OLD_FORMS = {"会": "會", "団": "團", "医": "醫", "学": "學", "独": "獨", "体": "體", "国": "國", "労": "勞"}


def _write_pattern(word: str) -> str:
    pattern = "".join(f"[{letter}{_OLD_FORMS[letter]}]" if letter in _OLD_FORMS else letter for letter in word)
    # jv and llp count as words of their own only.
    return f"(?<![a-z]){pattern}(?![a-z])" if word[0].isascii() or word[-1].isascii() else pattern


_WORDS = "|".join(map(_write_pattern, sorted(_TOKEN_OF_WORD, key=len, reverse=True)))
_ABBREVIATIONS = r"\((?:" + "|".join(sorted((text[1:-1] for text in _SPELLED_OUT), key=len, reverse=True)) + r")\)"
ABBREVIATION = re.compile(_ABBREVIATIONS)
WORD = re.compile(_WORDS)
WORD_OR_ABBREVIATION = re.compile(f"{_ABBREVIATIONS}|{_WORDS}")
_NEW_FORM = str.maketrans({old: new for new, old in _OLD_FORMS.items()})


def find_token(text: str) -> str:
    """Returns the token of a legal form that one of the patterns matched."""
    return _TOKEN_OF_ABBREVIATION.get(text) or _TOKEN_OF_WORD[text.translate(_NEW_FORM)]


def spell_out_abbreviation(text: str) -> str:
    """Returns the most likely word of an abbreviation in brackets, as keys write it; any other text unchanged."""
    return _SPELLED_OUT.get(text, text)
