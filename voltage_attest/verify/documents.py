"""Collateral, read: each document parsed once; one that is absent or malformed becomes the finding that says so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, TypeVar, cast

from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.collateral.qe_identity import QeIdentity, parse_qe_identity
from voltage_attest.collateral.tcb_info import TcbInfo, parse_tcb_info
from voltage_attest.crypto.certificates import Certificate, CertificateLoader
from voltage_attest.crypto.crl import RevocationList, load_crl
from voltage_attest.crypto.signatures import SIGNATURE_SIZE
from voltage_attest.errors import CollateralFormatError, InputError
from voltage_attest.result import failed, undecided
from voltage_attest.verify.unreadable import Unreadable

__all__ = ["Chain", "Documents", "SignedDocument", "Window", "common_window"]

Document = TypeVar("Document")
Derived = TypeVar("Derived")
Chain = tuple[Certificate, ...]
Window = tuple[datetime, datetime]
"""First and last moment (UTC), both included; empty where the first is after the last."""

_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A JSON document signed by Intel's TCB signer: its exact bytes, the raw signature r||s (64 bytes), the signer's chain.

    ``window`` is the one that the certificates of the chain have in common.
    """

    message: bytes | Unreadable
    signature: bytes | Unreadable
    chain: Chain | Unreadable
    window: Window | Unreadable


def common_window(chain: Chain) -> Window:
    """The window that all certificates of ``chain`` have in common."""
    return max([certificate.not_before for certificate in chain]), min([certificate.not_after for certificate in chain])


class Documents:
    """The documents of one :class:`IntelCollateral`, each parsed on first use and kept. Nothing in it is believed yet."""

    def __init__(self, raw: IntelCollateral, loader: CertificateLoader) -> None:
        self.raw = raw
        self._loader = loader
        self._remembered: dict[Hashable, object] = {}

    def remembered(self, key: Hashable, compute: Callable[[], Derived]) -> Derived:
        """What follows from these documents and ``key`` alone, computed once. Bounded; safe to share between threads."""
        found = cast("Derived | None", self._remembered.get(key))
        if found is None:
            found = compute()
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = found
        return found

    @cached_property
    def root_crl(self) -> RevocationList | Unreadable:
        """The root CA's CRL."""
        return self._read("root_ca_crl", _crl)

    @cached_property
    def pck_crl(self) -> RevocationList | Unreadable:
        """The PCK CA's CRL."""
        return self._read("pck_crl", _crl)

    @cached_property
    def pck_crl_issuer_chain(self) -> Chain | Unreadable:
        """PCK CA and root, in that order."""
        return self._read("pck_crl_issuer_chain", self._chain)

    @cached_property
    def pck_certificate_chain(self) -> Chain | Unreadable:
        """The optional tenth key."""
        # Collectors copy the chain out of the quote with the NUL that may end it there.
        return self._read("pck_certificate_chain", lambda pem, key: self._chain(pem.removesuffix("\0"), key))

    @cached_property
    def signed_tcb_info(self) -> SignedDocument:
        """TCB info's bytes, signature and signer chain."""
        return self._signed("tcb_info")

    @cached_property
    def signed_qe_identity(self) -> SignedDocument:
        """QE identity's bytes, signature and signer chain."""
        return self._signed("qe_identity")

    @cached_property
    def tcb_info(self) -> TcbInfo | Unreadable:
        """TCB info's content."""
        return self._read("tcb_info", lambda text, _: parse_tcb_info(text))

    @cached_property
    def qe_identity(self) -> QeIdentity | Unreadable:
        """QE identity's content."""
        return self._read("qe_identity", lambda text, _: parse_qe_identity(text))

    @cached_property
    def sha256(self) -> dict[str, str]:
        """SHA-256 (hex) of each dated document given: of a CRL's DER bytes, of the JSON text as received."""
        texts = {
            "root-ca-crl": (self.raw.root_ca_crl, self.root_crl),
            "pck-crl": (self.raw.pck_crl, self.pck_crl),
            "tdx-tcb-info": (self.raw.tcb_info, None),
            "td-qe-identity": (self.raw.qe_identity, None),
        }
        return {
            kind: hashlib.sha256(
                crl.der if isinstance(crl, RevocationList) else text.encode("utf-8", "surrogatepass")
            ).hexdigest()
            for kind, (text, crl) in texts.items()
            if text is not None
        }

    def _chain(self, pem: str, key: str) -> Chain:
        return self._loader.chain(_ascii(pem, key), key)

    def _signed(self, key: str) -> SignedDocument:
        chain = self._read(f"{key}_issuer_chain", self._chain)
        return SignedDocument(
            self._read(key, _exact_bytes),
            self._read(f"{key}_signature", _raw_signature),
            chain,
            chain if isinstance(chain, Unreadable) else common_window(chain),
        )

    def _read(self, key: str, parse: Callable[[str, str], Document]) -> Document | Unreadable:
        text: str | None = getattr(self.raw, key)
        if text is None:
            reason = self.raw.why_absent(key) or f"{key} is not in the collateral"
            return Unreadable(undecided(reason, expected=f"the document {key}", actual="absent"))
        try:
            return parse(text, key)
        except InputError as error:
            return Unreadable(failed(expected=error.expected, actual=error.found, reason=f"{key} cannot be read"))


def _ascii(text: str, key: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise CollateralFormatError(f"{key} holds non-ASCII text", expected="ASCII", document=key) from None


def _exact_bytes(text: str, key: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise CollateralFormatError(f"{key} holds half a character", expected="UTF-8 text", document=key) from None


def _from_hex(text: str, key: str) -> bytes:
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if 2 * len(octets) != len(text):  # fromhex skips white space: a text with any comes out short
        raise CollateralFormatError(f"{key} is not hex", expected="hex digits, two a byte, and nothing else", document=key)
    return octets


def _raw_signature(text: str, key: str) -> bytes:
    signature = _from_hex(text, key)
    if len(signature) != SIGNATURE_SIZE:
        raise CollateralFormatError(f"{key} has {len(signature)} bytes", expected="64 (r||s)", document=key)
    return signature


def _crl(text: str, key: str) -> RevocationList:
    return load_crl(_from_hex(text, key), key)
