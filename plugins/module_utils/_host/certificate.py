# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate and its key on the host: what is in the files, and whether a client would accept them."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False


class CryptographyMissingError(Exception):
    """There is a certificate to read, but not the library that reads it."""


@dataclass(frozen=True)
class UnreadableCertificate:
    """A file that is not a readable certificate.

    :param fullchain, key: paths of the files.
    :param problem: why it cannot be used, as words for a sentence.
    """

    fullchain: str
    key: str
    problem: str

    @property
    def usable(self) -> bool:
        """Return whether a server can use it."""
        return False

    def record(self) -> dict[str, Any]:
        """Return it as a module returns it."""
        return {"fullchain": self.fullchain, "key": self.key, "usable": False, "problem": self.problem}


@dataclass(frozen=True)
class Certificate:
    """A certificate that can be read.

    :param fullchain, key: paths of the files.
    :param names: the host names that it covers, in lower case.
    :param serial: in hexadecimal, as openssl prints it.
    :param issuer: RFC 4514 text.
    :param key_type: ecdsa, rsa or other.
    :param distrust: why a TLS client of this host does not accept the chain, or ``None``.
    :param problem: why it cannot be used (the key is missing or belongs to another one), or ``None``.
    """

    fullchain: str
    key: str
    names: tuple[str, ...]
    serial: str
    issuer: str
    not_before: datetime
    not_after: datetime
    key_type: str
    distrust: str | None
    problem: str | None

    @property
    def trusted(self) -> bool:
        """Return whether a TLS client of this host accepts the chain."""
        return self.problem is None and self.distrust is None

    @property
    def usable(self) -> bool:
        """Return whether a server can use it."""
        return self.problem is None

    @property
    def lifetime(self) -> int:
        """Return the seconds between beginning and end of validity."""
        return int((self.not_after - self.not_before).total_seconds())

    def record(self) -> dict[str, Any]:
        """Return it as a module returns it."""
        left = self.not_after - datetime.now(timezone.utc)  # noqa: UP017 (Python 3.9 on hosts)
        return {
            "fullchain": self.fullchain,
            "key": self.key,
            "usable": self.usable,
            "problem": self.problem,
            "names": list(self.names),
            "serial": self.serial,
            "issuer": self.issuer,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "lifetime": self.lifetime,
            "expired": left.total_seconds() <= 0,
            "days_left": left.days,
            "key_type": self.key_type,
            "trusted": self.trusted,
            "distrust": self.distrust,
        }


def _utc(certificate: Any, field: str) -> datetime:
    # cryptography 42 renamed the attributes and made them aware of the time zone.
    moment = getattr(certificate, field + "_utc", None)
    if moment is None:
        moment = getattr(certificate, field).replace(tzinfo=timezone.utc)  # noqa: UP017 (Python 3.9 on hosts)
    if not isinstance(moment, datetime):
        raise TypeError(field)
    return moment


def _distrust(fullchain: str, key: str, client_context: ssl.SSLContext) -> str | None:
    """Return why a TLS client of this host does not accept the chain, or ``None``: it is asked, by a handshake in memory.

    :raises ssl.SSLError: when the key does not belong to the certificate.
    """
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(fullchain, key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_side=False)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    # A handshake in memory takes two turns a side; a few more cost nothing.
    for _turn in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return str(getattr(error, "verify_message", "") or error.reason or error)
            if side is client:
                return None
    return "the handshake does not end"


def trust_context() -> ssl.SSLContext:
    """Return the settings of a client that trusts what this host trusts, and checks no name: a certificate has several."""
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


def read_certificate(fullchain: str, key: str, trust: ssl.SSLContext) -> Certificate | UnreadableCertificate | None:
    """Return what the files ``fullchain`` and ``key`` hold; ``None`` when there is no certificate file at all.

    :raises CryptographyMissingError: when the library is missing.
    """
    if not os.path.exists(fullchain):
        return None
    if not HAS_CRYPTOGRAPHY:
        raise CryptographyMissingError
    try:
        with open(fullchain, "rb") as handle:
            certificate = x509.load_pem_x509_certificate(handle.read())
        key_type, names = _key_type(certificate.public_key()), _names(certificate)
    except (OSError, ValueError) as error:
        return UnreadableCertificate(fullchain, key, f"{fullchain} is not a readable certificate: {error}")
    problem, distrust = None, None
    try:
        distrust = _distrust(fullchain, key, trust)
    except (OSError, ssl.SSLError) as error:
        problem = f"{key} is missing or does not belong to {fullchain}: {error}"
    return Certificate(
        fullchain=fullchain,
        key=key,
        names=names,
        serial=f"{certificate.serial_number:X}",
        issuer=certificate.issuer.rfc4514_string(),
        not_before=_utc(certificate, "not_valid_before"),
        not_after=_utc(certificate, "not_valid_after"),
        key_type=key_type,
        distrust=distrust,
        problem=problem,
    )


def _key_type(public_key: Any) -> str:
    kinds = {ec.EllipticCurvePublicKey: "ecdsa", rsa.RSAPublicKey: "rsa"}
    return next((name for kind, name in kinds.items() if isinstance(public_key, kind)), "other")


def _names(certificate: Any) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))
