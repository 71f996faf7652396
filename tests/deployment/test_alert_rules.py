"""The alert rules, judged by Prometheus' own tool: every alert has a case in which it fires, and one in which not."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tools.set_up import PROMTOOL

RULES = Path("docs/howto/alerts.yaml")
PAGE = Path("docs/howto/watch-an-instance.md")
OPERATION = Path("docs/operations/alerts.md")
# Each file has cases in the format of `promtool test rules`; what fires is read from Prometheus' own series ALERTS.
CASES = sorted(Path("tests/deployment/alerts").glob("*.yaml"))
_ALERT = re.compile(r'ALERTS\{alertname="(\w+)",alertstate="firing"\}')
_AGGREGATION = re.compile(r"\b(?:sum|min|max|avg|count|group|topk|bottomk|quantile|stddev)\b\s*(?:by \(([^)]*)\))?")


def promtool(*arguments: str | Path) -> None:
    """Runs promtool, which has to find nothing wrong."""
    assert PROMTOOL.exists(), f"{PROMTOOL} is missing: python3 tools/set_up.py test takes it out of Debian's package"
    result = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def read_rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def test_prometheus_accepts_the_rules() -> None:
    promtool("check", "rules", RULES)


def test_alerts_fire_where_something_is_wrong_and_nowhere_else() -> None:
    promtool("test", "rules", *CASES)


def test_every_alert_has_a_case_where_it_fires_and_one_where_it_does_not() -> None:
    fires: set[str] = set()
    is_silent: set[str] = set()
    for file in CASES:
        for case in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            for query in case["promql_expr_test"]:
                (alert,) = _ALERT.findall(query["expr"])
                (fires if query["exp_samples"] else is_silent).add(alert)
                # In each case two instances are watched by one Prometheus, and only one of them is ill.
                for sample in query["exp_samples"]:
                    assert 'namespace="niigata"' in sample["labels"], case["name"]
    alerts = {rule["alert"] for rule in read_rules()}
    assert fires == alerts
    assert is_silent == alerts


def test_page_for_operators_names_every_alert() -> None:
    named = set(re.findall(r"`(Toroku\w+)`", OPERATION.read_text("utf-8")))
    assert named == {rule["alert"] for rule in read_rules()}


def test_no_rule_mixes_instances() -> None:
    """Without its namespace, one instance's healthy process hides another one's that is gone."""
    for rule in read_rules():
        assert "absent(" not in rule["expr"], rule["alert"]
        assert not re.search(r"\b(without|ignoring)\b", rule["expr"]), rule["alert"]
        for labels in _AGGREGATION.findall(rule["expr"]):
            assert labels.split(", ")[0] == "namespace", rule["alert"]
        for labels in re.findall(r"\bon \(([^)]*)\)", rule["expr"]):
            assert labels.split(", ")[0] == "namespace", rule["alert"]


def test_prometheus_accepts_the_scrape_configurations_of_the_page(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(honor_labels.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    jobs = [{"job_name": str(number), **yaml.safe_load(block)} for number, block in enumerate(blocks)]
    assert len(jobs) == 2
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(yaml.safe_dump({"scrape_configs": jobs}), "utf-8")
    promtool("check", "config", configuration)
