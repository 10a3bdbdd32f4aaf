# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a certificate and its key on the host. Runs on the target: Python's standard library and cryptography
only."""

from __future__ import annotations

import os
import ssl
from datetime import datetime, timezone
from typing import Any

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False


class CryptographyMissingError(Exception):
    """There is a certificate to read and the library to read it with isn't there."""


def _utc(certificate: Any, field: str) -> datetime:
    # cryptography 42 renamed the attributes and made them aware of the time zone.
    moment = getattr(certificate, field + "_utc", None)
    if moment is None:
        moment = getattr(certificate, field).replace(tzinfo=timezone.utc)  # noqa: UP017 (Python 3.8 on hosts)
    if not isinstance(moment, datetime):
        raise TypeError(field)
    return moment


def _chain_is_trusted(fullchain: str, key: str, client_context: ssl.SSLContext) -> bool:
    """Whether a TLS client of this host accepts the chain. Raises ssl.SSLError when key and certificate don't fit.

    It is a handshake in memory: what a client says can't be told more truly than by a client.
    """
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(fullchain, key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_side=False)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    # A handshake in memory takes two turns a side; a few more don't cost anything.
    for _turn in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
            if side is client:
                return True
    return False


def trust_context() -> ssl.SSLContext:
    """A client that trusts what this host trusts. The name is not checked: a certificate has several."""
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


def read_certificate(fullchain: str, key: str, trust: ssl.SSLContext) -> dict[str, Any] | None:
    """What the files ``fullchain`` and ``key`` hold; None when there is no certificate file at all.

    The result has fullchain, key (the paths), usable, problem (text or None), and for a readable certificate names
    (list), serial (hex, as openssl prints it), issuer (RFC 4514 text), not_before and not_after (ISO 8601, UTC),
    lifetime in seconds, expired, key_type (ecdsa, rsa or other) and trusted (by the system's own store).
    Raises CryptographyMissingError.
    """
    if not os.path.exists(fullchain):
        return None
    if not HAS_CRYPTOGRAPHY:
        raise CryptographyMissingError
    result: dict[str, Any] = {"fullchain": fullchain, "key": key, "usable": False, "problem": None}
    try:
        with open(fullchain, "rb") as handle:
            certificate = x509.load_pem_x509_certificate(handle.read())
        public_key = certificate.public_key()
        start, end = _utc(certificate, "not_valid_before"), _utc(certificate, "not_valid_after")
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]
        except x509.ExtensionNotFound:
            names = []
    except (OSError, ValueError) as error:
        result["problem"] = f"{fullchain} is not a readable certificate: {error}"
        return result
    kinds = {ec.EllipticCurvePublicKey: "ecdsa", rsa.RSAPublicKey: "rsa"}
    result.update(
        names=names,
        serial=f"{certificate.serial_number:X}",
        issuer=certificate.issuer.rfc4514_string(),
        not_before=start.isoformat(),
        not_after=end.isoformat(),
        lifetime=int((end - start).total_seconds()),
        expired=end <= datetime.now(timezone.utc),  # noqa: UP017
        key_type=next((name for kind, name in kinds.items() if isinstance(public_key, kind)), "other"),
        trusted=False,
    )
    try:
        result["trusted"] = _chain_is_trusted(fullchain, key, trust)
    except (OSError, ssl.SSLError) as error:
        result["problem"] = f"{key} is missing or doesn't fit {fullchain}: {error}"
        return result
    result["usable"] = True
    return result
