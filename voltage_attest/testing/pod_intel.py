"""The fake Intel's side of the simulated pod: the endpoints of PCS v4 from which a verifier gets its collateral.

Served as Intel serves it: bodies that hold the signed texts unchanged, issuer chains as URL-encoded PEM in headers, and 400,
404 and 410 for what is malformed, unknown or no longer served. Caching services (PCCS) add ``/sgx/certification/v4/rootcacrl``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from voltage_attest.testing.intel.collateral import Collateral
from voltage_attest.testing.intel.pck import PROCESSOR_PCK
from voltage_attest.testing.intel.tcb import QeIdentity, TcbInfo
from voltage_attest.testing.intel.world import PROCESSOR_PCK_LEAF
from voltage_attest.testing.pod_evidence import Machine
from voltage_attest.testing.pod_faults import Fault
from voltage_attest.testing.pod_wire import Reply, Request

__all__ = ["EARLY_NUMBER", "STANDARD_NUMBER", "PcsService"]

STANDARD_NUMBER: Final = TcbInfo().tcb_evaluation_data_number
"""The tcbEvaluationDataNumber of ``update=standard``."""

EARLY_NUMBER: Final = STANDARD_NUMBER + 1
"""The one of ``update=early``."""

_OLDEST_NUMBER: Final = STANDARD_NUMBER - 1
_FMSPC: Final = re.compile(r"[0-9a-fA-F]{12}")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


class _RefusalError(Exception):
    """The request is answered with a status and nothing else."""

    def __init__(self, status: HTTPStatus) -> None:
        self.status = status
        super().__init__(status)


@dataclass(frozen=True, slots=True)
class PcsService:
    """Intel PCS for one machine's family. Everything is dated by ``machine.intel.issued_at``."""

    machine: Machine

    def collateral(self, faults: frozenset[Fault] = frozenset(), number: int = STANDARD_NUMBER) -> Collateral:
        """The nine documents for the machine, of that evaluation data number."""
        intel, platform = self.machine.intel, self.machine.platform(faults)
        revoked = [platform.leaf] if Fault.REVOKED_PCK in faults else []
        return intel.collateral(
            platform,
            tcb_info=replace(intel.tcb_info(platform), tcb_evaluation_data_number=number),
            qe_identity=self._qe_identity(number),
            pck_crl=intel.pck_crl(platform, *revoked),
        )

    def _qe_identity(self, number: int) -> QeIdentity:
        return replace(self.machine.intel.qe_identity(), tcb_evaluation_data_number=number)

    def answer(self, request: Request, faults: frozenset[Fault]) -> Reply:
        """Answer a GET of PCS v4; 404 for any other path."""
        try:
            reply = self._find(request.path, request.query, faults)
        except _RefusalError as refusal:
            reply = Reply(refusal.status, content_type="text/plain")
        request_id = sha256(f"{request.connection} {request.target}".encode()).hexdigest()[:32]
        return replace(reply, headers=(("Request-ID", request_id), *reply.headers))

    def _find(self, path: str, query: Mapping[str, str], faults: frozenset[Fault]) -> Reply:
        intel = self.machine.intel
        match path:
            case "/tdx/certification/v4/tcb":
                return self._tcb_info(query, faults)
            case "/tdx/certification/v4/qe/identity":
                found = self.collateral(faults, _number(query))
                body = f'{{"enclaveIdentity":{found.qe_identity},"signature":"{found.qe_identity_signature}"}}'
                return _signed(body, "SGX-Enclave-Identity-Issuer-Chain", found.qe_identity_issuer_chain)
            case "/sgx/certification/v4/pckcrl":
                return self._pck_crl(query, faults)
            case "/sgx/certification/v4/rootcacrl":
                return Reply(body=intel.root_crl().hex().encode(), content_type="text/plain")
            case "/IntelSGXRootCA.der":
                return Reply(body=intel.root_crl(), content_type="binary/octet-stream")
        raise _RefusalError(HTTPStatus.NOT_FOUND)

    def _tcb_info(self, query: Mapping[str, str], faults: frozenset[Fault]) -> Reply:
        fmspc = query.get("fmspc", "")
        if not _FMSPC.fullmatch(fmspc):
            raise _RefusalError(HTTPStatus.BAD_REQUEST)
        number = _number(query)
        if fmspc.lower() != self.machine.pck.fmspc.hex():
            raise _RefusalError(HTTPStatus.NOT_FOUND)
        found = self.collateral(faults, number)
        body = f'{{"tcbInfo":{found.tcb_info},"signature":"{found.tcb_info_signature}"}}'
        return _signed(body, "TCB-Info-Issuer-Chain", found.tcb_info_issuer_chain)

    def _pck_crl(self, query: Mapping[str, str], faults: frozenset[Fault]) -> Reply:
        intel = self.machine.intel
        match query.get("ca"):
            case "platform":
                found = self.collateral(faults)
                crl, chain = bytes.fromhex(found.pck_crl or ""), found.pck_crl_issuer_chain
            case "processor":
                ca = intel.processor_ca
                crl = intel.pck_crl(intel.platform(PROCESSOR_PCK, ca=ca, certificate=PROCESSOR_PCK_LEAF))
                chain = ca.chain_pem
            case _:
                raise _RefusalError(HTTPStatus.BAD_REQUEST)
        headers = _chain_header("SGX-PCK-CRL-Issuer-Chain", chain)
        match query.get("encoding", "pem"):
            case "der":
                return Reply(body=crl, content_type="application/pkix-crl", headers=headers)
            case "pem":
                return Reply(body=_pem(crl), content_type="application/x-pem-file", headers=headers)
        raise _RefusalError(HTTPStatus.BAD_REQUEST)


def _number(query: Mapping[str, str]) -> int:
    """The evaluation data number that is asked for: by ``update`` or by itself, not by both."""
    update, number = query.get("update"), query.get("tcbEvaluationDataNumber")
    if number is None:
        numbers = {None: STANDARD_NUMBER, "standard": STANDARD_NUMBER, "early": EARLY_NUMBER}
        if update not in numbers:
            raise _RefusalError(HTTPStatus.BAD_REQUEST)
        return numbers[update]
    if update is not None or not _NUMBER.fullmatch(number):
        raise _RefusalError(HTTPStatus.BAD_REQUEST)
    if int(number) > EARLY_NUMBER:
        raise _RefusalError(HTTPStatus.NOT_FOUND)
    if int(number) < _OLDEST_NUMBER:
        raise _RefusalError(HTTPStatus.GONE)
    return int(number)


def _signed(body: str, header: str, chain: str | None) -> Reply:
    return Reply(body=body.encode(), headers=_chain_header(header, chain))


def _chain_header(header: str, chain: str | None) -> tuple[tuple[str, str], ...]:
    return ((header, quote(chain or "", safe="")),)


def _pem(crl: bytes) -> bytes:
    text = base64.b64encode(crl).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(("-----BEGIN X509 CRL-----", *lines, "-----END X509 CRL-----", "")).encode("ascii")
