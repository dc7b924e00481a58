"""What a verifier needs of NVIDIA to judge certain devices without asking: manifests, and each certificate's status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from voltage_attest.collateral.nvidia import NvidiaCollateral, OcspAnswer
from voltage_attest.collateral.rim import RimDocument
from voltage_attest.testing.nvidia.certificates import NvidiaSigner
from voltage_attest.testing.nvidia.device import NvidiaDevice

__all__ = ["collect", "ocsp_request"]


def ocsp_request(certificate: NvidiaSigner) -> bytes:
    """Ask for a certificate's status, without a nonce, by SHA-256: the request in DER."""
    issuer = certificate.issuer or certificate
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate.certificate, issuer.certificate, hashes.SHA256())
    return builder.build().public_bytes(serialization.Encoding.DER)


def collect(
    devices: Iterable[NvidiaDevice],
    rims: Mapping[str, bytes],
    rim_signers: Iterable[NvidiaSigner],
    answer: Callable[[bytes], bytes],
) -> NvidiaCollateral:
    """Put manifests together with answers about all certificates but leaves of devices and roots."""
    chains = [*[device.leaf.chain[1:-1] for device in devices], *[signer.chain[:-1] for signer in rim_signers]]
    asked = {certificate.der: certificate for chain in chains for certificate in chain}
    return NvidiaCollateral(
        rims=tuple([RimDocument(data, rim_id) for rim_id, data in rims.items()]),
        ocsp=tuple([OcspAnswer(sha256(der).digest(), answer(ocsp_request(each))) for der, each in asked.items()]),
    )
