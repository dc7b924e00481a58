"""The key cut out of a certificate is the one that cryptography finds in it."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given

from tests.pods.answers import CERTIFICATE_PEM, SPKI_SHA256, vector
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.real_evidence import REAL_CERTIFICATES
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.pods.certificate import leaf_of_pem, spki_sha256

OWN = leaf_of_pem(CERTIFICATE_PEM, "certificate")


def by_cryptography(certificate: bytes) -> bytes:
    key = x509.load_der_x509_certificate(certificate).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


@pytest.mark.parametrize("name", REAL_CERTIFICATES)
def test_real_certificates_of_intel(name: str) -> None:
    assert spki_sha256(REAL_CERTIFICATES[name], name) == by_cryptography(REAL_CERTIFICATES[name])


def test_real_certificates_of_pods() -> None:
    for instance in json.loads(vector("teep-chutes*/0002_*.body"))["evidence"]:
        certificate = base64.b64decode(instance["certificate"])
        assert spki_sha256(certificate, "certificate") == by_cryptography(certificate)


def test_a_certificate_without_version_field() -> None:
    """Version 1 (RFC 5280, 4.1.2.1): the serial number comes first."""
    assert spki_sha256(OWN, "certificate") == SPKI_SHA256 == by_cryptography(OWN)
    header, version = bytes.fromhex("308201183081bf"), bytes.fromhex("a003020102")
    assert OWN.startswith(header + version)
    older = bytes.fromhex("308201133081ba") + OWN.removeprefix(header + version)
    assert spki_sha256(older, "certificate") == SPKI_SHA256


def test_the_leaf_is_the_first_of_a_chain() -> None:
    assert leaf_of_pem(CERTIFICATE_PEM * 2, "chain") == OWN


@given(data=mutated_bytes([OWN, *REAL_CERTIFICATES.values()]))
def test_mutated_certificates_are_read_or_refused(data: bytes) -> None:
    assert_read_or_refused(lambda octets: spki_sha256(octets, "certificate"), data, EvidenceFormatError)
