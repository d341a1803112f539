"""The token service over https and Graph over http, on loopback ports, with a certificate made on the spot.

async with serve_entra(login, graph, folder) as entra:
    entra.authority_url, entra.graph_url, entra.ca_file          # the keys of directory.entra in a configuration
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from syncd.lab.entra.login import SimulatedLogin
from syncd.lab.graph.service import VERSION, SimulatedGraph
from syncd.lab.server import serve, serve_in_thread


@dataclass(frozen=True, slots=True)
class EntraServing:
    """Where a simulated Entra listens."""

    authority_url: str  # https://127.0.0.1:40123, without the tenant
    graph_url: str  # http://127.0.0.1:40124/v1.0
    ca_file: Path


@asynccontextmanager
async def serve_entra(
    login: SimulatedLogin, graph: SimulatedGraph, folder: Path, *, login_port: int = 0, graph_port: int = 0
) -> AsyncIterator[EntraServing]:
    """Serves both in this loop while the block runs; the certificate files go into *folder*."""
    files = certificate_files(folder)
    async with (
        serve(login, port=login_port, certfile=str(files.chain), keyfile=str(files.key)) as sign_in,
        serve(graph, port=graph_port) as api,
    ):
        yield EntraServing(sign_in.url, api.url + VERSION, files.ca)


@contextmanager
def serve_entra_in_thread(login: SimulatedLogin, graph: SimulatedGraph, folder: Path) -> Iterator[EntraServing]:
    """Serves both in threads of their own, for callers that block."""
    files = certificate_files(folder)
    with serve_in_thread(login, certfile=str(files.chain), keyfile=str(files.key)) as sign_in, serve_in_thread(graph) as api:
        yield EntraServing(sign_in.url, api.url + VERSION, files.ca)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files: the authority to trust, the server's certificate and its key."""

    ca: Path
    chain: Path
    key: Path


def certificate_files(folder: Path) -> CertificateFiles:
    """A throw-away authority and a certificate for this machine's loopback addresses, good at any time a test plays in."""
    files = CertificateFiles(folder / "entra-ca.pem", folder / "entra-server.pem", folder / "entra-server-key.pem")
    folder.mkdir(parents=True, exist_ok=True)
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "syncd lab")])
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        x509.CertificateBuilder()
        .subject_name(ca_name)
        .issuer_name(ca_name)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")), x509.IPAddress(ip_address("::1"))]
    server = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(ca_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    files.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    files.chain.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
