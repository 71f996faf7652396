"""`make demo` as a newcomer meets it: every step, and at its end a browser that registers a card."""

import re
import subprocess
import sys

from demo.preparation import ROOT

WAY = [
    "システム入口",
    "受注者トップ画面",
    "利用者登録メニュー",
    "競争入札参加資格審査情報検索",
    "登録内容確認",
    "署名する内容の確認",
    "利用者情報登録結果確認",
]


def test_demo_ends_with_a_registration_in_a_browser() -> None:
    demo = subprocess.run([sys.executable, "-m", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=240)

    assert demo.returncode == 0, demo.stdout[-3000:] + demo.stderr
    assert demo.stdout.rstrip().endswith("demo: ok")
    walk = demo.stdout.partition("── 12.")[2]
    headings = re.findall(r"^  (?:portal|card agent) +(.+)$", walk, re.MULTILINE)
    assert [heading for heading in headings if heading in WAY] == WAY
    assert re.search(r"this card +VERDICT_GOOD", walk)
