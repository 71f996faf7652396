"""Each service gets its own certificate and keys in a folder of its own, and nothing of the others.

For containers: a folder is a volume (compose.yaml), or becomes one Secret. The files bear the names that cert-manager
writes (`tls.crt`, `tls.key`, `ca.crt`), with what else a service reads beside them.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from operator_command.containers.topology import container_addresses
from operator_command.instance_certificates import InstanceCertificates, write_private
from operator_command.topology import MEMORY, SERVICES, Service


def files_of_service(service: Service, certificates: InstanceCertificates) -> Mapping[str, Path]:
    """What a service is given: the name in its folder, and the file that it is a copy of."""
    own = certificates.services[service.name]
    files = {"tls.crt": own.certificate, "tls.key": own.private_key, "ca.crt": own.authority}
    if "agency" in service.doors:
        files |= {
            "agency-clients-ca.crt": certificates.agency_clients_authorities,
            "callers.yaml": certificates.callers,
        }
    match service.name:
        case "qualification-registry":
            files["bidder-proof.key"] = certificates.bidder_proof_private
        case "certificate-registry":
            files["bidder-proof.pub"] = certificates.bidder_proof_public
        case "front-door":
            files |= {"public.crt": certificates.public.certificate, "public.key": certificates.public.private_key}
    return files


def hand_out(certificates: InstanceCertificates, into: Path) -> None:
    """Fills `<into>/<service>/`; files are 0600, written whole, and left alone where they stand already."""
    for service in SERVICES:
        for name, original in files_of_service(service, certificates).items():
            write_private(_folder(into / service.name) / name, original.read_bytes())


def hand_out_to_people(certificates: InstanceCertificates, folder: Path) -> None:
    """The certificates of agencies and officers, the CAs that they trust, and where the services are.

    Laid out like the folder of an instance on one machine, so that `--state` reads it too; without any CA's key.
    """
    identities = {f"agencies/{name}": identity for name, identity in certificates.agencies.items()}
    identities |= {f"officers/{name}": identity for name, identity in certificates.officers.items()}
    files = {"services/ca.crt": next(iter(certificates.services.values())).authority}
    files["public/ca.crt"] = certificates.public.authority
    for name, identity in identities.items():
        files |= {f"{name}.crt": identity.certificate, f"{name}.key": identity.private_key}
    for name, original in files.items():
        target = folder / "certificates" / name
        write_private(_folder(target.parent) / target.name, original.read_bytes())
    write_private(folder / MEMORY, json.dumps(dict(container_addresses().by_door), indent=1).encode())


def _folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
