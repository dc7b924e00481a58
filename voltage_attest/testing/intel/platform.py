"""A machine with TDX: its PCK certificate, its quoting enclave's attestation key, and the quotes they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from voltage_attest.testing.intel.pck import PckFields
from voltage_attest.testing.intel.quote import (
    Certification,
    HeaderFields,
    QeFields,
    QuoteShape,
    assemble_quote,
    assemble_sgx_quote,
)
from voltage_attest.testing.intel.td_report import TdReportFields, encode_td_report
from voltage_attest.testing.signer import Signer

__all__ = ["Platform"]

_TD: Final = TdReportFields()
_HEADER: Final = HeaderFields()
_QE: Final = QeFields()
_SGX_HEADER: Final = HeaderFields(tee_type=0)
_SGX_QE: Final = QeFields(
    mr_signer=bytes.fromhex("8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff"), isv_prod_id=1
)
_ENCLAVE: Final = QeFields(mr_signer=bytes(31) + b"\x01", isv_prod_id=0, isv_svn=1, report_data=bytes(64))


@dataclass(frozen=True, slots=True)
class Platform:
    """A TDX machine, made by :meth:`FakeIntel.platform`.

    ``leaf`` is the PCK certificate with its key, its issuers behind it; ``replace(platform, leaf=...)`` gives the
    machine another chain. ``attestation_key`` is the quoting enclave's.
    """

    pck: PckFields
    leaf: Signer
    attestation_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def chain_pem(self) -> str:
        """The PCK chain in PEM: leaf, CA, root."""
        return self.leaf.chain_pem

    @property
    def certification(self) -> Certification:
        """The PCK chain as Intel's quoting enclave embeds it: type 5, ended by one NUL byte."""
        return Certification(data=self.chain_pem.encode("ascii") + b"\0")

    def quote(
        self,
        td: TdReportFields = _TD,
        *,
        shape: QuoteShape = QuoteShape.V4,
        header: HeaderFields = _HEADER,
        qe: QeFields = _QE,
        certification: Certification | None = None,
        quote_key: ec.EllipticCurvePrivateKey | None = None,
        padding: int = 0,
    ) -> bytes:
        """Quote a TD. Every part that is given replaces the genuine one; all else remains correctly signed.

        ``quote_key`` signs in place of the attestation key, which the quote still names. ``padding`` counts the zero
        bytes after the declared end. About 5000 bytes with the default chain.
        """
        body = encode_td_report(td, shape.body_size)
        descriptor = b""
        if shape.body_type is not None:
            descriptor = shape.body_type.to_bytes(2, "little") + len(body).to_bytes(4, "little")
        quote = assemble_quote(
            header.encode(shape.version) + descriptor + body,
            attestation_key=self.attestation_key,
            quote_key=quote_key or self.attestation_key,
            qe=qe,
            pck_key=self.leaf.key,
            certification=certification or self.certification,
        )
        return quote + bytes(padding)

    def sgx_quote(self, enclave: QeFields = _ENCLAVE, *, qe: QeFields = _SGX_QE) -> bytes:
        """Quote an SGX enclave, version 3: genuinely signed by the same platform, and no evidence of a TD."""
        return assemble_sgx_quote(
            _SGX_HEADER.encode(3) + enclave.encode_report(b""),
            attestation_key=self.attestation_key,
            qe=qe,
            pck_key=self.leaf.key,
            certification=self.certification,
        )
