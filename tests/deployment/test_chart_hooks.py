"""Which migrations an upgrade runs before it depends on what stands in the cluster already: real installs and upgrades,
by Helm, into a cluster that only keeps what it is told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.chart import CHART, NAMESPACE, PROFILE, VARIANTS, helm, services
from tests.support.infrastructure.kubernetes_api import kubernetes_api

STATEFUL = {service for service in services() if service != "front-door"}
# Every namespace has it, so it tells a cluster that can be looked at.
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}}
FURTHER_SERVICE: dict[str, Any] = {
    "services": {
        "application-desk": {
            "doors": {"internal": True},
            "certificate": {"secretName": "application-desk-certificate"},
            "database": {
                "enabled": True,
                "direct": {"secret": {"name": "application-desk-database", "key": "address"}},
            },
        }
    }
}


@dataclass(frozen=True)
class Cluster:
    """Installs the release there, and tells what Helm would run around an upgrade."""

    kubeconfig: Path

    def bring(self, what: str, *values: Path) -> None:
        """`install` or `upgrade`, with the variant of given Secrets and these values over it. Hooks are not run."""
        files = [word for file in (VARIANTS["given-secrets"], *values) for word in ("--values", file)]
        helm(
            *(what, "saitama", CHART, *self._there(), "--no-hooks", "--disable-openapi-validation"),
            *("--set-file", f"profile={PROFILE}", *files),
            home=self.kubeconfig.parent,
        )

    def migrated_before(self) -> set[str]:
        """The services with a job before the upgrade, as Helm has it of the newest revision."""
        hooks = helm("get", "hooks", "saitama", *self._there(), home=self.kubeconfig.parent)
        return {
            document["metadata"]["labels"]["app.kubernetes.io/name"]
            for document in yaml.safe_load_all(hooks)
            if document and document["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
        }

    def _there(self) -> tuple[str | Path, ...]:
        return ("--namespace", NAMESPACE, "--kubeconfig", self.kubeconfig)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with kubernetes_api([ACCOUNT], tmp_path) as kubeconfig:
        yield Cluster(kubeconfig)


def test_services_that_stand_are_migrated_before_an_upgrade(cluster: Cluster) -> None:
    cluster.bring("install")
    cluster.bring("upgrade")
    assert cluster.migrated_before() == STATEFUL


def test_a_service_that_comes_with_an_upgrade_is_not_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    further = tmp_path / "further.yaml"
    further.write_text(yaml.safe_dump(FURTHER_SERVICE), "utf-8")
    cluster.bring("install")
    # It has neither a database nor a ServiceAccount yet; its own pods migrate.
    cluster.bring("upgrade", further)
    assert cluster.migrated_before() == STATEFUL
    # From then on it is one of them.
    cluster.bring("upgrade", further)
    assert cluster.migrated_before() == STATEFUL | {"application-desk"}
