"""The verifier: evidence and collateral in, one AttestationResult out. The only orchestrator of judgement; it fetches nothing.

>>> verifier = Verifier(load_policy(Path("voltage-attest.toml")))                       # doctest: +SKIP
>>> result = verifier.verify(Evidence(quote=quote), collateral, at=datetime.now(UTC))   # doctest: +SKIP

A Verifier may be kept and shared between threads: it remembers parsed documents and signatures found good, by their bytes.
Dates, revocation, TCB and policy are judged anew on every call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Final, NamedTuple

from voltage_attest._version import __version__
from voltage_attest.appraise.binding import BINDING_CHECKS, WITHOUT_KEY, ClaimsCase
from voltage_attest.appraise.tdx import APPRAISAL_CHECKS, TdxAppraisal, exception_in_use
from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
from voltage_attest.collateral.nvidia import NvidiaCollateral
from voltage_attest.errors import InputError
from voltage_attest.evidence.encoding import decode_quote_bytes
from voltage_attest.evidence.model import Evidence
from voltage_attest.evidence.quote import TdxQuote, parse_quote
from voltage_attest.ledger import Ledger
from voltage_attest.policy.model import Policy
from voltage_attest.result import (
    AttestationResult,
    BootEventClaims,
    Channel,
    CollateralRecord,
    CollateralSource,
    EvidenceRecord,
    Finding,
    Freshness,
    PolicyRecord,
    Subject,
    failed,
    passed,
    skipped,
)
from voltage_attest.trust import TrustRoots
from voltage_attest.verify.case import CollateralCase, QuoteCase, Workshop
from voltage_attest.verify.claims import collateral_records, earliest_end, tdx_claims
from voltage_attest.verify.device_judgement import DeviceJudgement, GivenDevices
from voltage_attest.verify.documents import Documents
from voltage_attest.verify.tdx import QUOTE_IDS, verify_collateral, verify_quote
from voltage_attest.verify.types import VerifiedQuote

if TYPE_CHECKING:
    from voltage_attest.verifier_devices import DeviceJudge

__all__ = ["Evidence", "Verifier"]

_KEPT_COLLATERAL: Final = 64


_NO_DEVICES: Final = DeviceJudgement()
_UNBOUND: Final = Channel()
_NO_WORKLOAD: Final = skipped("the policy has no [workload]: registers are compared as they are, no event log is judged")


class _Quoted(NamedTuple):
    """What came of the quote: its documents, what verification vouches for, and when what it rests on ends."""

    documents: Documents
    quote: TdxQuote | None = None
    verified: VerifiedQuote | None = None
    ends: tuple[datetime | None, ...] = ()


class Verifier:
    """Judges evidence by one policy under one set of roots."""

    def __init__(self, policy: Policy, *, roots: TrustRoots | None = None) -> None:
        if policy.tdx is None and (policy.gpu is None or policy.channel is not None):
            raise ValueError("the policy expects no evidence, or has a [channel] without [tdx]: load it with load_policy")
        self.policy = policy
        self.roots = TrustRoots.default() if roots is None else roots
        self._workshop = Workshop.under(self.roots)
        self._documents: dict[IntelCollateral, Documents] = {}
        self._policy_record = PolicyRecord(policy.name, policy.sha256, policy.path)
        self._standing_warnings = self._warnings()
        self.devices: DeviceJudge | None = None
        """What judges GPUs and switches; None where the policy expects none."""
        if policy.gpu is not None:
            from voltage_attest.verifier_devices import DeviceJudge

            self.devices = DeviceJudge(policy, policy.gpu, self.roots)

    @property
    def signatures_computed(self) -> int:
        """How many signature and chain verifications were computed, not remembered, since this Verifier was made."""
        return self._workshop.memo.computed

    def verify(
        self,
        evidence: Evidence,
        collateral: IntelCollateral | bytes,
        *,
        at: datetime,
        fetched: Finding | None = None,
        nonce: bytes | None = None,
        fresh: bool = False,
        sources: Mapping[str, CollateralSource] | None = None,
        nvidia: NvidiaCollateral | None = None,
        nvidia_records: tuple[CollateralRecord, ...] = (),
    ) -> AttestationResult:
        """As :meth:`examine`, but raise :class:`~voltage_attest.errors.VerificationError` unless verified."""
        result = self.examine(
            evidence,
            collateral,
            at=at,
            fetched=fetched,
            nonce=nonce,
            fresh=fresh,
            sources=sources,
            nvidia=nvidia,
            nvidia_records=nvidia_records,
        )
        return result.require()

    def examine(
        self,
        evidence: Evidence,
        collateral: IntelCollateral | bytes,
        *,
        at: datetime,
        fetched: Finding | None = None,
        nonce: bytes | None = None,
        fresh: bool = False,
        sources: Mapping[str, CollateralSource] | None = None,
        nvidia: NvidiaCollateral | None = None,
        nvidia_records: tuple[CollateralRecord, ...] = (),
    ) -> AttestationResult:
        """Judge and return the result, whatever it is.

        ``collateral`` is Intel's, or the nine-key JSON's bytes; ``nvidia`` is NVIDIA's, for a policy that expects GPUs.
        ``at`` is the appraisal time: aware, or ValueError. ``fetched`` is what became of fetching the evidence, where it was
        fetched. ``nonce`` is the one that was drawn for this evidence (32 bytes); ``fresh`` says that the caller drew it just
        now, and is reported only if the binding holds. ``sources`` says by document kind where Intel's collateral came from,
        ``nvidia_records`` where NVIDIA's did. Malformed evidence and collateral become failed checks; absent documents become
        errors (undecided).
        """
        at, sources = _in_utc(at), sources or {}
        ledger = Ledger()
        ledger.record("policy.valid_until", _judge_policy_validity(self.policy, at))
        ledger.record("evidence.fetch", fetched or skipped("the evidence was given, not fetched"))
        quoted = self._judge_quote(evidence, collateral, at, ledger)
        self._judge_binding(ClaimsCase(evidence, quoted.verified, self.policy.channel, nonce), ledger)
        boot = self._judge_boot(evidence, quoted.verified, ledger)
        if self.devices is None:
            ledger.record("evidence.gpu_present", _no_gpu_expected(evidence))
            devices = _NO_DEVICES
        else:
            nvidia = nvidia or NvidiaCollateral()
            given = GivenDevices(evidence, nvidia, quoted.verified, nonce, at, nvidia_records, fresh)
            devices = self.devices.judge(given, ledger)

        bound = self.policy.channel is not None and ledger.holds("binding.nonce", "binding.report_data")
        return AttestationResult(
            appraised_at=at,
            checks=(*ledger.rows(), *devices.rows),
            verifier_version=__version__,
            valid_until=earliest_end(quoted.documents, _end_of_day(self.policy.valid_until), *quoted.ends, *devices.ends),
            subject=Subject(evidence.pod_id, evidence.provider),
            policy=self._policy_record,
            evidence=(*_evidence_records(quoted.quote), *devices.evidence),
            collateral=(*collateral_records(quoted.documents, sources), *devices.collateral),
            freshness=Freshness(None if nonce is None else nonce.hex(), fresh and bound),
            channel=self._channel(evidence) if bound else _UNBOUND,
            tdx=None if quoted.verified is None else tdx_claims(quoted.verified),
            gpus=devices.gpus,
            switches=devices.switches,
            boot=boot,
            warnings=(*self._standing_warnings, *evidence.warnings),
        )

    def _judge_quote(self, evidence: Evidence, collateral: IntelCollateral | bytes, at: datetime, ledger: Ledger) -> _Quoted:
        rules = self.policy.tdx
        if rules is None:
            given = "no quote was given" if evidence.quote is None else "the quote given is not judged"
            ledger.record("evidence.quote_present", skipped(f"the policy has no [tdx], so no quote is expected; {given}"))
            return _Quoted(Documents(IntelCollateral(), self._workshop.loader))
        documents = self._read_collateral(collateral, ledger)
        collateral_case = CollateralCase(documents, self._workshop.root, at, self._workshop.memo)
        verify_collateral(collateral_case, ledger)
        quote = _read_quote(evidence, ledger)
        verified: VerifiedQuote | None = None
        if quote is None:
            ledger.leave(QUOTE_IDS)
        else:
            verified = verify_quote(QuoteCase(quote, collateral_case, self._workshop), ledger)
        if verified is None:
            ledger.leave(APPRAISAL_CHECKS.ids)
            return _Quoted(documents, quote)
        appraisal = TdxAppraisal(verified, rules, at)
        ledger.run(APPRAISAL_CHECKS, appraisal)
        exception = exception_in_use(appraisal)
        return _Quoted(
            documents, quote, verified, (verified.pck_not_after, None if exception is None else _end_of_day(exception.until))
        )

    def _judge_boot(self, evidence: Evidence, quote: VerifiedQuote | None, ledger: Ledger) -> tuple[BootEventClaims, ...]:
        """Judge log and workload where the policy speaks of them; without [workload] one row says that none is judged."""
        if self.policy.tdx is None:
            return ()
        if self.policy.workload is None:
            ledger.record("tdx.event_log.parse", _NO_WORKLOAD)
            return ()
        from voltage_attest.verifier_boot import judge_boot

        return judge_boot(evidence, quote, self.policy, self.policy.workload, ledger)

    def _judge_binding(self, case: ClaimsCase, ledger: Ledger) -> None:
        if self.policy.tdx is None:
            ledger.skip(BINDING_CHECKS.ids, skipped("the policy has no [tdx]: there is no quote that could bind anything"))
        else:
            ledger.run(BINDING_CHECKS, case)

    def _channel(self, evidence: Evidence) -> Channel:
        """The key that REPORTDATA was found to commit to; none by a binding that holds no key."""
        binding = None if self.policy.channel is None else self.policy.channel.binding
        spki = None if binding in WITHOUT_KEY else evidence.tls_spki_sha256
        return Channel(binding, None if spki is None else spki.hex())

    def _read_collateral(self, collateral: IntelCollateral | bytes, ledger: Ledger) -> Documents:
        try:
            raw = parse_intel_collateral(collateral) if isinstance(collateral, bytes) else collateral
        except InputError as error:
            ledger.record("tdx.collateral.parse", _unreadable(error))
            return Documents(IntelCollateral(), self._workshop.loader)
        missing = raw.missing()
        ledger.record("tdx.collateral.parse", passed(f"{len(missing)} documents absent" if missing else "all nine documents"))
        documents = self._documents.get(raw)
        if documents is None:
            documents = Documents(raw, self._workshop.loader)
            if len(self._documents) >= _KEPT_COLLATERAL:
                self._documents.clear()
            self._documents[raw] = documents
        return documents

    def _warnings(self) -> tuple[str, ...]:
        replaced = " and ".join(f"'{role}'" for role in self.roots.replaced)
        word = "Root of trust {} was" if len(self.roots.replaced) == 1 else "Roots of trust {} were"
        warnings = [f"{word.format(replaced)} replaced: this result says nothing about real hardware."] if replaced else []
        tdx, gpu = self.policy.tdx, self.policy.gpu
        if tdx is not None:
            switches = {"unsafe_allow_debug": tdx.unsafe_allow_debug, "unsafe_allow_sept_ve": tdx.unsafe_allow_sept_ve}
            warnings += [f"The policy switches a safeguard off: {name} = true." for name, on in switches.items() if on]
        if gpu is not None:
            skips = {"unsafe_skip_rim": gpu.unsafe_skip_rim, "unsafe_skip_revocation": gpu.unsafe_skip_revocation}
            warnings += [f"The policy switches a safeguard off: {name} = {why!r}." for name, why in skips.items() if why]
        return tuple(warnings)


def _no_gpu_expected(evidence: Evidence) -> Finding:
    is_there = evidence.gpu_evidence or evidence.switch_evidence
    words = "evidence of GPUs is there and not judged" if is_there else "no evidence of one was given"
    return skipped(f"the policy has no [gpu], so no GPU is expected; {words}")


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("at has no time zone: pass an aware datetime, such as datetime.now(UTC)")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("at does not exist as a time in UTC, years 1 to 9999") from None


def _read_quote(evidence: Evidence, ledger: Ledger) -> TdxQuote | None:
    if not ledger.holds("evidence.fetch"):
        ledger.leave(("evidence.quote_present", "tdx.quote.parse"))
        return None
    if evidence.quote is None:
        ledger.record(
            "evidence.quote_present",
            failed(expected="a TDX quote", actual="none", reason="an opinion without evidence proves nothing"),
        )
        ledger.leave(("tdx.quote.parse",))
        return None
    ledger.record("evidence.quote_present", passed(f"{len(evidence.quote)} bytes"))
    try:
        quote = parse_quote(decode_quote_bytes(evidence.quote))
    except InputError as error:
        ledger.record("tdx.quote.parse", _unreadable(error))
        return None
    padding = f", {quote.padding} bytes of zero padding ignored" if quote.padding else ""
    ledger.record("tdx.quote.parse", passed(f"version {quote.version}, {quote.body_type.name}{padding}"))
    return quote


def _unreadable(error: InputError) -> Finding:
    return failed(expected=error.expected, actual=error.found, reason=error.remedy)


def _evidence_records(quote: TdxQuote | None) -> tuple[EvidenceRecord, ...]:
    if quote is None:
        return ()
    digest = hashlib.sha256(quote.raw).hexdigest()
    return (EvidenceRecord("tdx-quote", quote.version, digest, len(quote.raw)),)


def _end_of_day(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(23, 59, 59), UTC)


def _judge_policy_validity(policy: Policy, at: datetime) -> Finding:
    if policy.valid_until is None:
        return passed("without end")
    if at.date() <= policy.valid_until:
        return passed(f"until {policy.valid_until}")
    return failed(
        expected=f"an appraisal on or before {policy.valid_until}",
        actual=f"{at:%Y-%m-%dT%H:%M:%SZ}",
        reason="the policy has expired: nobody has reviewed it since",
        location=policy.locations.get("valid_until"),
    )
