"""Folders of certificates and keys for containers: one for each service, one for sealers, and one for callers.

A service's folder becomes a volume (compose.yaml) or a Secret, and holds nothing of other services. File names are
cert-manager's (`tls.crt`, `tls.key`, `ca.crt`), with the service's further files beside them. Server and worker share
it, so the key that seals histories, which no server may have, lies in a folder that workers alone mount.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from operator_command.instance_certificates import InstanceCertificates, write_private
from operator_command.topology import ADDRESSES_FILE, SERVICES, Service, list_container_addresses


def select_files(service: Service, certificates: InstanceCertificates) -> Mapping[str, Path]:
    """Returns the files of a service: the name in its folder, and the file to copy."""
    identity = certificates.services[service.name]
    files = {"tls.crt": identity.certificate, "tls.key": identity.private_key, "ca.crt": identity.authority}
    if "agency" in service.listeners:
        files |= {
            "agency-clients-ca.crt": certificates.agency_clients_authorities,
            "callers.yaml": certificates.callers,
        }
    if service.admits_officers:
        files |= {
            "officer-clients-ca.crt": certificates.officer_clients_authorities,
            "officer-proof.pub": certificates.officer_proof_public,
        }
    match service.name:
        case "qualification-registry":
            files |= {
                "bidder-proof.key": certificates.bidder_proof_private,
                "bidder-proof.pub": certificates.bidder_proof_public,
            }
        case "certificate-registry":
            files["bidder-proof.pub"] = certificates.bidder_proof_public
        case "contact-notification":
            files["act-proof.pub"] = certificates.act_proof_public
        case "front-door":
            files |= {"public.crt": certificates.public.certificate, "public.key": certificates.public.private_key}
        case "portal":
            files |= {"public.crt": certificates.portal.certificate, "public.key": certificates.portal.private_key}
    return files


def fill_service_folders(certificates: InstanceCertificates, folder: Path) -> None:
    """Fills `<folder>/<service>/`, and six folders for some processes only.

    `<folder>/history/` is for the workers that seal a history, `<folder>/feed/` for the one that signs snapshots of the
    agencies' feeds, `<folder>/officer-proof/` and `<folder>/act-proof/` for the server that signs these proofs,
    `<folder>/mailed-secrets/` for the processes that seal or open secrets that are mailed, `<folder>/drafts/` for the
    portal's server, which seals drafts.

    Files are 0600, written atomically, and untouched if their content is the same.
    """
    for service in SERVICES:
        for name, original in select_files(service, certificates).items():
            write_private(_make_folder(folder / service.name) / name, original.read_bytes())
    write_private(_make_folder(folder / "history") / "history.key", certificates.history_private.read_bytes())
    for name, key in (
        ("feed", certificates.feed_private),
        ("officer-proof", certificates.officer_proof_private),
        ("act-proof", certificates.act_proof_private),
    ):
        write_private(_make_folder(folder / name) / f"{name}.key", key.read_bytes())
    mailed = _make_folder(folder / "mailed-secrets")
    write_private(mailed / "mailed-secrets.key", certificates.mailed_secret_key.read_bytes())
    write_private(_make_folder(folder / "drafts") / "drafts.key", certificates.draft_key.read_bytes())


def fill_callers_folder(certificates: InstanceCertificates, folder: Path) -> None:
    """Writes the certificates of agencies and officers, what they trust and verify with, and the services' addresses.

    Laid out like the state folder of an instance on one machine, so that `--state` reads it too; no CA's key is in it.
    """
    identities = {f"agencies/{name}": identity for name, identity in certificates.agencies.items()}
    identities |= {f"officers/{name}": identity for name, identity in certificates.officers.items()}
    files = {"services/ca.crt": next(iter(certificates.services.values())).authority}
    files["public/ca.crt"] = certificates.public.authority
    files["history.pub"] = certificates.history_public
    files["feed.pub"] = certificates.feed_public
    for name, identity in identities.items():
        files |= {f"{name}.crt": identity.certificate, f"{name}.key": identity.private_key}
    for name, original in files.items():
        target = folder / "certificates" / name
        write_private(_make_folder(target.parent) / target.name, original.read_bytes())
    write_private(folder / ADDRESSES_FILE, json.dumps(dict(list_container_addresses().by_listener), indent=1).encode())


def _make_folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
