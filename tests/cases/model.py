"""What a case is, how it is registered, and the world that each case changes in one place."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.evidence.model import DeviceEvidence, Evidence
from voltage_attest.result import AttestationResult, Finding
from voltage_attest.testing import APPRAISED_AT, FakeIntel, FakeNvidia, TdReportFields
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

__all__ = [
    "CASES",
    "INTEL",
    "LOOK_ALIKE",
    "NVIDIA",
    "PLATFORM",
    "QUOTE",
    "ROOTS",
    "Case",
    "case",
    "case_family",
    "changed_text",
    "describe",
    "flipped",
    "pinned",
    "policy_text",
    "spliced",
]

INTEL: Final = FakeIntel()
LOOK_ALIKE: Final = FakeIntel("look-alike")
NVIDIA: Final = FakeNvidia()
ROOTS: Final = TrustRoots.from_pem(
    intel=INTEL.root_pem, nvidia_device=NVIDIA.root_pem, nvidia_rim=NVIDIA.rim_root_pem, nras=NVIDIA.nras_pem
)
PLATFORM: Final = INTEL.platform()
QUOTE: Final = PLATFORM.quote()


def policy_text(
    *,
    tdx: Mapping[str, str] | None = None,
    tcb: Mapping[str, str] | None = None,
    top: Mapping[str, str] | None = None,
    collateral: Mapping[str, str] | None = None,
    channel: Mapping[str, str] | None = None,
    gpu: Mapping[str, str] | None = None,
) -> str:
    """Write a policy that accepts the default TD; the values given (TOML, by key) replace or join its own."""
    td = TdReportFields()
    keys = {"mrtd": pinned(td.mrtd), "rtmr0": pinned(td.rtmr0), "rtmr1": pinned(td.rtmr1)}
    keys |= {"rtmr2": pinned(td.rtmr2), "rtmr3": pinned(td.rtmr3), **(tdx or {})}
    sections = [
        ["", *_assignments({"schema": '"voltage-attest/policy/1"', "name": '"case"', **(top or {})})],
        ["[tdx]", *_assignments(keys)],
    ]
    for name, section in (("tdx.tcb", tcb), ("tdx.collateral", collateral), ("gpu", gpu), ("channel", channel)):
        if section is not None:
            sections.append([f"[{name}]", *_assignments(section)])
    return "\n\n".join("\n".join(lines).lstrip() for lines in sections) + "\n"


def pinned(*values: bytes) -> str:
    """Write a list of accepted values in TOML."""
    return "[" + ", ".join(f'"{value.hex()}"' for value in values) + "]"


def _assignments(keys: Mapping[str, str]) -> list[str]:
    return [f"{key} = {value}" for key, value in keys.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Evidence, collateral, policy and time; and what must come of them.

    ``failed`` and ``errors`` are the checks that must end so, complete; where a check is of one device or one answer of NRAS,
    ``on`` names those on which it does. ``tcb_status`` is what the claims must say, where given. ``quote`` None stands for an
    answer without one; ``claims`` is what else the answer holds, ``nonce`` what the verifier drew, ``fresh`` whether just now,
    ``fetched`` what became of fetching.
    """

    failed: frozenset[str] = frozenset()
    errors: frozenset[str] = frozenset()
    on: frozenset[str] = frozenset()
    quote: bytes | None = QUOTE
    collateral: bytes = field(default_factory=lambda: INTEL.collateral(PLATFORM).to_json())
    policy: str = field(default_factory=policy_text)
    at: datetime = APPRAISED_AT
    tcb_status: str | None = None
    claims: Evidence = field(default_factory=Evidence)
    nonce: bytes | None = None
    fresh: bool = False
    fetched: Finding | None = None
    nvidia: NvidiaCollateral = field(default_factory=NvidiaCollateral)

    def examined_by(self, verifier: Verifier) -> AttestationResult:
        """What that verifier makes of the case."""
        evidence = replace(self.claims, quote=self.quote)
        return verifier.examine(
            evidence,
            self.collateral,
            at=self.at,
            nonce=self.nonce,
            fresh=self.fresh,
            fetched=self.fetched,
            nvidia=self.nvidia,
        )

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices in the evidence, by the names that their rows carry; none where it cannot be read."""
        if "gpu.evidence.parse" in self.failed:
            return ()
        return (*_named("gpu", self.claims.gpu_evidence), *_named("switch", self.claims.switch_evidence))

    @property
    def closing(self) -> frozenset[str]:
        """The checks that close the gate: failed and undecided ones."""
        return self.failed | self.errors

    @property
    def verdict(self) -> str:
        """What the result must say: refused, undecided or verified."""
        if self.failed:
            return "refused"
        return "undecided" if self.errors else "verified"


def _named(kind: str, documents: tuple[DeviceEvidence, ...]) -> list[str]:
    number = sum([len(json.loads(document.json)["evidence_list"]) for document in documents])
    return [f"{kind}[{place}]" for place in range(number)]


CaseFunction = Callable[[], Case]

CASES: Final[dict[str, CaseFunction]] = {}
"""Every case by id."""


def case(function: CaseFunction) -> CaseFunction:
    """Register a case under its function's name; ValueError if the name is taken or nothing is said about it."""
    _register(function.__name__, function)
    return function


def case_family(*names: str) -> Callable[[Callable[[str], Case]], Callable[[str], Case]]:
    """Register one case for each name: ``FUNCTION_NAME``, made by calling the function with the name."""

    def register(function: Callable[[str], Case]) -> Callable[[str], Case]:
        for name in names:

            def member(name: str = name) -> Case:
                return function(name)

            member.__doc__ = f"{inspect.getdoc(function)} Here: {name}."
            _register(f"{function.__name__}_{name}", member)
        return function

    return register


def describe(name: str) -> str:
    """Return the description of a registered case."""
    return inspect.getdoc(CASES[name]) or ""


def _register(name: str, function: CaseFunction) -> None:
    if name in CASES:
        raise ValueError(f"two cases are called {name}")
    if not inspect.getdoc(function):
        raise ValueError(f"case {name} has no description")
    CASES[name] = function


def flipped(data: bytes, offset: int) -> bytes:
    """Return the data with the lowest bit of one byte inverted."""
    return spliced(data, offset, bytes((data[offset] ^ 1,)))


def spliced(data: bytes, offset: int, new: bytes) -> bytes:
    """Return the data with as many bytes replaced, from ``offset`` on, as ``new`` has."""
    return data[:offset] + new + data[offset + len(new) :]


def changed_text(text: str, old: str, new: str) -> str:
    """Return the text with the one occurrence of ``old`` replaced; ValueError if it does not occur exactly once."""
    if text.count(old) != 1:
        raise ValueError(f"{old!r} occurs {text.count(old)} times")
    return text.replace(old, new)
