"""The collateral file: nine documents in one JSON object, the layout of Intel's ``sgx_ql_qve_collateral_t``."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

__all__ = ["Collateral"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """The nine documents, and a tenth on request. Replace one with :func:`dataclasses.replace`; None leaves it out.

    CRLs are DER in hex, chains PEM (signer first), signatures r || s in 128 hex digits; ``tcb_info`` and
    ``qe_identity`` are the signed JSON texts themselves. ``pck_certificate_chain`` (PEM) is what dcap-qvl writes
    beside them.
    """

    pck_crl_issuer_chain: str | None
    root_ca_crl: str | None
    pck_crl: str | None
    tcb_info_issuer_chain: str | None
    tcb_info: str | None
    tcb_info_signature: str | None
    qe_identity_issuer_chain: str | None
    qe_identity: str | None
    qe_identity_signature: str | None
    pck_certificate_chain: str | None = None

    @property
    def documents(self) -> dict[str, str]:
        """The documents that are there, by key."""
        present: dict[str, str] = {}
        for document in fields(self):
            text: str | None = getattr(self, document.name)
            if text is not None:
                present[document.name] = text
        return present

    def to_json(self) -> bytes:
        """Return the file: UTF-8, one document a line."""
        return json.dumps(self.documents, indent=1).encode() + b"\n"
