"""voltage-attest: is this machine what it claims to be? Intel TDX and NVIDIA GPU attestation, verified on the client's side.

::

    from voltage_attest import Evidence, VerificationError, Verifier, load_policy

    verifier = Verifier(load_policy(Path("voltage-attest.toml")))
    try:
        result = verifier.verify(Evidence(quote=quote), collateral, at=datetime.now(UTC))
    except VerificationError as refusal:
        raise SystemExit(str(refusal)) from None  # send nothing; refusal.result holds every check

The names below are loaded when they are first used (PEP 562): ``import voltage_attest`` alone loads no dependency.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from voltage_attest._version import __version__

if TYPE_CHECKING:
    from voltage_attest.attest import Attester, open_attester, open_attester_async
    from voltage_attest.checks import REGISTRY, Check
    from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
    from voltage_attest.errors import (
        CollateralFormatError,
        EvidenceFormatError,
        FetchError,
        GateRefused,
        InputError,
        OfflineError,
        PolicyError,
        TransportError,
        TrustError,
        TrustRootError,
        VerificationError,
    )
    from voltage_attest.evidence.encoding import decode_quote_bytes
    from voltage_attest.evidence.model import Evidence
    from voltage_attest.evidence.quote import TdxQuote, parse_quote
    from voltage_attest.gate import AttestationGate
    from voltage_attest.many import Bundle, Judged, Pod, verify_many
    from voltage_attest.policy import Policy, load_policy, parse_policy
    from voltage_attest.report import parse_result, render_json, render_text
    from voltage_attest.result import (
        AttestationResult,
        CheckResult,
        Finding,
        GpuClaims,
        Status,
        Subject,
        SwitchClaims,
        TdxClaims,
        Verdict,
    )
    from voltage_attest.tcb_status import TcbStatus
    from voltage_attest.trust import TrustRoots
    from voltage_attest.verifier import Verifier

__all__ = [
    "REGISTRY",
    "AttestationGate",
    "AttestationResult",
    "Attester",
    "Bundle",
    "Check",
    "CheckResult",
    "CollateralFormatError",
    "Evidence",
    "EvidenceFormatError",
    "FetchError",
    "Finding",
    "GateRefused",
    "GpuClaims",
    "InputError",
    "IntelCollateral",
    "Judged",
    "OfflineError",
    "Pod",
    "Policy",
    "PolicyError",
    "Status",
    "Subject",
    "SwitchClaims",
    "TcbStatus",
    "TdxClaims",
    "TdxQuote",
    "TransportError",
    "TrustError",
    "TrustRootError",
    "TrustRoots",
    "Verdict",
    "VerificationError",
    "Verifier",
    "__version__",
    "decode_quote_bytes",
    "load_policy",
    "open_attester",
    "open_attester_async",
    "parse_intel_collateral",
    "parse_policy",
    "parse_quote",
    "parse_result",
    "render_json",
    "render_text",
    "verify_many",
]

_EXPORTS: Final = {
    "attest": ("Attester", "open_attester", "open_attester_async"),
    "checks": ("REGISTRY", "Check"),
    "collateral.intel": ("IntelCollateral", "parse_intel_collateral"),
    "errors": (
        "CollateralFormatError",
        "EvidenceFormatError",
        "FetchError",
        "GateRefused",
        "InputError",
        "OfflineError",
        "PolicyError",
        "TransportError",
        "TrustError",
        "TrustRootError",
        "VerificationError",
    ),
    "evidence.encoding": ("decode_quote_bytes",),
    "evidence.model": ("Evidence",),
    "evidence.quote": ("TdxQuote", "parse_quote"),
    "gate": ("AttestationGate",),
    "policy": ("Policy", "load_policy", "parse_policy"),
    "report": ("parse_result", "render_json", "render_text"),
    "result": (
        "AttestationResult",
        "CheckResult",
        "Finding",
        "GpuClaims",
        "Status",
        "Subject",
        "SwitchClaims",
        "TdxClaims",
        "Verdict",
    ),
    "many": ("Bundle", "Judged", "Pod", "verify_many"),
    "tcb_status": ("TcbStatus",),
    "trust": ("TrustRoots",),
    "verifier": ("Verifier",),
}
_HOME: Final = {name: f"{__name__}.{module}" for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    """Load an exported name from its room on first use, and keep it."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The exported names, loaded or not."""
    return sorted({*globals(), *__all__})
