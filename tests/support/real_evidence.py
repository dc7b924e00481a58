"""Real hardware evidence by name: where it lies, and for the two pairs that verify, from when to when they do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from voltage_attest.evidence.pem import parse_pem_chain
from voltage_attest.evidence.quote import parse_quote

__all__ = [
    "ACCEPTED_PAIRS",
    "DCAP_QVL",
    "REAL_CERTIFICATES",
    "REAL_QUOTES",
    "REPOSITORY",
    "VECTORS",
    "VOLTAGE_VERIFY",
    "RealPair",
    "collateral_documents",
    "each_vector",
    "is_tdx",
    "pck_chain",
    "vector_json",
]

REPOSITORY: Final = Path(__file__).resolve().parents[2]
DCAP_QVL: Final = REPOSITORY / "fixtures" / "real" / "dcap-qvl-0.7.0"
VOLTAGE_VERIFY: Final = REPOSITORY / "fixtures" / "real" / "voltage-verify-0.2.3"
VECTORS: Final = REPOSITORY.parent / "shared" / "vectors" / "tdx"
"""Evidence beside the repository, no part of it."""

REAL_QUOTES: Final = (
    DCAP_QVL / "tdx_quote",
    DCAP_QVL / "tdx_quote_td15ex",
    DCAP_QVL / "tdx_quote_outdated",
    VOLTAGE_VERIFY / "quote_h200_2026-09-04.bin",
)
"""Every TDX quote of the fixtures that parses as it stands: v4, v5 with body types 4 and 3, v4 of the vendor."""


@dataclass(frozen=True, slots=True)
class RealPair:
    """A quote and its collateral that verify as UpToDate from ``first`` to ``last``, both included (UTC).

    One second outside, ``fails_before`` or ``fails_after`` is the one check that refuses.
    """

    name: str
    first: datetime
    last: datetime
    fails_before: str
    fails_after: str

    @property
    def quote(self) -> bytes:
        """The quote as shipped, padding included."""
        return _read(DCAP_QVL / self.name)

    @property
    def collateral(self) -> bytes:
        """The nine-key JSON as shipped."""
        return _read(DCAP_QVL / f"{self.name}_collateral.json")

    @property
    def inside(self) -> datetime:
        """An instant in the middle of the window."""
        return self.first + (self.last - self.first) / 2


ACCEPTED_PAIRS: Final = (
    RealPair(
        "tdx_quote",
        datetime(2025, 6, 19, 10, 32, 27, tzinfo=UTC),
        datetime(2025, 7, 19, 10, 0, 35, tzinfo=UTC),
        fails_before="tdx.qe_identity.validity",
        fails_after="tdx.crl.pck_validity",
    ),
    RealPair(
        "tdx_quote_td15ex",
        datetime(2026, 10, 8, 0, 28, 26, tzinfo=UTC),
        datetime(2026, 11, 6, 23, 45, 11, tzinfo=UTC),
        fails_before="tdx.crl.pck_validity",
        fails_after="tdx.qe_identity.validity",
    ),
)


@cache
def _read(path: Path) -> bytes:
    return path.read_bytes()


def collateral_documents(name: str) -> dict[str, str]:
    """The documents of a collateral file of dcap-qvl, by key, as text."""
    documents: dict[str, str] = json.loads(_read(DCAP_QVL / f"{name}_collateral.json"))
    return documents


def pck_chain(quote: Path) -> tuple[bytes, ...]:
    """DER of the three certificates inside a real quote, leaf first."""
    return parse_pem_chain(parse_quote(_read(quote)).certification_data.removesuffix(b"\0"), "PCK chain")


def _real_certificates() -> dict[str, bytes]:
    leaf, ca, root = pck_chain(DCAP_QVL / "tdx_quote")
    signer, _ = parse_pem_chain(collateral_documents("tdx_quote")["tcb_info_issuer_chain"].encode(), "signer")
    return {"PCK leaf": leaf, "PCK CA": ca, "root": root, "TCB signer": signer}


REAL_CERTIFICATES: Final = _real_certificates()
"""DER of one real certificate of each role."""


def each_vector(holding: str, *, where: Callable[[Path], bool] | None = None) -> pytest.MarkDecorator:
    """Run a test on each ``folder`` of the vectors that holds a file of that name; skip it where there are none at all."""
    folders = sorted(path.parent for path in VECTORS.glob(f"*/{holding}"))
    chosen = [pytest.param(folder, id=folder.name) for folder in folders if where is None or where(folder)]
    absent = pytest.mark.skip(reason="../shared/vectors is not beside this repository")
    return pytest.mark.parametrize("folder", chosen if folders else [pytest.param(VECTORS, id="absent", marks=absent)])


def vector_json(folder: Path, name: str) -> dict[str, object]:
    """A JSON object that lies beside a quote of the vectors."""
    found: dict[str, object] = json.loads((folder / name).read_text("utf-8"))
    return found


def is_tdx(folder: Path) -> bool:
    """Whether a folder of the vectors holds a TDX quote, as its independent decoder read it."""
    return vector_json(folder, "decoded.json")["tee"] == 0x81
