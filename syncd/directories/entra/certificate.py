"""A PEM file with a private key and certificates: which of them prove who we are, and until when."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from syncd.errors import ConfigError

_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_DO = "directory.entra.credential.certificate_file must hold one unencrypted private key and its certificate, both PEM."


@dataclass(frozen=True, slots=True)
class KeyAndCertificate:
    """What msal needs for a signed assertion. *ends_at*: when the certificate is no longer valid."""

    private_key: str = field(repr=False)
    certificate: str = field(repr=False)
    ends_at: datetime


def key_and_certificate(pem: str) -> KeyAndCertificate:
    """Finds the key and the one certificate that belongs to it (a chain may stand beside it). Raises ConfigError."""
    blocks = [(match.group(1), match.group(0) + "\n") for match in _BLOCK.finditer(pem)]
    keys = [text for kind, text in blocks if kind.endswith("PRIVATE KEY")]
    if len(keys) != 1:
        raise ConfigError(f"the certificate file holds {len(keys)} private keys", do=_DO)
    try:
        public = (
            load_pem_private_key(keys[0].encode(), None)
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        certificates = [(text, x509.load_pem_x509_certificate(text.encode())) for kind, text in blocks if kind == "CERTIFICATE"]
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted
        raise ConfigError(f"the certificate file cannot be used ({type(error).__name__}: {error})", do=_DO) from None
    for text, certificate in certificates:
        if certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public:
            return KeyAndCertificate(keys[0], text, certificate.not_valid_after_utc)
    raise ConfigError(f"none of the {len(certificates)} certificates in the file belongs to its private key", do=_DO)
