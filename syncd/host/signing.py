"""Ed25519 signatures (RFC 8032): a private key that signs ledger heads and manifests, and public keys that verify them.

Keys are PEM as ``openssl genpkey -algorithm ed25519`` and ``openssl pkey -pubout`` write them. A key's id is the beginning of
the SHA-256 of its 32 public bytes: it says which key signed, and is no secret. What is signed is not known here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from syncd.errors import ConfigError, UsageError
from syncd.ports import ReadSecret

#: Hexadecimal digits of a key's id: enough to tell a company's keys apart.
KEY_ID_DIGITS = 16

_VALID = re.compile(r"^\ufeff?\s*#?\s*valid[-_ ](\w+)\s*[:=]\s*(\S+)", re.MULTILINE | re.IGNORECASE)
_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


def key_id(key: Ed25519PublicKey) -> str:
    """What signatures call this key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:KEY_ID_DIGITS]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Signs with the private key of ``reports.signing_key``, read anew each time, so that a new key counts at once."""

    read: ReadSecret

    def id(self) -> str:
        """The key's id. Raises ConfigError when there is no usable key."""
        return key_id(self._key().public_key())

    def sign(self, message: bytes) -> tuple[str, str]:
        """(the key's id, the signature in Base64). Raises ConfigError."""
        key = self._key()
        return key_id(key.public_key()), base64.b64encode(key.sign(message)).decode()

    def _key(self) -> Ed25519PrivateKey:
        try:
            key = load_pem_private_key(self.read().encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # their words may quote the key
            raise _no_key("is no private key in PEM, or is protected by a password") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _no_key("is a private key of another kind than Ed25519")
        return key


def _no_key(what: str) -> ConfigError:
    return ConfigError(
        f"reports.signing_key: what it leads to {what}", do="Make one: openssl genpkey -algorithm ed25519 -out signing.pem"
    )


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The keys an auditor trusts, by id; several when keys were changed."""

    keys: Mapping[str, Ed25519PublicKey]
    validity: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # id -> first day, first day after (or "")

    @classmethod
    def in_file(cls, path: Path) -> PublicKeys:
        """Every public key of a PEM file. Raises UsageError when it cannot be read, or holds none of Ed25519."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"--public-key: {path} cannot be read ({error.strerror})") from None
        if b"PRIVATE KEY-----" in content:
            raise UsageError(
                f"--public-key: {path} holds a private key, which nobody but syncd should have",
                f"Take its public half: openssl pkey -in {path.name} -pubout -out public.pem",
            )
        keys, validity, begin = {}, {}, 0
        for block in _PUBLIC.finditer(content):
            key = _public_key(block[0])
            if key is not None:
                keys[key_id(key)] = key
                validity[key_id(key)] = _validity(path, content[begin : block.start()].decode("utf-8", "replace"))
            begin = block.end()
        if not keys:
            raise UsageError(
                f"--public-key: {path} holds no Ed25519 public key in PEM",
                "Whoever runs syncd makes it: openssl pkey -in signing.pem -pubout -out public.pem",
            )
        return cls(keys, validity)

    def valid(self, key: str, at: str) -> bool:
        """Whether the key of this id was in use at a time of the ledger, as its file says."""
        after, before = self.validity.get(key, ("", ""))
        return after <= at and (not before or at < before)

    def fits(self, key: str, message: bytes, signature: str) -> bool | None:
        """Whether a signature (Base64) was made with the key of this id; None when that key is not among these."""
        public = self.keys.get(key)
        if public is None:
            return None
        try:
            public.verify(base64.b64decode(signature, validate=True), message)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def _validity(path: Path, said: str) -> tuple[str, str]:
    """What the lines before a key say: ``valid-after: 2026-01-01`` and ``valid-before: 2027-01-01``, whole days in UTC."""
    found = {"after": "", "before": ""}
    for which, day in ((word.lower(), day) for word, day in _VALID.findall(said)):
        if which not in found:  # taken for a remark, the key would be in use for ever
            raise UsageError(
                f"--public-key: {path}: valid-{which} says nothing", "Write valid-after: 2026-01-31 or valid-before: 2027-01-31."
            )
        try:
            found[which] = date.fromisoformat(day).isoformat()
        except ValueError:
            raise UsageError(f"--public-key: {path}: valid-{which}: {day!r} is no day", "Write 2026-01-31.") from None
    return found["after"], found["before"]


def _public_key(pem: bytes) -> Ed25519PublicKey | None:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None
