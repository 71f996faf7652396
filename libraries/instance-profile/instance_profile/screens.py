"""The words of the portal's screens that differ between prefectures: titles, notes and boxes of the manuals.

Without a word of the profile the portal shows its own, or nothing.
"""

from instance_profile.base import Part, Text


class Box(Part):
    """Help beside a screen: a title such as 【ユーザIDについて】, and its lines."""

    title: Text
    """The title of the box."""
    lines: tuple[Text, ...]
    """What it says, one paragraph each."""


class HeaderWords(Part):
    """The words at the top of every screen (S-HDR)."""

    owner: Text | None = None
    """Whose system it is, for example 埼玉県."""
    name: Text | None = None
    """What the system is called, for example 電子入札共同システム; without it the instance's name."""
    system: Text | None = None
    """The kind of system, for example CALS/EC 電子入札システム."""
    tab: Text | None = None
    """The tab of this system's own menu, for example 利用者登録処理."""


class EntryScreen(Part):
    """システム入口: the doors to this system and its neighbours (S-ENT-01, ENT-05)."""

    title: Text | None = None
    """The title of the screen."""
    name: Text | None = None
    """What the door to this system is called, for example 電子入札システム."""
    hours: Text | None = None
    """When that door is open, in words; without them made from the opening hours."""
    purposes: tuple[Text, ...] = ()
    """What that door is for, one line each."""


class ChoiceScreen(Part):
    """調達機関、業務選択画面: the choice of agency and category (S-REG-01)."""

    title: Text | None = None
    """The title of the screen."""
    audience: Text | None = None
    """For whom it is, for example (受注者用)."""
    message: Text | None = None
    """What is to be done."""
    category_mark: str = ""
    """What stands before the name of each category, for example ◎."""
    notes: tuple[Text, ...] = ()
    """What to mind, one line each."""


class TopScreens(Part):
    """The two screens between the choice and the menu (S-REG-02, S-REG-03)."""

    title: Text | None = None
    """The title of 利用者登録／電子入札選択画面."""
    registration: Text | None = None
    """The link to this system."""
    bidding: Text | None = None
    """The link to the e-bidding system (ENT-10)."""
    top_title: Text | None = None
    """The title of 受注者トップ画面."""
    menu: Text | None = None
    """The button that leads to the menu, for example 利用者登録処理."""


class MenuScreen(Part):
    """利用者登録メニュー (S-REG-04)."""

    title: Text | None = None
    """The title of the screen."""
    heading: Text | None = None
    """The heading for those who take part at several agencies."""
    lines: tuple[Text, ...] = ()
    """What is said below that heading."""
    guide: tuple[Box, ...] = ()
    """What each operation is for and what to mind, as the manual explains it (S-INF-01)."""


class SearchScreen(Part):
    """The search for the bidder (S-REG-06); its title, fields and hints are the category's."""

    lines: tuple[Text, ...] = ()
    """What is to be done."""
    name_note: Text | None = None
    """What is printed beside 商号又は名称, before the field's own hint."""
    bidder_id_note: Text | None = None
    """The same beside the bidder id."""
    boxes: tuple[Box, ...] = ()
    """Help beside the screen."""
    already_registered: tuple[Text, ...] = ()
    """What is said where the card is registered already: first the message, then what it means (S-REG-05M)."""


class FormScreen(Part):
    """The forms of 登録 and 変更 (S-REG-07, S-CHG-06)."""

    registration_title: Text | None = None
    """The title of the form of 登録."""
    change_title: Text | None = None
    """The title of the form of 変更."""
    company: Text | None = None
    """The heading of 企業情報."""
    notes: tuple[Text, ...] = ()
    """What is said beside the form of 登録."""
    button: Text | None = None
    """The button to the check, for example 入力内容確認."""


class CheckScreen(Part):
    """The checks before an act (S-REG-08, S-CHG-07, S-REN-07)."""

    registration_title: Text | None = None
    """The title of the check of 登録."""
    change_title: Text | None = None
    """The title of the check of 変更."""
    renewal_title: Text | None = None
    """The title of the check of ICカード更新."""
    card: Text | None = None
    """The heading of ICカード情報."""
    change_message: Text | None = None
    """What stands before the button of 変更."""
    old_card: Text | None = None
    """The heading of the card in use."""
    new_card: Text | None = None
    """The heading of the card that takes its place."""
    renewal_notes: tuple[Text, ...] = ()
    """What is said below the two cards."""
    renewal_message: Text | None = None
    """What stands before the button of ICカード更新."""
    chosen_agency: Text | None = None
    """The label of the agency that was chosen, in a renewal."""
    propagate: Text | None = None
    """The label of the box by which the other agencies follow (SYN-04)."""
    propagate_notes: tuple[Text, ...] = ()
    """What is said beside that box."""


class ResultScreen(Part):
    """The results, and the screens of the log-out (S-REG-09 to 12, S-CHG-08, S-REN-08)."""

    registration_title: Text | None = None
    """The title of the result of 登録."""
    change_title: Text | None = None
    """The title of the result of 変更."""
    renewal_title: Text | None = None
    """The title of the result of ICカード更新."""
    must_print: Text | None = None
    """What is said where the receipt has to be printed."""
    after_registration: tuple[Text, ...] = ()
    """What follows a registration, on the end screen."""
    after_change: tuple[Text, ...] = ()
    """What follows a change, on the end screen."""
    after_renewal: tuple[Text, ...] = ()
    """What follows a renewal, on the end screen."""


class Screens(Part):
    """The words of the portal's screens."""

    header: HeaderWords = HeaderWords()
    """The top of every screen."""
    entry: EntryScreen = EntryScreen()
    """The doors to this system and its neighbours (システム入口)."""
    choice: ChoiceScreen = ChoiceScreen()
    """The choice of agency and category."""
    top: TopScreens = TopScreens()
    """The screens between the choice and the menu."""
    menu: MenuScreen = MenuScreen()
    """The menu of the operations (利用者登録メニュー)."""
    search: SearchScreen = SearchScreen()
    """The search for the bidder."""
    form: FormScreen = FormScreen()
    """The forms of 登録 and 変更, where contacts are typed."""
    check: CheckScreen = CheckScreen()
    """The checks before an act."""
    result: ResultScreen = ResultScreen()
    """The results and the end."""
