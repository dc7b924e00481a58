"""The devices' half of the verifier: every GPU and switch on a ledger of its own, then all of them together.

Loaded by :mod:`voltage_attest.verifier` when a policy expects GPUs, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from voltage_attest.appraise.gpu import GPU_APPRAISAL, DeviceAppraisal
from voltage_attest.appraise.gpu_binding import GpuNonceCase, gpu_nonce
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.collateral.nvidia_questions import RevocationQuestion
from voltage_attest.collateral.nvidia_requests import NrasKind
from voltage_attest.errors import InputError
from voltage_attest.evidence.gpu_fields import FeatureFlag
from voltage_attest.evidence.gpu_report import parse_device_report
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.nras_request import DeviceItem, nras_request
from voltage_attest.ledger import CheckTable, Ledger
from voltage_attest.policy.model import GpuPolicy, Policy
from voltage_attest.result import EvidenceRecord, Finding, failed, passed, skipped
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier_nras import NrasJudge, NrasJudgement
from voltage_attest.verify.device_claims import (
    device_records,
    gpu_claims,
    nvidia_records,
    switch_claims,
)
from voltage_attest.verify.device_evidence import NamedDevice, read_devices
from voltage_attest.verify.device_judgement import DeviceJudgement, GivenDevices
from voltage_attest.verify.endorsements import readable_devices, status_questions, wanted_manifests
from voltage_attest.verify.gpu import DEVICE_CHECKS, seal_device
from voltage_attest.verify.gpu_case import DeviceCase, DeviceExpectations, GpuWorkshop, VerifiedDevice
from voltage_attest.verify.gpu_node import NODE_CHECKS, NodeCase
from voltage_attest.verify.revocation import (
    IssuedCertificate,
    RevocationCase,
    RevocationShelf,
    current_until,
    device_certificates,
    revocation,
    rim_certificates,
)
from voltage_attest.verify.rim import RIM_FUNCTIONS, RimCase
from voltage_attest.verify.rim_finding import rim_case
from voltage_attest.verify.rim_reading import Rim, RimShelf

__all__ = ["DeviceJudge"]

_DEVICE: Final = CheckTable[DeviceCase](DEVICE_CHECKS)
_APPRAISAL: Final = CheckTable[DeviceAppraisal](GPU_APPRAISAL)
_RIM: Final = CheckTable[RimCase](RIM_FUNCTIONS)
_REVOCATION: Final = CheckTable[RevocationCase]({"gpu.revocation": revocation})
_RIM_REVOCATION: Final = CheckTable[RevocationCase]({"gpu.rim.revocation": revocation})
_NODE: Final = CheckTable[NodeCase](NODE_CHECKS)
_NONCE: Final = CheckTable[GpuNonceCase]({"binding.gpu_nonce": gpu_nonce})

_Judged = dict[tuple[bytes, bytes, frozenset[str]], Finding]
"""What one appraisal found of certificates' revocation: the devices of a node have most of them in common."""


@dataclass(slots=True)
class _Subject:
    """One device with its ledger, and what was found of it. Those of one appraisal share ``judged``."""

    case: DeviceCase
    ledger: Ledger
    judged: _Judged
    verified: VerifiedDevice | None = None
    manifests: tuple[str, ...] = ()
    ends: list[datetime] = field(default_factory=list)


class DeviceJudge:
    """Judges the devices of attestations by one policy under one set of roots; keeps what depends on bytes alone."""

    def __init__(self, policy: Policy, rules: GpuPolicy, roots: TrustRoots) -> None:
        self._policy = policy
        self._rules = rules
        self._workshop = GpuWorkshop.under(roots)
        self._rim_root = roots.nvidia_rim
        self._shelf, self._revocations = RimShelf(), RevocationShelf(self._workshop.memo)
        self._nras = None if rules.nras == "off" else NrasJudge(rules, roots)
        modes = None if rules.modes is None else frozenset([FeatureFlag(mode) for mode in rules.modes])
        self._expected = DeviceExpectations(modes, rules.min_driver, rules.min_vbios)

    def judge(self, given: GivenDevices, ledger: Ledger) -> DeviceJudgement:
        """Judge every device, then the node; rows of the node go to ``ledger``, which holds the quote's binding already."""
        devices = _read(given.evidence, ledger)
        judged: _Judged = {}
        subjects = [self._judge_device(device, given, judged) for device in devices]
        verified = tuple([subject.verified for subject in subjects if subject.verified is not None])
        gpus = tuple([device for device in verified if device.name.startswith("gpu")])
        if devices:
            ledger.gather([subject.ledger for subject in subjects])
        ledger.run(_NODE, NodeCase(gpus, verified[len(gpus) :], self._rules.count, self._rules.switches))
        ledger.run(_NONCE, GpuNonceCase(verified, given.evidence, given.quote, self._policy, given.nonce))
        nras = NrasJudgement() if self._nras is None else self._nras.judge(given, verified)
        return _sum_up(subjects, given, device_records(devices), nras)

    def wanted_manifests(self, evidence: Evidence) -> tuple[str, ...]:
        """The ids of the manifests to ask for; none where measurements are not to be compared."""
        if self._rules.unsafe_skip_rim is not None:
            return ()
        return tuple([wanted.rim_id for wanted in wanted_manifests(readable_devices(evidence), self._workshop)])

    def status_questions(
        self, evidence: Evidence, collateral: NvidiaCollateral, draw_nonce: Callable[[], bytes] | None
    ) -> tuple[RevocationQuestion, ...]:
        """What to ask about revocation; nothing where it is not to be judged."""
        if self._rules.unsafe_skip_revocation is not None:
            return ()
        devices = readable_devices(evidence)
        return status_questions(
            devices, collateral, self._workshop, self._shelf, rim_root=self._rim_root, draw_nonce=draw_nonce
        )

    @property
    def wants_nras(self) -> bool:
        """Whether answers of NVIDIA's attestation service are judged."""
        return self._nras is not None

    def nras_requests(self, evidence: Evidence) -> tuple[tuple[NrasKind, bytes], ...]:
        """What to send to NVIDIA's attestation service where the policy requires its answer: kind and body, by class."""
        if self._rules.nras != "require":
            return ()
        classes: dict[NrasKind, list[DeviceItem]] = {}
        for device in readable_devices(evidence):
            classes.setdefault("switch" if device.item.architecture.is_switch else "gpu", []).append(device.item)
        return tuple([(kind, body) for kind, items in classes.items() if (body := _nras_body(items)) is not None])

    def _judge_device(self, device: NamedDevice, given: GivenDevices, judged: _Judged) -> _Subject:
        ledger = Ledger(device.name)
        subject = _Subject(DeviceCase(device.item, self._expected, self._workshop, given.at), ledger, judged)
        ledger.run(_DEVICE, subject.case)
        self._judge_revocation(_REVOCATION, device_certificates(subject.case.chain), subject, given)
        subject.verified = seal_device(subject.case, device.name, ledger.holds)
        if subject.verified is None:
            ledger.leave((*_RIM.ids, *_RIM_REVOCATION.ids, *_APPRAISAL.ids))
            return subject
        subject.ends.append(min([certificate.not_after for certificate in subject.verified.chain.certificates]))
        self._judge_measurements(subject, subject.verified, given)
        ledger.run(_APPRAISAL, DeviceAppraisal(subject.verified, self._rules))
        return subject

    def _judge_measurements(self, subject: _Subject, device: VerifiedDevice, given: GivenDevices) -> None:
        reason = self._rules.unsafe_skip_rim
        if reason is not None:
            location = self._rules.locations.get("unsafe_skip_rim")
            left_out = skipped(f"the policy leaves it out: {reason}", unsafe=True, location=location)
            subject.ledger.skip((*_RIM.ids, *_RIM_REVOCATION.ids), left_out)
            return
        try:
            case, manifests = rim_case(device, given.collateral, self._shelf, self._rim_root, given.at)
        except InputError as error:
            subject.ledger.record(_RIM.ids[0], failed(expected=error.expected, actual=error.found, reason=error.remedy))
            subject.ledger.leave((*_RIM.ids[1:], *_RIM_REVOCATION.ids))
            return
        subject.ledger.run(_RIM, case)
        subject.manifests = manifests if subject.ledger.holds("gpu.measurements") else ()
        if subject.ledger.holds("gpu.rim.chain"):
            subject.ends += [rim.valid_until for _, rim in case.manifests if isinstance(rim, Rim)]
        self._judge_revocation(_RIM_REVOCATION, rim_certificates(case), subject, given)

    def _judge_revocation(
        self,
        table: CheckTable[RevocationCase],
        certificates: tuple[IssuedCertificate, ...],
        subject: _Subject,
        given: GivenDevices,
    ) -> None:
        case = RevocationCase(
            certificates,
            given.collateral,
            given.at,
            self._rules.accept_hold,
            self._rules.unsafe_skip_revocation,
            self._revocations,
            self._rules.locations.get("unsafe_skip_revocation"),
            subject.judged,
        )
        subject.ledger.run(table, case)
        if case.unsafe_skip is None and subject.ledger.holds(*table.ids):  # what was not judged, or failed, decides nothing
            end = current_until(case)
            subject.ends += [] if end is None else [end]


def _nras_body(items: list[DeviceItem]) -> bytes | None:
    """The request, with the nonce in the first report; None where that report or the class cannot be asked about."""
    try:
        nonce = parse_device_report(items[0].report, items[0].architecture).exchange.nonce
        return nras_request(items, nonce, "3.0")
    except (InputError, ValueError):
        return None


def _sum_up(
    subjects: list[_Subject], given: GivenDevices, evidence: tuple[EvidenceRecord, ...], nras: NrasJudgement
) -> DeviceJudgement:
    verified = [(subject.verified, subject.manifests) for subject in subjects if subject.verified is not None]
    gpus, switches = [gpu_claims(*one) for one in verified], [switch_claims(*one) for one in verified]
    return DeviceJudgement(
        (*[row for subject in subjects for row in subject.ledger.rows()], *nras.rows),
        tuple([claims for claims in gpus if claims is not None]),
        tuple([claims for claims in switches if claims is not None]),
        evidence,
        nvidia_records(given.collateral, given.records),
        (*[end for subject in subjects for end in subject.ends], *nras.ends),
    )


def _read(evidence: Evidence, ledger: Ledger) -> tuple[NamedDevice, ...]:
    """The devices of the evidence, none where they are absent or unreadable; both have their rows."""
    if not evidence.gpu_evidence:
        ledger.record(
            "evidence.gpu_present",
            failed(expected="evidence of GPUs", actual="none", reason="the policy has a [gpu] section, so it expects GPUs"),
        )
        ledger.leave(("gpu.evidence.parse",))
        return ()
    documents = f"{len(evidence.gpu_evidence)} of GPUs, {len(evidence.switch_evidence)} of switches"
    ledger.record("evidence.gpu_present", passed(f"documents: {documents}"))
    try:
        devices = read_devices(evidence)
    except InputError as error:
        ledger.record("gpu.evidence.parse", failed(expected=error.expected, actual=error.found, reason=error.remedy))
        return ()
    ledger.record("gpu.evidence.parse", passed(f"{len(devices)} devices"))
    return devices
