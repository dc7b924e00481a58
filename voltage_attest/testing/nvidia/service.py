"""The fake NVIDIA's side of the simulated pod: one origin that stands for its four services.

::

    rim.attestation.nvidia.com   GET  /v1/rim/{id}, /v1/rim/ids
    ocsp.ndis.nvidia.com         POST /ocsp, /
    crl.ndis.nvidia.com          GET  /crl/l1-root.crl, /crl/l2-gh100.crl, /crl/l2-gb100.crl, /crl-corim/l1-corim
    nras.attestation.nvidia.com  GET  /.well-known/jwks.json; POST /v3/attest/gpu, .../switch, /v4/attest/gpu, .../switch

As NVIDIA does, it needs no key, and answers an evidence it cannot judge with a signed token that says so.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Final

from cryptography import x509

from voltage_attest.testing.nvidia.authority import FakeNvidia
from voltage_attest.testing.nvidia.certificates import NvidiaSigner
from voltage_attest.testing.nvidia.claims import CLAIMS_2, CLAIMS_3, CLAIMS_4
from voltage_attest.testing.nvidia.device import NvidiaDevice
from voltage_attest.testing.nvidia.node import NvidiaNode
from voltage_attest.testing.nvidia.nras import TokenFields
from voltage_attest.testing.nvidia.ocsp import OcspFields, OcspStatus, read_ocsp_question
from voltage_attest.testing.nvidia.world import OCSP_LIFE, Chip
from voltage_attest.testing.pod_faults import Fault
from voltage_attest.testing.pod_wire import Json, Reply, Request, json_reply

__all__ = ["NvidiaService"]

_OCSP_TYPES: Final = ("application/ocsp-request", "application/ocsp-response")
_ATTEST: Final = re.compile(r"/v([34])/attest/(gpu|switch)")
_NONCE: Final = re.compile(r"[0-9a-fA-F]{64}")
_NONCE_IN_REPORT: Final = slice(4, 36)
_VERSIONS: Final = {"3": CLAIMS_2, "4": CLAIMS_3}
"""Of the claims, by version of the interface, where the request names none."""
_UNKNOWN_CHAIN, _WRONG_NONCE = 4007, 4010


@dataclass(frozen=True)
class NvidiaService:
    """NVIDIA's services for the devices of one machine.

    CRLs and certificates are dated by ``nvidia.issued_at``; OCSP answers and tokens, which NVIDIA makes when it is asked, by
    ``clock``.
    """

    nvidia: FakeNvidia
    node: NvidiaNode
    clock: Callable[[], datetime]
    _rims: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)

    def answer(self, request: Request, faults: frozenset[Fault]) -> Reply | None:
        """Answer a request; None for a path that is not NVIDIA's, or if the machine has no GPUs."""
        if not self.node.gpus:
            return None
        return self._post(request, faults) if request.method == "POST" else self._get(request.path, faults)

    def _get(self, path: str, faults: frozenset[Fault]) -> Reply | None:
        if path.startswith("/v1/rim/"):
            return self._rim(path.removeprefix("/v1/rim/"), faults)
        if path.startswith("/crl"):
            return self._crl(path, faults)
        return Reply(body=self.nvidia.jwks().encode()) if path == "/.well-known/jwks.json" else None

    def _post(self, request: Request, faults: frozenset[Fault]) -> Reply | None:
        if request.path in {"/ocsp", "/"}:
            return self._ocsp(request, faults)
        found = _ATTEST.fullmatch(request.path)
        if found is None or (found[2] == "switch" and not self.node.switches):
            return None
        return self._attest(request, _VERSIONS[found[1]], wants_switches=found[2] == "switch")

    @property
    def rims(self) -> dict[str, bytes]:
        """The manifests of the machine's devices by id, as they are when nothing is wrong."""
        if not self._rims:
            self._rims.update(self.nvidia.rims(self.node.devices))
        return dict(self._rims)

    def crls(self, faults: frozenset[Fault] = frozenset()) -> dict[str, bytes]:
        """The revocation lists by path."""
        nvidia = self.nvidia
        revoked = self._revoked(faults)
        reason = x509.ReasonFlags.certificate_hold if Fault.GPU_HOLD in faults else x509.ReasonFlags.key_compromise
        return {
            f"/{path}": nvidia.crl(issuer, *[signer for signer in revoked if signer.issuer == issuer], reason=reason)
            for path, issuer in (
                ("crl/l1-root.crl", nvidia.root),
                ("crl/l2-gh100.crl", nvidia.family(Chip.GH100)),
                ("crl/l2-gb100.crl", nvidia.family(Chip.GB100)),
                ("crl-corim/l1-corim", nvidia.rim_root),
            )
        }

    def _revoked(self, faults: frozenset[Fault]) -> list[NvidiaSigner]:
        """The provisioner of the GPUs: both OCSP and a CRL tell its status."""
        is_faulty = bool(faults & {Fault.GPU_REVOKED, Fault.GPU_HOLD})
        return [self.nvidia.provisioner(self.node.gpus[0].chip)] if is_faulty else []

    def _rim(self, rim_id: str, faults: frozenset[Fault]) -> Reply:
        rims = self.rims
        if Fault.GPU_RIM_MISSING in faults:
            rims = {known: data for known, data in rims.items() if "DRIVER" not in known}
        request_id = sha256(rim_id.encode()).hexdigest()[:32]
        if rim_id == "ids":
            return json_reply({"ids": [*rims], "request_id": request_id})
        data = rims.get(rim_id)
        if data is None:
            return json_reply({"error": "Not Found", "request_id": request_id}, status=HTTPStatus.NOT_FOUND)
        document: dict[str, Json] = {
            "id": rim_id,
            "rim": base64.b64encode(data).decode("ascii"),
            "sha256": sha256(data).hexdigest(),
            "last_updated": self.nvidia.issued_at.isoformat(),
            "rim_format": "TCG",
            "request_id": request_id,
        }
        return json_reply(document)

    def _ocsp(self, request: Request, faults: frozenset[Fault]) -> Reply:
        asked, answered = _OCSP_TYPES
        if Fault.OCSP_DOWN in faults:
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, content_type="text/plain")
        if request.headers.get("content-type") != asked:
            return Reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, content_type="text/plain")
        return Reply(body=self.nvidia.ocsp_answer(request.body, self._status(request.body, faults)), content_type=answered)

    def _status(self, request: bytes, faults: frozenset[Fault]) -> OcspFields:
        status = OcspStatus.GOOD
        try:
            serial = read_ocsp_question(request).serial
        except ValueError:
            serial = None
        if serial in {signer.serial for signer in self._revoked(faults)}:
            status = OcspStatus.HOLD if Fault.GPU_HOLD in faults else OcspStatus.REVOKED
        age = 2 * OCSP_LIFE if Fault.OCSP_STALE in faults else 0 * OCSP_LIFE
        return OcspFields(status=status, this_update=self.clock() - age)

    def _crl(self, path: str, faults: frozenset[Fault]) -> Reply:
        found = self.crls(faults).get(path)
        if found is None:
            return Reply(HTTPStatus.NOT_FOUND, content_type="text/plain")
        return Reply(body=found, content_type="application/pkix-crl")

    def _attest(self, request: Request, version: str, *, wants_switches: bool) -> Reply:
        asked = _read_attest(request, version)
        if asked is None:
            return json_reply({"code": 4003, "message": "INVALID_REQUEST"}, status=HTTPStatus.BAD_REQUEST)
        listed = self.node.switches if wants_switches else self.node.gpus
        known = {device.chain_pem.encode("ascii"): device for device in listed}
        errors: dict[str, int] = {}
        failed: dict[str, dict[str, Json]] = {}
        devices: list[NvidiaDevice] = []
        for number, (report, chain) in enumerate(asked.evidence):
            name, device = f"{'SWITCH' if wants_switches else 'GPU'}-{number}", known.get(chain)
            devices.append(device or listed[0])  # of an error token's device nothing is said
            if device is None:
                errors[name] = _UNKNOWN_CHAIN
            elif report[_NONCE_IN_REPORT] != asked.nonce:
                errors[name] = _WRONG_NONCE
            elif report != device.report(asked.nonce):
                failed[name] = {"measres": "fail"}
        overall: dict[str, Json] = {"x-nvidia-overall-att-result": False} if failed else {}
        fields = TokenFields(
            claims_version=asked.version, issued_at=self.clock(), errors=errors, claims=failed, overall=overall
        )
        return Reply(body=self.nvidia.token(devices, asked.nonce, fields).encode())


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request to attest: reports with their chains, as sent."""

    nonce: bytes
    version: str
    evidence: list[tuple[bytes, bytes]]


def _read_attest(request: Request, version: str) -> _Asked | None:
    try:
        document = json.loads(request.body)
        nonce, items = document["nonce"], document["evidence_list"]
        evidence = [(base64.b64decode(item["evidence"]), base64.b64decode(item["certificate"])) for item in items]
        version = document.get("claims_version", version)
        known = _NONCE.fullmatch(nonce) and version in {CLAIMS_2, CLAIMS_3, CLAIMS_4}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return _Asked(bytes.fromhex(nonce), version, evidence) if known and evidence else None
