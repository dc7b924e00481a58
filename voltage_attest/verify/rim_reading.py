"""Reference integrity manifests, read: shape, chain, signature and content, each once; no content before its signature."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Final

from voltage_attest.collateral.nvidia import MAX_RIMS
from voltage_attest.collateral.rim import RimDocument
from voltage_attest.collateral.rim_content import RimContent, parse_rim_content
from voltage_attest.crypto.certificates import Certificate, load_certificate
from voltage_attest.crypto.rim_chain import why_rim_chain_fails
from voltage_attest.crypto.signatures import P384, SignatureMemo
from voltage_attest.crypto.xml_signature import Refused, SignedXml, parse_signed_xml, verify_signed_xml
from voltage_attest.errors import InputError
from voltage_attest.result import failed, undecided
from voltage_attest.verify.shelf import make_room
from voltage_attest.verify.unreadable import Unreadable, given

__all__ = ["Rim", "RimShelf", "absent_rim"]

_ROOTS: Final = 8


class Rim:
    """One manifest, read step by step on first use and kept, since eight GPUs of a node share theirs.

    Everything follows from its bytes, and from the root's where one is asked for: dates and revocation are never kept.
    Safe to share between threads (a lost race reads twice).
    """

    def __init__(self, document: RimDocument, memo: SignatureMemo | None = None) -> None:
        self.document = document
        self._memo = memo or SignatureMemo()
        self._chain_reasons: dict[bytes, str | None] = {}

    @cached_property
    def xml(self) -> SignedXml | Unreadable:
        """The document's shape, or the finding that says why it has another."""
        try:
            return parse_signed_xml(self.document.data, "RIM")
        except InputError as error:
            return _unreadable(error)

    @cached_property
    def chain(self) -> tuple[Certificate, ...] | Unreadable:
        """The certificates beside the signature, leaf first; none of them is believed yet."""
        if isinstance(self.xml, Unreadable):
            return self.xml
        try:
            ders = enumerate(self.xml.certificates, 1)
            return tuple([load_certificate(der, f"RIM, certificate {number}", P384) for number, der in ders])
        except InputError as error:
            return _unreadable(error)

    def why_chain_fails(self, root: bytes) -> str | None:
        """As :func:`~voltage_attest.crypto.rim_chain.why_rim_chain_fails`, for the root with those DER bytes."""
        if root not in self._chain_reasons:
            make_room(self._chain_reasons, _ROOTS)
            self._chain_reasons[root] = why_rim_chain_fails(given(self.chain), root, self._memo)
        return self._chain_reasons[root]

    @property
    def refused(self) -> Refused | None:
        """Why the signature does not hold, with the key of the chain's leaf; None if it does."""
        return self._judged if isinstance(self._judged, Refused) else None

    @property
    def content(self) -> RimContent | Unreadable:
        """What is signed; to be asked for only after :attr:`refused` is None."""
        if isinstance(self._judged, Refused):
            raise RuntimeError(f"unsigned content was asked for: {self._judged.reason}")  # noqa: TRY004  # a bug of ours
        return self._judged

    @property
    def valid_until(self) -> datetime:
        """When the first certificate of the chain expires (UTC)."""
        return min([certificate.not_after for certificate in given(self.chain)])

    @cached_property
    def _judged(self) -> RimContent | Refused | Unreadable:
        signed = verify_signed_xml(given(self.xml), given(self.chain)[0])
        if isinstance(signed, Refused):
            return signed
        try:
            return parse_rim_content(signed)
        except InputError as error:
            return _unreadable(error)


class RimShelf:
    """Keeps the manifests read, by their bytes, and which of their CAs' signatures are good: manifests share those.

    Bounded; safe to share between threads.
    """

    __slots__ = ("_capacity", "_kept", "_memo")

    def __init__(self, capacity: int = MAX_RIMS, memo: SignatureMemo | None = None) -> None:
        self._capacity = capacity
        self._memo = memo or SignatureMemo()
        self._kept: dict[bytes, Rim] = {}

    def rim(self, document: RimDocument) -> Rim:
        """The manifest with these bytes."""
        known = self._kept.get(document.data)
        if known is None:
            known = Rim(document, self._memo)
            make_room(self._kept, self._capacity)
            self._kept[document.data] = known
        return known


def absent_rim(rim_id: str, why: str | None = None) -> Unreadable:
    """In place of a manifest that could not be had: the judgement then ends undecided, and names the id."""
    return Unreadable(undecided(why or f"{rim_id} is not at hand", expected=f"the manifest {rim_id}", actual="absent"))


def _unreadable(error: InputError) -> Unreadable:
    return Unreadable(failed(expected=error.expected, actual=error.found, reason="the manifest cannot be read"))
