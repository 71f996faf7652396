"""The agency that an officer's command acts for: the officer's own, unless another one is named."""

import re

from cryptography import x509

from instance_profile.base import OPERATOR
from operator_command.client.connection import Connection, read_file
from refusals import Code, Refusal

_OFFICER = re.compile(r"spiffe://[a-z0-9-]+/officer/(?P<agency>[a-z0-9-]+)/[a-z0-9._-]+")


def choose_agency(connection: Connection, named: str | None) -> str:
    """Returns the code of the named agency, otherwise that in the certificate of the connection's officer.

    Raises CLIENT_FILE_UNREADABLE, and AGENCY_NOT_NAMED where the certificate tells no agency: the operator's officers
    act for all.
    """
    if named is not None:
        return named
    try:
        certificate = x509.load_pem_x509_certificate(read_file(connection.certificate))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        raise Refusal("AGENCY_NOT_NAMED", Code.INVALID_ARGUMENT) from None
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        match = _OFFICER.fullmatch(uri)
        if match is not None and match["agency"] != OPERATOR:
            return match["agency"]
    raise Refusal("AGENCY_NOT_NAMED", Code.INVALID_ARGUMENT)
