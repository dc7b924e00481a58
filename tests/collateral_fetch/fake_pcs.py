"""The fake Intel's PCS and a PCCS in front of it, as a function from a target to an answer; served by mocks and by sockets."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from tests.collateral_fetch.loopback import answer
from voltage_attest.collateral.pcs import CollateralRequest, DocumentKind, PcsEndpoint, pccs_endpoint
from voltage_attest.testing import APPRAISED_AT, Collateral, FakeIntel, Platform

__all__ = ["AT", "INTEL", "PCCS", "PLATFORM", "REQUEST", "FakePcs", "Wire", "wire_of"]

INTEL: Final = FakeIntel()
PLATFORM: Final[Platform] = INTEL.platform()
AT: Final[datetime] = APPRAISED_AT
REQUEST: Final = CollateralRequest(PLATFORM.pck.fmspc, "platform")
PCCS: Final[PcsEndpoint] = pccs_endpoint("https://pccs.example.org:8081")

_PATHS: Final = {
    "/sgx/certification/v4/rootcacrl": DocumentKind.ROOT_CA_CRL,
    "/IntelSGXRootCA.der": DocumentKind.ROOT_CA_CRL,
    "/sgx/certification/v4/pckcrl": DocumentKind.PCK_CRL,
    "/tdx/certification/v4/tcb": DocumentKind.TCB_INFO,
    "/tdx/certification/v4/qe/identity": DocumentKind.QE_IDENTITY,
}


@dataclass(frozen=True, slots=True)
class Wire:
    """An answer before it is sent."""

    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200


def wire_of(kind: DocumentKind, documents: Collateral) -> Wire:
    """The answer with that document, in the shape of PCS v4."""
    match kind:
        case DocumentKind.ROOT_CA_CRL:
            return Wire(bytes.fromhex(documents.root_ca_crl or ""), "application/pkix-crl")
        case DocumentKind.PCK_CRL:
            chain = _chain("SGX-PCK-CRL-Issuer-Chain", documents.pck_crl_issuer_chain)
            return Wire(bytes.fromhex(documents.pck_crl or ""), "application/pkix-crl", chain)
        case DocumentKind.TCB_INFO:
            body = f'{{"tcbInfo":{documents.tcb_info},"signature":"{documents.tcb_info_signature}"}}'
            return Wire(body.encode(), headers=_chain("TCB-Info-Issuer-Chain", documents.tcb_info_issuer_chain))
        case DocumentKind.QE_IDENTITY:
            body = f'{{"enclaveIdentity":{documents.qe_identity},"signature":"{documents.qe_identity_signature}"}}'
            chain = _chain("SGX-Enclave-Identity-Issuer-Chain", documents.qe_identity_issuer_chain)
            return Wire(body.encode(), headers=chain)


def _chain(name: str, pem: str | None) -> tuple[tuple[str, str], ...]:
    return ((name, quote(pem or "")),)


@dataclass(slots=True)
class FakePcs:
    """Answers by document; what is in ``instead`` takes the place of the genuine answer. ``asked`` lists the URLs asked for."""

    documents: Collateral = field(default_factory=lambda: INTEL.collateral(PLATFORM))
    instead: Mapping[DocumentKind, Wire] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def find(self, url: str) -> Wire:
        """The answer to a GET."""
        self.asked.append(url)
        parts = urlsplit(url)
        kind = _PATHS.get(parts.path)
        if kind is None:
            return Wire(status=404)
        if kind in self.instead:
            return self.instead[kind]
        fmspc = parse_qs(parts.query).get("fmspc", [PLATFORM.pck.fmspc.hex()])
        return wire_of(kind, self.documents) if fmspc == [PLATFORM.pck.fmspc.hex()] else Wire(status=404)

    @property
    def transport(self) -> httpx.MockTransport:
        """In place of the network."""
        return httpx.MockTransport(self._respond)

    def script(self, connection: socket.socket, target: str) -> None:
        """For :func:`tests.collateral_fetch.loopback.serving`."""
        found = self.find(target)
        status = f"{found.status} {HTTPStatus(found.status).phrase}"
        connection.sendall(answer(found.body, *found.headers, status=status, content_type=found.content_type))

    def _respond(self, request: httpx.Request) -> httpx.Response:
        found = self.find(str(request.url))
        headers = [("Content-Type", found.content_type), *found.headers]
        return httpx.Response(found.status, headers=headers, content=found.body)

    def changed(self, **documents: str) -> FakePcs:
        """Another one, with these documents instead."""
        return FakePcs(replace(self.documents, **documents), self.instead)
