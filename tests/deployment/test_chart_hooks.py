"""The migrations before an upgrade depend on the cluster's existing objects.

Helm really installs and upgrades, into a fake cluster that only stores objects.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.chart import CHART, NAMESPACE, PROFILE, VARIANTS, helm, stateful_services
from tests.support.infrastructure.kubernetes_api import kubernetes_api

STATEFUL = set(stateful_services())
# Every namespace has it, so it shows that the cluster can be queried.
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}}
FURTHER_SERVICE: dict[str, Any] = {
    "services": {
        "application-desk": {
            "listeners": {"internal": True},
            "certificate": {"secretName": "application-desk-certificate"},
            "database": {
                "enabled": True,
                "direct": {
                    "address": "postgresql://toroku@application.db.example/toroku",
                    "password": {"name": "application-desk-database", "key": "password"},
                },
            },
        }
    }
}


@dataclass(frozen=True)
class Cluster:
    """Installs and upgrades a release, and reads the hooks of its newest revision."""

    kubeconfig: Path

    def bring(self, what: str, *values: Path) -> None:
        """Runs `install` or `upgrade` without hooks, with the variant of supplied Secrets and further values."""
        files = [word for file in (VARIANTS["given-secrets"], *values) for word in ("--values", file)]
        helm(
            *(what, "saitama", CHART, *self._there(), "--no-hooks", "--disable-openapi-validation"),
            *("--set-file", f"profile={PROFILE}", *files),
            home=self.kubeconfig.parent,
        )

    def migrated_before(self) -> set[str]:
        """Returns the services with a migration job before the upgrade in the newest revision."""
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


def test_existing_services_are_migrated_before_an_upgrade(cluster: Cluster) -> None:
    cluster.bring("install")
    cluster.bring("upgrade")
    assert cluster.migrated_before() == STATEFUL


def test_service_added_by_an_upgrade_is_not_migrated_before_it(cluster: Cluster, tmp_path: Path) -> None:
    further = tmp_path / "further.yaml"
    further.write_text(yaml.safe_dump(FURTHER_SERVICE), "utf-8")
    cluster.bring("install")
    # The new service has no database and no ServiceAccount yet; its own pods migrate.
    cluster.bring("upgrade", further)
    assert cluster.migrated_before() == STATEFUL
    # After that it is an existing service.
    cluster.bring("upgrade", further)
    assert cluster.migrated_before() == STATEFUL | {"application-desk"}
