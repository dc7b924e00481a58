"""The fake NVIDIA itself: its roots and CAs, and what they issue and say.

A simulation. Names, extensions, formats and life spans are NVIDIA's; the keys are published in this package. A verifier accepts
its work only when it is told to: ``TrustRoots.from_pem(nvidia_device=..., nvidia_rim=..., nras=...)``, and every result then
says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography import x509

from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.testing.nvidia.certificates import NvidiaCertificateFields, NvidiaSigner, nvidia_root, spki_der
from voltage_attest.testing.nvidia.collateral import collect
from voltage_attest.testing.nvidia.device import NvidiaDevice
from voltage_attest.testing.nvidia.fields import GpuMode, NvGpuFields, NvSwitchFields
from voltage_attest.testing.nvidia.node import NvidiaNode, node_fields
from voltage_attest.testing.nvidia.nras import TokenFields, detached_eat, jwks_of, nras_leaf_fields
from voltage_attest.testing.nvidia.ocsp import OcspError, OcspFields, ocsp_error, read_ocsp_question, responder_fields
from voltage_attest.testing.nvidia.provisioning import certify_device
from voltage_attest.testing.nvidia.rim import RimFields, RimKind, rim_fields_of, rim_id_of, sign_rim
from voltage_attest.testing.nvidia.world import (
    CRL_LIFE,
    DEVICE_ROOT,
    NRAS_INTERMEDIATE,
    NRAS_ROOT,
    NVIDIA_ISSUED_AT,
    RIM_ROOT,
    Addresses,
    Chip,
    family_ca,
    provisioner_ca,
    rim_ca,
    rim_intermediate,
    rim_signer,
)
from voltage_attest.testing.signer import RevocationFields

__all__ = ["FakeNvidia"]

_GPU: Final = NvGpuFields()
_SWITCH: Final = NvSwitchFields()


@dataclass(frozen=True, slots=True)
class FakeNvidia:
    """An NVIDIA with fixed keys: equal arguments give equal bytes, on every machine.

    ``name`` selects the keys: another name is a look-alike, equal in every subject and different in every key. ``issued_at``
    (UTC) dates OCSP answers, CRLs and tokens; pass the present for tests against a real clock (other certificates last into
    2032). ``origin`` is where its certificates say that revocation is answered, such as ``https://localhost:8443``; None for
    NVIDIA's own addresses.

    ::

        nvidia = FakeNvidia()
        node = nvidia.node(gpus=8, switches=4)
        evidence = node.gpu_evidence(nonce)         # a request to NVIDIA's attestation service, as providers send it
        manifests = nvidia.rims(node.devices)       # by id, each signed
        answer = nvidia.ocsp_answer(request)        # or ..., OcspFields(status=OcspStatus.HOLD)
        collateral = nvidia.collateral(node.devices)  # all of it, for Verifier.examine(..., nvidia=collateral)
    """

    name: str = "fake nvidia"
    issued_at: datetime = NVIDIA_ISSUED_AT
    origin: str | None = None

    @property
    def root(self) -> NvidiaSigner:
        """'NVIDIA Device Identity CA'."""
        return _root(self.name, DEVICE_ROOT)

    @property
    def root_pem(self) -> bytes:
        """The device root in PEM, to be given to a verifier in place of NVIDIA's."""
        return self.root.pem.encode("ascii")

    @property
    def rim_root(self) -> NvidiaSigner:
        """'NVIDIA CoRIM signing Root CA'."""
        return _root(self.name, RIM_ROOT)

    @property
    def rim_root_pem(self) -> bytes:
        """The root of manifests in PEM."""
        return self.rim_root.pem.encode("ascii")

    @property
    def nras_intermediate(self) -> NvidiaSigner:
        """'NVIDIA Attestation Service GPU Intermediate 005', in which tokens are trusted; its root is shown nowhere."""
        return _issue(_root(self.name, NRAS_ROOT), NRAS_INTERMEDIATE)

    @property
    def nras_pem(self) -> bytes:
        """The intermediate of the attestation service in PEM."""
        return self.nras_intermediate.pem.encode("ascii")

    @property
    def nras_spki_sha256(self) -> str:
        """SHA-256 (hex) of the intermediate's key: what a policy lists under ``nras_intermediates``."""
        return sha256(spki_der(self.nras_intermediate.key.public_key())).hexdigest()

    @property
    def nras_signer(self) -> NvidiaSigner:
        """The key of today's tokens; its certificate lasts two days from an hour before ``issued_at``."""
        return _issue(self.nras_intermediate, nras_leaf_fields(self.issued_at))

    def family(self, chip: Chip = Chip.GH100) -> NvidiaSigner:
        """'NVIDIA GH100 Identity' or 'NVIDIA GB100 Identity', which switches have in common with Hopper."""
        return _issue(self.root, family_ca(chip.family, self._addresses))

    def provisioner(self, chip: Chip = Chip.GH100) -> NvidiaSigner:
        """'NVIDIA GH100 Provisioner ICA 1' and the like: what certifies each device's BROM."""
        return _issue(self.family(chip), provisioner_ca(chip, self._addresses))

    def rim_signer(self, chip: Chip = Chip.GH100) -> NvidiaSigner:
        """'HCC RIM L4 Signer' and the like."""
        return _issue(self._rim_issuers(chip)[0], rim_signer(chip, self._addresses))

    def gpu(self, fields: NvGpuFields = _GPU, *, provisioner: NvidiaSigner | None = None) -> NvidiaDevice:
        """Make a GPU and certify it; ``provisioner`` stands in for its chip's own."""
        return certify_device(fields, provisioner or self.provisioner(fields.chip), self._addresses)

    def switch(self, fields: NvSwitchFields = _SWITCH, *, provisioner: NvidiaSigner | None = None) -> NvidiaDevice:
        """Make an NVSwitch and certify it."""
        return certify_device(fields, provisioner or self.provisioner(fields.chip), self._addresses)

    def node(
        self,
        gpus: int = 8,
        switches: int = 4,
        *,
        gpu: NvGpuFields = _GPU,
        switch: NvSwitchFields = _SWITCH,
        mode: GpuMode | None = None,
        label: str = "node",
    ) -> NvidiaNode:
        """Make the devices of one machine after the patterns ``gpu`` and ``switch``; ``label`` tells apart nodes.

        With switches (four, to eight GPUs) they name each other and are in protected PCIe mode. Without, several GPUs are in
        MPT and one in SPT, unless ``mode`` says otherwise; in protected PCIe mode the GPUs then still name four switches.
        """
        gpu_fields, switch_fields = node_fields(gpus, switches, gpu, switch, mode=mode, label=label)
        return NvidiaNode(tuple(map(self.gpu, gpu_fields)), tuple(map(self.switch, switch_fields)))

    def rim_fields(self, kind: RimKind, device: NvidiaDevice) -> RimFields:
        """Return what the manifest of that kind says for the device, for :meth:`rim` to sign; ``replace`` as needed."""
        return rim_fields_of(kind, device.fields)

    def rim(
        self, kind: RimKind, device: NvidiaDevice, *, fields: RimFields | None = None, signer: NvidiaSigner | None = None
    ) -> bytes:
        """Issue the manifest of that kind for the device; ``fields`` replace what it says, ``signer`` who signs it."""
        return sign_rim(fields or self.rim_fields(kind, device), signer or self.rim_signer(device.chip))

    def rims(self, devices: Iterable[NvidiaDevice]) -> dict[str, bytes]:
        """Issue all manifests for the devices, once each, by their ids."""
        found: dict[str, bytes] = {}
        for device in devices:
            for kind in (RimKind.SWITCH_BIOS,) if device.is_switch else (RimKind.DRIVER, RimKind.VBIOS):
                rim_id = rim_id_of(kind, device.fields)
                if rim_id not in found:
                    found[rim_id] = self.rim(kind, device)
        return found

    def ocsp_answer(self, request: bytes, fields: OcspFields | None = None, *, responder: NvidiaSigner | None = None) -> bytes:
        """Answer an OCSP request (DER) about any certificate whose issuer is one of :attr:`issuers`, by default with good.

        As NVIDIA's: 'unauthorized' about other issuers' (a device's leaf among them), and a responder certified by the issuer.
        """
        try:
            question = read_ocsp_question(request)
        except ValueError:
            return ocsp_error(OcspError.MALFORMED_REQUEST)
        issuer = next((candidate for candidate in self.issuers if question.is_for(candidate)), None)
        if issuer is None:
            return ocsp_error(OcspError.UNAUTHORIZED)
        signer = responder or _issue(issuer, responder_fields(self.issued_at))
        return question.answer(fields or OcspFields(), signer, self.issued_at)

    def collateral(
        self,
        devices: Sequence[NvidiaDevice],
        *,
        rims: Mapping[str, bytes] | None = None,
        ocsp: OcspFields | None = None,
    ) -> NvidiaCollateral:
        """Issue what a verifier of these devices needs, as if fetched: ``rims`` replace the manifests, ``ocsp`` all answers."""
        signers = [self.rim_signer(chip) for chip in dict.fromkeys([device.chip for device in devices])]
        manifests = self.rims(devices) if rims is None else rims
        return collect(devices, manifests, signers, lambda request: self.ocsp_answer(request, ocsp))

    def crl(
        self, issuer: NvidiaSigner, *revoked: NvidiaSigner, reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise
    ) -> bytes:
        """Issue the issuer's current CRL in DER, with these certificates revoked."""
        until = self.issued_at + CRL_LIFE
        serials = tuple([signer.serial for signer in revoked])
        fields = RevocationFields(this_update=self.issued_at, next_update=until, revoked=serials, reason=reason)
        return issuer.revocation_list(fields)

    def token(
        self,
        devices: Sequence[NvidiaDevice],
        nonce: bytes,
        fields: TokenFields | None = None,
        *,
        signer: NvidiaSigner | None = None,
    ) -> str:
        """Return NRAS's answer for the devices: a detached EAT in JSON."""
        return detached_eat(devices, nonce, fields or TokenFields(), signer or self.nras_signer, self.issued_at)

    def jwks(self) -> str:
        """Return NRAS's key set in JSON: today's key with its certificate and the intermediate's."""
        return jwks_of(self.nras_signer)

    @property
    def issuers(self) -> tuple[NvidiaSigner, ...]:
        """The CAs whose certificates its OCSP responder answers for."""
        chips = tuple(Chip)
        families = {chip.family: self.family(chip) for chip in chips}
        rims = [issuer for chip in chips for issuer in self._rim_issuers(chip)]
        return (self.root, self.rim_root, *families.values(), *map(self.provisioner, chips), *rims)

    @property
    def _addresses(self) -> Addresses:
        return Addresses(self.origin)

    def _rim_issuers(self, chip: Chip) -> tuple[NvidiaSigner, NvidiaSigner]:
        """The intermediate that issues signers of manifests, and the CA above it."""
        ca = _issue(self.rim_root, rim_ca(chip, self._addresses))
        return _issue(ca, rim_intermediate(chip, self._addresses)), ca


@lru_cache(maxsize=64)
def _root(name: str, fields: NvidiaCertificateFields) -> NvidiaSigner:
    return nvidia_root(name, fields)


@lru_cache(maxsize=256)
def _issue(issuer: NvidiaSigner, fields: NvidiaCertificateFields) -> NvidiaSigner:
    return issuer.issue(fields)
