"""A certificate authority of one's own, and a server certificate for localhost by it."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AUTHORITY = "epochwatch test authority"
IS_AUTHORITY = x509.BasicConstraints(ca=True, path_length=0)
MAY_SIGN = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Certificates:
    """``authority`` is what clients trust, ``server`` the server's certificate and key in one file."""

    authority: Path
    server: Path


def issue(folder):
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    authority = _signed(AUTHORITY, authority_key, authority_key, [(IS_AUTHORITY, True), (MAY_SIGN, True)])
    server = _signed("localhost", server_key, authority_key, [(names, False)])
    result = Certificates(folder / "authority.pem", folder / "server.pem")
    result.authority.write_bytes(_pem(authority))
    result.server.write_bytes(_pem(server) + _key_pem(server_key))
    return result


def _signed(subject, key, authority_key, extensions):
    now = dt.datetime.now(dt.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(AUTHORITY))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
    # Python 3.13 and newer insist on both key identifiers (RFC 5280).
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuers = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    for extension, critical in [(own, False), (issuers, False), *extensions]:
        builder = builder.add_extension(extension, critical)
    return builder.sign(authority_key, hashes.SHA256())


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
