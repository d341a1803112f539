"""Client assertions: JWTs by which an app proves who it is, signed by its certificate or by an issuer it trusts.

Checked as Entra documents it: header, signature, audience, subject, times. *Issuer* makes the projected tokens of a
Kubernetes service account, for tests and for the lab.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

FEDERATED_AUDIENCE = "api://AzureADTokenExchange"


class BadAssertion(Exception):
    """The assertion is not good: the AADSTS number and the words that go with it."""

    def __init__(self, code: int, says: str) -> None:
        super().__init__(f"AADSTS{code}: {says}")
        self.code = code
        self.says = says


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """Whom an app trusts to speak for it: tokens of *issuer* for *subject*, signed with *public_key* (PEM)."""

    issuer: str
    subject: str
    public_key: str
    audience: str = FEDERATED_AUDIENCE


@dataclass(frozen=True, slots=True)
class Assertion:
    """A JWT taken apart."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse(text: str) -> Assertion:
    """Takes a JWT apart. Raises BadAssertion: it is none, or *text* is the printed form of bytes (``b'…'``)."""
    parts = text.split(".")
    try:
        head, body, signature = (base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True) for part in parts)
        header, claims = msgspec.json.decode(head), msgspec.json.decode(body)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        header = claims = signature = None
    if not isinstance(header, dict) or not isinstance(claims, dict) or signature is None:
        raise BadAssertion(50027, "JWT token is invalid or malformed.")
    return Assertion(header, claims, ".".join(parts[:2]).encode(), signature)


def check_certificate(
    assertion: Assertion, certificates: tuple[str, ...], client_id: str, audiences: tuple[str, ...], now: datetime
) -> None:
    """Judges an assertion signed with the app's own certificate (PS256 and ``x5t#S256``, or RS256 and ``x5t``, the old
    way). *certificates* are those uploaded for the app, PEM. Raises BadAssertion."""
    header, claims = assertion.header, assertion.claims
    certificate = _signer(header, certificates, client_id)
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or not _signed(key, header.get("alg"), assertion):
        raise BadAssertion(
            700027,
            "Client assertion contains an invalid signature. [Reason - The provided signature value did "
            "not match the expected signature value.]",
        )
    if certificate.not_valid_after_utc <= now:
        raise BadAssertion(
            700027,
            "The certificate with identifier used to sign the client assertion is expired on "
            f"application. [Reason - The key used is expired., Found key "
            f"'Start={certificate.not_valid_before_utc:%m/%d/%Y %H:%M:%S}, "
            f"End={certificate.not_valid_after_utc:%m/%d/%Y %H:%M:%S}']",
        )
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise BadAssertion(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
    if claims.get("aud") not in audiences:
        raise BadAssertion(700023, "Client assertion audience claim does not match Realm issuer.")
    _in_time(claims, now)
    if not claims.get("jti"):
        raise BadAssertion(50027, "JWT token is invalid or malformed.")


def check_federated(assertion: Assertion, trusted: tuple[FederatedCredential, ...], now: datetime) -> None:
    """Judges an assertion of an outside issuer. Raises BadAssertion."""
    claims = assertion.claims
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    match = next(
        (
            one
            for one in trusted
            if (one.issuer, one.subject) == (claims.get("iss"), claims.get("sub")) and one.audience in audiences
        ),
        None,
    )
    if match is None:
        raise BadAssertion(
            70021,
            "No matching federated identity record found for presented assertion. Assertion Issuer: "
            f"'{claims.get('iss')}'. Assertion Subject: '{claims.get('sub')}'. Assertion Audience: "
            f"'{audiences[0] if audiences else ''}'.",
        )
    key = serialization.load_pem_public_key(match.public_key.encode())
    if not isinstance(key, rsa.RSAPublicKey) or not _signed(key, assertion.header.get("alg"), assertion):
        raise BadAssertion(50027, "JWT token is invalid or malformed.")
    _in_time(claims, now)


def _signer(header: dict[str, Any], certificates: tuple[str, ...], client_id: str) -> x509.Certificate:
    prints = {}
    for pem in certificates:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        der = certificate.public_bytes(serialization.Encoding.DER)
        prints[_b64(hashlib.sha256(der).digest())] = certificate
        prints[_b64(hashlib.sha1(der, usedforsecurity=False).digest())] = certificate
    named = header.get("x5t#S256") or header.get("x5t")
    if named is None:
        raise BadAssertion(700027, "Client assertion contains an invalid signature. [Reason - The key identifier is missing.]")
    if str(named).rstrip("=") not in prints:  # msal pads what others do not
        raise BadAssertion(
            700027,
            "The certificate with identifier used to sign the client assertion is not registered on "
            f"application. [Reason - The key was not found., Thumbprint of key used by client: "
            f"'{named}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see "
            f"configured keys for app Id '{client_id}'.]",
        )
    return prints[str(named).rstrip("=")]


def _signed(key: rsa.RSAPublicKey, algorithm: object, assertion: Assertion) -> bool:
    how: padding.AsymmetricPadding
    if algorithm == "PS256":
        how = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
    elif algorithm == "RS256":
        how = padding.PKCS1v15()
    else:
        return False
    try:
        key.verify(assertion.signature, assertion.signed, how, hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _in_time(claims: dict[str, Any], now: datetime) -> None:
    """Five minutes of grace at either end, for clocks that differ."""
    start, end = claims.get("nbf", claims.get("iat", 0)), claims.get("exp")
    if not isinstance(start, int | float) or not isinstance(end, int | float):
        raise BadAssertion(50027, "JWT token is invalid or malformed.")
    if not start - 300 <= now.timestamp() < end + 300:
        raise BadAssertion(
            700024,
            f"Client assertion is not within its valid time range. Current time: {_stamp(now)}, assertion "
            f"valid from {_stamp(datetime.fromtimestamp(start, UTC))}, expiry time of assertion "
            f"{_stamp(datetime.fromtimestamp(end, UTC))}. Review the documentation at "
            "https://docs.microsoft.com/azure/active-directory/develop/"
            "active-directory-certificate-credentials .",
        )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Issuer:
    """A cluster's OIDC issuer: signs the tokens that are projected into pods."""

    url: str = "https://oidc.cluster.example/"
    key: rsa.RSAPrivateKey = field(default_factory=_private_key, repr=False)

    def trusted_for(self, subject: str, audience: str = FEDERATED_AUDIENCE) -> FederatedCredential:
        """The record an app needs to accept this issuer's tokens for *subject*."""
        public = self.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return FederatedCredential(self.url, subject, public.decode(), audience)

    def token(
        self,
        subject: str,
        now: datetime,
        *,
        lifetime: timedelta = timedelta(hours=1),
        audience: str = FEDERATED_AUDIENCE,
        **claims: Any,
    ) -> str:
        """A projected token for *subject*; *claims* replace what is in it."""
        body = {
            "aud": [audience],
            "iss": self.url,
            "sub": subject,
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            **claims,
        }
        signed = _b64(msgspec.json.encode({"alg": "RS256", "kid": "lab"})) + "." + _b64(msgspec.json.encode(body))
        return f"{signed}.{_b64(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
