"""Intel's collateral for one TDX quote, as received: the nine keys of ``sgx_ql_qve_collateral_t``, and raw bytes in each.

::

    pck_crl_issuer_chain   PEM   PCK CA, root          pck_crl      hex DER
    root_ca_crl            hex DER
    tcb_info_issuer_chain  PEM   TCB signer, root      tcb_info     JSON text, signed as it stands
    tcb_info_signature     hex   r||s
    qe_identity_issuer_chain PEM TCB signer, root      qe_identity  JSON text, signed as it stands
    qe_identity_signature  hex   r||s
    pck_certificate_chain  PEM   optional: the quote's own chain

Signatures cover ``tcb_info`` and ``qe_identity`` exactly as these strings stand; nothing is ever serialised again.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final, cast

from voltage_attest.collateral.strict_json import parse_strict_json
from voltage_attest.errors import CollateralFormatError

__all__ = ["MAX_COLLATERAL_SIZE", "IntelCollateral", "parse_intel_collateral"]

MAX_COLLATERAL_SIZE: Final = 4 * 1024 * 1024
"""Bytes of the nine-key JSON. Real files have 14 to 25 KB; a PCK CRL may grow."""


@dataclass(frozen=True)
class IntelCollateral:
    """The documents as received; None where one is absent. Hashable, so that what was read from it can be kept beside it."""

    pck_crl_issuer_chain: str | None = None
    root_ca_crl: str | None = None
    pck_crl: str | None = None
    tcb_info_issuer_chain: str | None = None
    tcb_info: str | None = None
    tcb_info_signature: str | None = None
    qe_identity_issuer_chain: str | None = None
    qe_identity: str | None = None
    qe_identity_signature: str | None = None
    pck_certificate_chain: str | None = None
    absences: tuple[tuple[str, str], ...] = ()
    """(key, why) of documents that were looked for and could not be had."""

    def why_absent(self, key: str) -> str | None:
        """Why that document could not be had, if that is known."""
        return dict(self.absences).get(key)

    def missing(self) -> tuple[str, ...]:
        """The mandatory keys that are absent."""
        texts = _mandatory(self)
        if None not in texts:
            return ()
        return tuple([key for key, text in zip(_MANDATORY, texts, strict=True) if text is None])


_KEYS: Final = tuple(field.name for field in fields(IntelCollateral) if field.name != "absences")
_MANDATORY: Final = tuple(key for key in _KEYS if key != "pck_certificate_chain")
_mandatory: Final = attrgetter(*_MANDATORY)


def parse_intel_collateral(data: bytes) -> IntelCollateral:
    """Read the nine-key JSON of at most 4 MiB; :class:`CollateralFormatError` on duplicate, foreign or non-text keys.

    A key that is absent or null stays None: its checks then end undecided, not refused.
    """
    if len(data) > MAX_COLLATERAL_SIZE:
        raise CollateralFormatError(
            f"the collateral has {len(data)} bytes", expected=f"at most {MAX_COLLATERAL_SIZE}", document="collateral"
        )
    if data[:1] in (b"\x03", b"\x04", b"\x05") and data[1:2] == b"\x00":
        raise CollateralFormatError(
            "the file holds a quote",
            expected="the nine-key JSON",
            document="collateral",
            remedy="A quote belongs to --quote; were the two files exchanged?",
        )
    found = parse_strict_json(data, "collateral")
    foreign = sorted(set(found) - set(_KEYS))
    if foreign:
        raise CollateralFormatError(
            f"the collateral has the keys {', '.join(map(repr, foreign[:4]))}",
            expected=f"only {', '.join(_KEYS)}",
            document="collateral",
            remedy="Export it as the nine-key JSON; other layouts (PCS answers, bundles) are not read here.",
        )
    for key, value in found.items():
        if value is not None and not isinstance(value, str):
            raise CollateralFormatError(f"{key} is a {type(value).__name__}", expected="text", document=key)
    return IntelCollateral(**cast("dict[str, str]", found))  # type: ignore[arg-type]  # absences is no key of the JSON
