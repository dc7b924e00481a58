"""The simulated pod's attestation answer, with whatever is wrong with it.

The binding is computed here anew, not with :mod:`voltage_attest.appraise`: a mistake in one must not be cancelled by the other.
``SHA-512("voltage-attest/1" 00 || nonce[32] || SHA-256(TLS SPKI DER) || SHA-256(E2EE public key) or 32 zero bytes)``.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from hashlib import sha256, sha384, sha512
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from voltage_attest.testing.intel.authority import FakeIntel
from voltage_attest.testing.intel.pck import PckFields
from voltage_attest.testing.intel.platform import Platform
from voltage_attest.testing.intel.quote import QuoteShape
from voltage_attest.testing.intel.tcb import pad_components
from voltage_attest.testing.intel.td_report import TdReportFields
from voltage_attest.testing.pod_faults import Fault
from voltage_attest.testing.pod_nvidia import PodDevices
from voltage_attest.testing.pod_wire import Json
from voltage_attest.testing.tls import TlsIdentity

__all__ = ["NONCE_SIZE", "Machine", "PodKeys", "attestation_document", "bind_report_data", "make_e2ee_key"]

NONCE_SIZE: Final = 32

_STALE_NONCE: Final = sha256(b"voltage-attest simulation: a nonce of yesterday").digest()
_OTHER_MRTD: Final = sha384(b"voltage-attest simulation: an image nobody reviewed").digest()
_OLD_COMPONENTS: Final = pad_components(3, 3, 2, 2, 4, 1, 0, 5)
_TD: Final = TdReportFields()
_PCK: Final = PckFields()


@dataclass(frozen=True, slots=True)
class PodKeys:
    """The keys that one attestation binds. ``e2ee_public_key`` is raw X25519, 32 bytes; None: the pod offers none."""

    tls: TlsIdentity
    e2ee_public_key: bytes | None

    @property
    def e2ee_base64(self) -> str | None:
        """The E2EE key as the attestation API writes it."""
        return None if self.e2ee_public_key is None else base64.b64encode(self.e2ee_public_key).decode("ascii")


def make_e2ee_key() -> bytes:
    """Draw an X25519 key and return its public half; the simulation never decrypts."""
    return X25519PrivateKey.generate().public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The hardware and the TD on it: whose quotes, of what.

    ``devices`` are its GPUs and switches. ``extra`` is added to the attestation answer as it is: the place of ``event_log``.
    """

    intel: FakeIntel
    devices: PodDevices
    td: TdReportFields = _TD
    pck: PckFields = _PCK
    shape: QuoteShape = QuoteShape.V4
    tdx_version: str = "1.5"
    extra: dict[str, Json] = field(default_factory=dict)

    def platform(self, faults: frozenset[Fault] = frozenset()) -> Platform:
        """The platform, at an older TCB if that is the fault."""
        outdated = Fault.OUT_OF_DATE_TCB in faults
        return self.intel.platform(replace(self.pck, components=_OLD_COMPONENTS) if outdated else self.pck)

    def faulty_td(self, faults: frozenset[Fault]) -> TdReportFields:
        """The TD, changed as the faults say."""
        td = self.td
        if Fault.OTHER_MRTD in faults:
            td = replace(td, mrtd=_OTHER_MRTD)
        if Fault.DEBUG_TD in faults:
            td = replace(td, td_attributes=bytes((td.td_attributes[0] | 1,)) + td.td_attributes[1:])
        return td


def bind_report_data(nonce: bytes, spki_sha256: bytes, e2ee_public_key: bytes | None) -> bytes:
    """Compute REPORTDATA (64 bytes) of the binding ``voltage-attest/1``."""
    e2ee = bytes(32) if e2ee_public_key is None else sha256(e2ee_public_key).digest()
    return sha512(b"voltage-attest/1\0" + nonce + spki_sha256 + e2ee).digest()


def attestation_document(
    machine: Machine, nonce: bytes, keys: PodKeys, others: PodKeys, faults: frozenset[Fault] = frozenset()
) -> dict[str, Json]:
    """Attest: what ``GET /v1/pods/{POD_ID}/attestation`` answers. ``others`` are the keys of some other machine."""
    named = others if Fault.RELAYED_EVIDENCE in faults else keys
    bound_key = others if Fault.WRONG_KEY in faults else named
    shown_nonce = _STALE_NONCE if Fault.STALE_NONCE in faults else nonce
    bound_nonce = _STALE_NONCE if faults & {Fault.STALE_NONCE, Fault.REPLAYED_QUOTE} else nonce
    td = machine.faulty_td(faults)
    report_data = bind_report_data(bound_nonce, bound_key.tls.spki_sha256, named.e2ee_public_key)
    quote = machine.platform(faults).quote(replace(td, report_data=report_data), shape=machine.shape)
    document: dict[str, Json] = {
        "tdx_version": machine.tdx_version,
        "measurement_valid": Fault.MEASUREMENT_INVALID not in faults,
        "mr_td": (_OTHER_MRTD[::-1] if Fault.MR_TD_LIE in faults else td.mrtd).hex(),
        "nonce": shown_nonce.hex(),
        "tls_certificate": named.tls.pem,
        **machine.devices.documents(report_data, faults),
        **machine.extra,
    }
    if Fault.NO_QUOTE not in faults:
        document["quote"] = base64.b64encode(quote).decode("ascii")
    if named.e2ee_base64 is not None:
        document["e2ee_public_key"] = named.e2ee_base64
    return document
