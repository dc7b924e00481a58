"""What the checks of one verification look at: evidence, collateral, roots, and the time to judge at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from voltage_attest.crypto.certificates import Certificate, CertificateLoader, link_key, load_constant, load_root
from voltage_attest.crypto.signatures import PointLoader, SignatureMemo
from voltage_attest.errors import InputError
from voltage_attest.evidence.pck_extension import PCK_EXTENSION_OID, PckExtension, parse_pck_extension
from voltage_attest.evidence.quote import CertificationDataType, TdxQuote
from voltage_attest.result import failed
from voltage_attest.trust import TrustRoots, known_issuing_certificates
from voltage_attest.verify.documents import Documents, Window, common_window
from voltage_attest.verify.unreadable import Unreadable

__all__ = ["CollateralCase", "PckChain", "PckReader", "QuoteCase", "Workshop"]

_CHAIN_LENGTH = 3


@dataclass(frozen=True, slots=True)
class PckChain:
    """The quote's certificates as found: PCK leaf, PCK CA, root; the window they have in common; the leaf's SGX extension."""

    leaf: Certificate
    ca: Certificate
    root: Certificate
    window: Window
    extension: PckExtension

    @property
    def certificates(self) -> tuple[Certificate, Certificate, Certificate]:
        """Leaf first."""
        return self.leaf, self.ca, self.root


class PckReader:
    """Reads the PCK chain of quotes and keeps the readable ones by their bytes. Bounded; safe to share between threads."""

    __slots__ = ("_capacity", "_known")

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._known: dict[bytes, PckChain] = {}

    def read(self, quote: TdxQuote, loader: CertificateLoader) -> PckChain | Unreadable:
        """The quote's PCK chain and extension, or the finding that says why they cannot be read."""
        pem = quote.certification_data
        known = self._known.get(pem)
        if known is not None and quote.certification_data_type is CertificationDataType.PCK_CHAIN:
            return known
        chain = _read_pck_chain(quote, loader)
        if isinstance(chain, PckChain):
            if len(self._known) >= self._capacity:
                self._known.clear()
            self._known[pem] = chain
        return chain


def _read_pck_chain(quote: TdxQuote, loader: CertificateLoader) -> PckChain | Unreadable:
    kind = quote.certification_data_type
    if kind is not CertificationDataType.PCK_CHAIN:
        return Unreadable(
            failed(
                expected="certification data of type 5 (a PCK certificate chain)",
                actual=f"type {int(kind)} ({kind.name})",
                reason="the quote names its platform but does not carry the certificates that prove it",
            )
        )
    try:
        # Quoting enclaves end the PEM text with a line break or with a line break and one NUL.
        certificates = loader.chain(quote.certification_data.removesuffix(b"\0"), "PCK chain")
        if len(certificates) != _CHAIN_LENGTH:
            found = ", ".join(certificate.common_name for certificate in certificates)
            return Unreadable(
                failed(
                    expected="3 certificates: PCK leaf, PCK CA, root",
                    actual=f"{len(certificates)}: {found}",
                    reason="the chain does not have the shape of a PCK chain",
                )
            )
        value = certificates[0].extensions.values.get(PCK_EXTENSION_OID)
        if value is None:
            return Unreadable(
                failed(
                    expected="the SGX extension (1.2.840.113741.1.13.1)",
                    actual="a leaf without it",
                    reason="the leaf is no PCK certificate",
                )
            )
        leaf, ca, root = certificates
        return PckChain(leaf, ca, root, common_window(certificates), parse_pck_extension(value))
    except InputError as error:
        return Unreadable(failed(expected=error.expected, actual=error.found, reason="the PCK chain cannot be read"))


@dataclass(frozen=True, slots=True)
class Workshop:
    """What outlives one verification because it depends on bytes alone: parsed certificates, good signatures, PCK chains."""

    root: Certificate
    loader: CertificateLoader
    memo: SignatureMemo
    pck_chains: PckReader = field(default_factory=PckReader)
    attestation_keys: PointLoader = field(default_factory=PointLoader)

    @staticmethod
    def under(roots: TrustRoots) -> Workshop:
        """An empty one, ending in ``roots``; under the pinned root it knows what that root is known to have signed."""
        root = load_root(roots.intel)
        known = () if "intel" in roots.replaced else tuple([load_constant(der) for der in known_issuing_certificates()])
        memo = SignatureMemo([link_key(certificate, root) for certificate in known])
        return Workshop(root, CertificateLoader((root, *known)), memo)


@dataclass(frozen=True, slots=True)
class CollateralCase:
    """Collateral under judgement at ``at`` (UTC)."""

    documents: Documents
    root: Certificate
    at: datetime
    memo: SignatureMemo


class QuoteCase:
    """A quote under judgement with its collateral, and the PCK chain read from it."""

    __slots__ = ("collateral", "pck", "quote", "workshop")

    def __init__(self, quote: TdxQuote, collateral: CollateralCase, workshop: Workshop) -> None:
        self.quote = quote
        self.collateral = collateral
        self.workshop = workshop
        self.pck = workshop.pck_chains.read(quote, workshop.loader)
