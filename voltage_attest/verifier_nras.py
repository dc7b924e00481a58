"""NVIDIA's attestation service in the verifier: its answers about the devices, where the policy accepts or requires them.

Each answer (one of GPUs, one of switches) has a ledger of its own, ``nras[0]``. What it says comes on top of what was verified
here: no token replaces a check of a device.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from voltage_attest.collateral.nvidia import NrasAnswer
from voltage_attest.crypto.nras_keys import nras_spki_sha256
from voltage_attest.ledger import CheckTable, Ledger
from voltage_attest.policy.model import GpuPolicy
from voltage_attest.result import CheckResult, skipped
from voltage_attest.trust import TrustRoots
from voltage_attest.trust.nvidia_nras import nras_intermediates
from voltage_attest.verify.device_judgement import GivenDevices
from voltage_attest.verify.gpu_case import VerifiedDevice
from voltage_attest.verify.nras import NRAS_FUNCTIONS, answer_ends
from voltage_attest.verify.nras_case import NrasCase, NrasKeySets, absent_nras_answer
from voltage_attest.verify.unreadable import Unreadable

__all__ = ["NrasJudge", "NrasJudgement"]

_NRAS: Final = CheckTable[NrasCase](NRAS_FUNCTIONS)


class NrasJudgement(NamedTuple):
    """The rows of every answer; and when those end that were judged as of now."""

    rows: tuple[CheckResult, ...] = ()
    ends: tuple[datetime, ...] = ()


class NrasJudge:
    """Judges the answers of NRAS by one policy, under the pinned intermediates or the one that replaces them."""

    def __init__(self, rules: GpuPolicy, roots: TrustRoots) -> None:
        self._is_required = rules.nras == "require"
        pinned = None if roots.nras is None else frozenset([nras_spki_sha256(roots.nras, "the root of NRAS")])
        self._intermediates = nras_intermediates(rules.nras_intermediates) if pinned is None else pinned

    def judge(self, given: GivenDevices, verified: tuple[VerifiedDevice, ...]) -> NrasJudgement:
        """Judge every answer. A class of devices without one: undecided where the policy requires it, else skipped."""
        key_sets = NrasKeySets(given.collateral.jwks, given.collateral.why_absent("jwks"))
        cases = [self._case(answer, key_sets, given, verified) for answer in given.collateral.nras]
        answered = {_is_about_switches(case) for case in cases}
        if self._is_required and None not in answered:  # an unreadable answer refuses, whichever class it was to be about
            classes = {device.report.architecture.is_switch for device in verified} or {False}
            why = given.collateral.why_absent("nras")
            cases += [self._case(absent_nras_answer(why), key_sets, given, ()) for _ in sorted(classes - answered)]
        rows: list[CheckResult] = []
        ends: list[datetime] = []
        for number, case in enumerate(cases):
            ledger = Ledger(f"nras[{number}]")
            ledger.run(_NRAS, case)
            rows += ledger.rows()
            ends += [answer_ends(case)] if given.is_live and ledger.holds("nras.validity") else []
        if not cases:
            ledger = Ledger("nras[0]")
            ledger.skip(_NRAS.ids, skipped("no answer of NRAS is there, and the policy requires none"))
            rows += ledger.rows()
        return NrasJudgement(tuple(rows), tuple(ends))

    def _case(
        self,
        answer: NrasAnswer | Unreadable,
        key_sets: NrasKeySets,
        given: GivenDevices,
        verified: tuple[VerifiedDevice, ...],
    ) -> NrasCase:
        """``answer`` beside the verified devices of its class; their reports carry the nonce that was asked with."""
        case = NrasCase(answer, key_sets, self._intermediates, given.at, judged_at_issue=not given.is_live)
        about_switches = _is_about_switches(case)
        same = [device for device in verified if device.report.architecture.is_switch is about_switches]
        if not same:
            return case
        nonce, ueids = same[0].report.exchange.nonce, frozenset([device.chain.ueid for device in same])
        return replace(case, nonce=nonce, ueids=ueids)


def _is_about_switches(case: NrasCase) -> bool | None:
    """Which class of devices the answer is about, by its names; None where it cannot be read."""
    return None if isinstance(case.eat, Unreadable) else case.eat.devices[0].is_switch
