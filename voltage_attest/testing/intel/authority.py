"""The fake Intel itself: root CA, PCK CAs and TCB signer, and what they issue.

A simulation. Names, extensions, formats and life spans are Intel's; the keys are published in this package. A
verifier accepts its work only when it is told to: ``TrustRoots.from_pem(intel=FakeIntel().root_pem)``, and every
result then says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Final

from voltage_attest.testing.intel.collateral import Collateral
from voltage_attest.testing.intel.pck import PckFields, encode_pck_extension
from voltage_attest.testing.intel.platform import Platform
from voltage_attest.testing.intel.tcb import QeIdentity, TcbInfo
from voltage_attest.testing.intel.world import (
    COLLATERAL_LIFE,
    ISSUED_AT,
    PCK_LEAF,
    PLATFORM_CA,
    PROCESSOR_CA,
    ROOT_CA,
    ROOT_CRL_LIFE,
    TCB_SIGNING,
)
from voltage_attest.testing.keys import derive_key
from voltage_attest.testing.signer import CertificateFields, RevocationFields, Signer, self_signed

__all__ = ["FakeIntel"]

_PCK: Final = PckFields()


@dataclass(frozen=True, slots=True)
class FakeIntel:
    """An Intel with fixed keys: equal arguments give equal bytes, on every machine.

    ``name`` selects the keys: another name is a look-alike, equal in every subject and different in every key.
    ``issued_at`` (UTC) dates TCB info, QE identity and CRLs; pass the present for tests against a real clock
    (certificates last into 2032).

    ::

        intel = FakeIntel()
        platform = intel.platform()
        quote = platform.quote(TdReportFields(rtmr3=bytes(48)))
        collateral = intel.collateral(platform)
        roots = TrustRoots.from_pem(intel=intel.root_pem)
        Verifier(policy, roots=roots).examine(Evidence(quote=quote), collateral.to_json(), at=APPRAISED_AT)
    """

    name: str = "fake intel"
    issued_at: datetime = ISSUED_AT

    @property
    def root(self) -> Signer:
        """'Intel SGX Root CA'."""
        return _root(self.name)

    @property
    def root_pem(self) -> bytes:
        """The root certificate in PEM, to be given to a verifier in place of Intel's."""
        return self.root.pem.encode("ascii")

    @property
    def platform_ca(self) -> Signer:
        """'Intel SGX PCK Platform CA', which certifies servers: the default issuer of PCK certificates."""
        return _issued(self.name, PLATFORM_CA)

    @property
    def processor_ca(self) -> Signer:
        """'Intel SGX PCK Processor CA'."""
        return _issued(self.name, PROCESSOR_CA)

    @property
    def tcb_signer(self) -> Signer:
        """'Intel SGX TCB Signing', which signs TCB info and QE identity."""
        return _issued(self.name, TCB_SIGNING)

    def platform(
        self, pck: PckFields = _PCK, *, ca: Signer | None = None, certificate: CertificateFields = PCK_LEAF
    ) -> Platform:
        """Build a machine and certify it: ``certificate`` with the SGX extension of ``pck``, issued by ``ca``.

        Keys and serial number follow from what is certified, so that machines (and one machine at another TCB) can be
        revoked one by one. Under the Processor CA pass ``PROCESSOR_PCK`` and ``PROCESSOR_PCK_LEAF`` too.
        """
        issuer = ca or self.platform_ca
        extension = encode_pck_extension(pck)
        fields = replace(
            certificate,
            label=certificate.label or sha256(extension.value).hexdigest(),
            extensions=(extension, *certificate.extensions),
        )
        leaf = issuer.issue(fields)
        return Platform(pck, leaf, derive_key(f"{leaf.name}/attestation key"))

    def tcb_info(self, platform: Platform) -> TcbInfo:
        """Return current TCB info for the platform's family, for :meth:`collateral` to sign; ``replace`` as needed."""
        return TcbInfo(
            fmspc=platform.pck.fmspc,
            pce_id=platform.pck.pce_id,
            issue_date=self.issued_at,
            next_update=self.issued_at + COLLATERAL_LIFE,
        )

    def qe_identity(self) -> QeIdentity:
        """Return the current identity of the TD quoting enclave; ``replace`` as needed."""
        return QeIdentity(issue_date=self.issued_at, next_update=self.issued_at + COLLATERAL_LIFE)

    def root_crl(self, *revoked: Signer) -> bytes:
        """Issue the root's current CRL in DER, with these certificates (CAs, TCB signers) revoked."""
        return self.root.revocation_list(self._revocations(ROOT_CRL_LIFE, revoked))

    def pck_crl(self, platform: Platform, *revoked: Signer) -> bytes:
        """Issue the current CRL of the platform's PCK CA in DER, with these PCK certificates revoked."""
        ca = platform.leaf.issuer or platform.leaf
        return ca.revocation_list(self._revocations(COLLATERAL_LIFE, revoked))

    def _revocations(self, life: timedelta, revoked: tuple[Signer, ...]) -> RevocationFields:
        return RevocationFields(
            this_update=self.issued_at,
            next_update=self.issued_at + life,
            revoked=tuple(signer.serial for signer in revoked),
        )

    def collateral(
        self,
        platform: Platform,
        *,
        tcb_info: TcbInfo | str | None = None,
        tcb_info_signer: Signer | None = None,
        qe_identity: QeIdentity | str | None = None,
        qe_identity_signer: Signer | None = None,
        root_crl: bytes | None = None,
        pck_crl: bytes | None = None,
    ) -> Collateral:
        """Issue the nine documents for that platform; what is given replaces the current one.

        A text is signed as it is. Signers bring their own issuer chain. CRLs are DER, from :meth:`root_crl`,
        :meth:`pck_crl` or ``Signer.revocation_list``. Text that nothing signs is replaced afterwards, in the result:
        ``replace(collateral, tcb_info_signature="00" * 64)``.
        """
        info = _text(tcb_info or self.tcb_info(platform))
        identity = _text(qe_identity or self.qe_identity())
        info_signer = tcb_info_signer or self.tcb_signer
        identity_signer = qe_identity_signer or self.tcb_signer
        ca = platform.leaf.issuer or platform.leaf
        return Collateral(
            pck_crl_issuer_chain=ca.chain_pem,
            root_ca_crl=(root_crl or self.root_crl()).hex(),
            pck_crl=(pck_crl or self.pck_crl(platform)).hex(),
            tcb_info_issuer_chain=info_signer.chain_pem,
            tcb_info=info,
            tcb_info_signature=info_signer.sign(info.encode()).hex(),
            qe_identity_issuer_chain=identity_signer.chain_pem,
            qe_identity=identity,
            qe_identity_signature=identity_signer.sign(identity.encode()).hex(),
        )


@cache
def _root(name: str) -> Signer:
    return self_signed(name, ROOT_CA)


@cache
def _issued(name: str, fields: CertificateFields) -> Signer:
    return _root(name).issue(fields)


def _text(document: TcbInfo | QeIdentity | str) -> str:
    return document if isinstance(document, str) else document.to_json()
