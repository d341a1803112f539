"""Signatures of people: SSHSIG, as ``ssh-keygen -Y sign -n syncd-approval`` makes them, with Ed25519 keys of OpenSSH.

What is signed is not known here. Format: PROTOCOL.sshsig of OpenSSH; signers are listed as in its allowed signers file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import textwrap
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from syncd.errors import ConfigError, UsageError
from syncd.model import name_key

#: What a signature is for: one made for something else (a commit, a file) is none here.
NAMESPACE = "syncd-approval"

_KIND = "ssh-ed25519"
_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_OPTION = r'(?:cert-authority|[a-zA-Z-]+="[^"]*")'
_LINE = re.compile(
    rf'^(?P<names>"[^"]+"|.+?)(?:\s+(?P<options>{_OPTION}(?:,{_OPTION})*))?\s+(?P<kind>(?:ssh|ecdsa|sk)-\S+)\s+(?P<key>\S+)'
)


def signers_in(path: Path) -> tuple[str, ...]:
    """Every ``NAME ssh-ed25519 AAAA…`` of a signers file that may sign approvals, sorted: a line for other ``namespaces`` is
    passed over. Raises ConfigError naming the line that is none, or that limits its key by what is not looked at here."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"approvals.signers_file: {path} cannot be read: {error}",
            do="Lines NAME ssh-ed25519 AAAA…, as ssh-keygen -t ed25519 writes into the .pub file.",
        ) from None
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parsed = _LINE.match(line.strip())
        if parsed is None or parsed["kind"] != _KIND or _public(parsed["key"]) is None:
            raise ConfigError(
                f"approvals.signers_file: line {number} of {path} is not NAME {_KIND} AAAA…",
                do="Make a key with ssh-keygen -t ed25519 and put the name before its public half.",
            )
        if not _for_approvals(parsed["options"] or "", f"line {number} of {path}"):
            continue
        for name in parsed["names"].strip('"').split(","):
            found.add(f"{name.strip()} {_KIND} {parsed['key']}")
    if not found:  # nobody's signature is asked for where nobody is listed: a file that was emptied must not mean that
        raise ConfigError(
            f"approvals.signers_file: {path} lists nobody who may sign approvals",
            do=f"Lines NAME {_KIND} AAAA…; leave approvals.signers_file out where approvals are not signed.",
        )
    return tuple(sorted(found))


def demand_own_keys(signers: Iterable[str]) -> None:
    """Raises ConfigError when two of *signers* (see ``signers_in``) have one key: whoever holds it would be two people."""
    owners: dict[str, str] = {}
    for name, _, key in (line.rsplit(" ", 2) for line in signers):
        other = owners.setdefault(key, name)
        if name_key(other) != name_key(name):
            raise ConfigError(
                f"approvals.signers_file: {other} and {name} have the same key: with approvals.required: 2 whoever holds it "
                "would count as two people",
                do="List each key under one name.",
            )


def _for_approvals(options: str, where: str) -> bool:
    """Whether a key with these options of OpenSSH may sign approvals. Raises ConfigError for an option that would limit it in a
    way that nobody looks at here: a limit that is passed over lets somebody sign who may not."""
    counts = True
    for option in re.findall(_OPTION, options):
        name, _, value = option.partition("=")
        if name.lower() != "namespaces":
            raise ConfigError(
                f"approvals.signers_file: {where} has the option {name}, which is not understood",
                do="Only namespaces=… is; take a line out when its key may not sign (any more).",
            )
        patterns = [pattern.strip() for pattern in value.strip('"').split(",")]
        unwanted = any(fnmatchcase(NAMESPACE, pattern[1:]) for pattern in patterns if pattern.startswith("!"))
        counts &= any(fnmatchcase(NAMESPACE, pattern) for pattern in patterns) and not unwanted
    return counts


def sign(key_file: Path, message: bytes) -> str:
    """The armoured signature of this private key. Raises UsageError when it is none that can be used here."""
    try:
        key = load_ssh_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise UsageError(f"--key: {key_file} cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):  # their words may quote the key
        raise UsageError(
            f"--key: {key_file} is no OpenSSH private key, or is protected by a passphrase",
            "Use the Ed25519 key itself; ssh-keygen -p takes a passphrase away.",
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"--key: {key_file} is a key of another kind than Ed25519", "Make one: ssh-keygen -t ed25519")
    public = base64.b64decode(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1])
    blob = b"".join(
        (
            _MAGIC,
            (1).to_bytes(4, "big"),
            _string(public),
            _string(NAMESPACE.encode()),
            _string(b""),
            _string(b"sha512"),
            _string(_string(_KIND.encode()) + _string(key.sign(_signed("sha512", message)))),
        )
    )
    return "\n".join((_BEGIN, *textwrap.wrap(base64.b64encode(blob).decode(), 70), _END)) + "\n"


def fits(signature: str, message: bytes, name: str, signers: Iterable[str]) -> bool:
    """Whether this armoured signature of *message* was made with a key that *signers* (see ``signers_in``) list for *name*."""
    allowed = {line.rsplit(" ", 2)[2] for line in signers if name_key(line.rsplit(" ", 2)[0]) == name_key(name)}
    body = signature.strip()
    if not (body.startswith(_BEGIN) and body.endswith(_END)):
        return False
    try:
        blob = base64.b64decode("".join(body.removeprefix(_BEGIN).removesuffix(_END).split()), validate=True)
        if not blob.startswith(_MAGIC) or int.from_bytes(blob[6:10], "big") != 1:
            return False
        public, namespace, _, hashed, inner = _strings(blob[10:], 5)
        kind, raw = _strings(inner, 2)
        key = _public(base64.b64encode(public).decode())
        if (
            key is None
            or kind != _KIND.encode()
            or namespace != NAMESPACE.encode()
            or base64.b64encode(public).decode() not in allowed
            or hashed not in (b"sha256", b"sha512")
        ):
            return False
        key.verify(raw, _signed(hashed.decode(), message))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _signed(hashed: str, message: bytes) -> bytes:
    digest = hashlib.new(hashed, message).digest()
    return b"".join((_MAGIC, _string(NAMESPACE.encode()), _string(b""), _string(hashed.encode()), _string(digest)))


def _public(key: str) -> Ed25519PublicKey | None:
    try:
        kind, raw = _strings(base64.b64decode(key, validate=True), 2)
        return Ed25519PublicKey.from_public_bytes(raw) if kind == _KIND.encode() else None
    except (ValueError, binascii.Error):
        return None


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _strings(blob: bytes, count: int) -> list[bytes]:
    """So many length-prefixed strings and nothing after them. Raises ValueError."""
    found = []
    for _ in range(count):
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            raise ValueError("cut short")
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    if blob:
        raise ValueError("more than was said")
    return found
