"""The places that evidence comes from, each judged in its way: a pod, a provider, a quote, an answer or a bundle in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import click

from voltage_attest.cli.exits import CannotUse
from voltage_attest.cli.files import read_input
from voltage_attest.cli.network import Network, find_key, opened_attester, require_key, require_pod_id
from voltage_attest.cli.progress import fetch_progress
from voltage_attest.cli.verify_boot import BootFiles, with_boot
from voltage_attest.cli.verify_devices import DeviceFiles, replaced_by, with_devices
from voltage_attest.cli.verify_inputs import make_verifier, read_nonce
from voltage_attest.report.plain import utc

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from voltage_attest.attest import Attester
    from voltage_attest.attestation import Attestation
    from voltage_attest.collateral.intel import IntelCollateral
    from voltage_attest.collateral.nvidia_fetched import FetchedNvidia
    from voltage_attest.collateral.service import DocumentSource
    from voltage_attest.evidence.model import Evidence
    from voltage_attest.pods import ApiKey
    from voltage_attest.policy.model import Policy
    from voltage_attest.result import CollateralRecord, CollateralSource, Finding
    from voltage_attest.trust import TrustRoots

__all__ = [
    "Rules",
    "Source",
    "attest_pod",
    "attest_provider",
    "judge_answer",
    "judge_bundle",
    "judge_devices",
    "judge_quote",
    "present",
]


class Source(BootFiles):
    """Where the evidence is, one of the first four, and what goes with it."""

    pod_id: str | None
    quote: str | None
    bundle: str | None
    evidence: str | None
    provider: str | None
    companion: str | None
    target: str | None
    collateral: str | None
    nonce: str | None
    at: datetime | None


class Rules(NamedTuple):
    """By what it is judged: policy, roots in place of the pinned ones, files about GPUs. ``quiet`` shows no progress."""

    policy: Policy
    roots: TrustRoots | None
    quiet: bool
    devices: DeviceFiles | None = None


class _Given(NamedTuple):
    """How evidence was come by."""

    nonce: bytes | None
    fetched: Finding | None = None
    fresh: bool = False


def present() -> datetime:
    """The present in whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def attest_pod(source: Source, rules: Rules, network: Network) -> tuple[Attestation, ...]:
    """Draw a nonce, ask the pod, judge; with collateral from the file where one is named."""
    pod_id = source["pod_id"] or ""
    require_pod_id(pod_id)
    key = require_key(network["api_key_file"])
    collateral = _read_collateral(source["collateral"])
    with _opened(rules, network, key=key, collateral=collateral) as attester:
        return (attester.attest(pod_id),)


def _read_collateral(name: str | None) -> IntelCollateral | None:
    from voltage_attest.collateral.intel import parse_intel_collateral
    from voltage_attest.errors import CollateralFormatError

    try:
        return None if name is None else parse_intel_collateral(read_input(name, "--collateral"))
    except CollateralFormatError as error:
        raise CannotUse(f"--collateral: {error}") from None


def attest_provider(source: Source, rules: Rules, network: Network) -> tuple[Attestation, ...]:
    """Draw a nonce, ask the provider at that address, judge every machine that answers."""
    from voltage_attest.attest import ANSWERED, draw_nonce, why_not_fetched
    from voltage_attest.errors import InputError, TransportError
    from voltage_attest.evidence.model import Evidence

    nonce = draw_nonce()
    try:
        found, fetched = _ask_provider(source, rules, network, nonce), ANSWERED
    except (TransportError, InputError) as error:
        found, fetched = (Evidence(provider=source["provider"]),), why_not_fetched(error)
    return _judge_each(found, source, rules, network, _Given(nonce, fetched, fresh=True))


def _ask_provider(source: Source, rules: Rules, network: Network, nonce: bytes) -> tuple[Evidence, ...]:
    """The provider's answer; a key is sent from ``--api-key-file`` alone, for what the environment holds is VoltageGPU's."""
    from voltage_attest.collateral.http import BoundedClient
    from voltage_attest.errors import InputError, TrustRootError
    from voltage_attest.pods.client import POD_LIMITS, fetch_answer

    key = find_key(network["api_key_file"], environment=False)
    provider, address, target = source["provider"] or "", source["evidence"], source["target"]
    channel = rules.policy.channel
    proxy = network["proxy"] or (None if channel is None else channel.proxy)
    try:
        with (
            fetch_progress(quiet=rules.quiet) as progress,
            BoundedClient(tls_ca=network["tls_ca"], proxy=proxy, limits=POD_LIMITS) as client,
        ):
            if progress is not None:
                progress(provider, "asking for evidence")
            return fetch_answer(provider, address, client, nonce=nonce, target=target, api_key=key)
    except TrustRootError as error:
        raise CannotUse(f"--tls-ca: {error}") from None
    except InputError:
        raise
    except ValueError as error:
        raise CannotUse(str(error)) from None


def judge_quote(source: Source, rules: Rules, network: Network) -> tuple[Attestation, ...]:
    """Judge the quote in a file, with collateral from a file, else fetched for it or in the cache."""
    from voltage_attest.evidence.model import Evidence

    quoted = with_boot(Evidence(quote=read_input(source["quote"] or "", "--quote")), source)
    evidence = _with_devices(quoted, rules)
    return _judge_each((evidence,), source, rules, network, _Given(read_nonce(source["nonce"])))


def judge_devices(source: Source, rules: Rules, network: Network) -> tuple[Attestation, ...]:
    """Judge GPUs and switches in files, without a quote."""
    from voltage_attest.evidence.model import Evidence

    return _judge_each((_with_devices(Evidence(), rules),), source, rules, network, _Given(read_nonce(source["nonce"])))


def _with_devices(evidence: Evidence, rules: Rules) -> Evidence:
    return evidence if rules.devices is None else with_devices(evidence, rules.devices)


def _opened(
    rules: Rules, network: Network, *, key: ApiKey | None = None, collateral: IntelCollateral | None = None
) -> AbstractContextManager[Attester]:
    return opened_attester(
        rules.policy, rules.roots, network, key=key, collateral=collateral, quiet=rules.quiet, devices=rules.devices
    )


def judge_answer(source: Source, rules: Rules, network: Network) -> tuple[Attestation, ...]:
    """Judge a provider's answer in a file: every machine in it."""
    from voltage_attest.attest import why_not_fetched
    from voltage_attest.errors import EvidenceFormatError
    from voltage_attest.evidence.model import Evidence
    from voltage_attest.pods import parse_answer

    provider, nonce = source["provider"] or "", read_nonce(source["nonce"])
    body = read_input(source["evidence"] or "", "--evidence")
    companion = None if source["companion"] is None else read_input(source["companion"], "--companion")
    fetched = None
    try:
        found = parse_answer(provider, body, companion=companion, nonce=nonce)
    except EvidenceFormatError as error:
        found, fetched = (Evidence(provider=provider),), why_not_fetched(error)
    return _judge_each(found, source, rules, network, _Given(nonce, fetched))


def judge_bundle(source: Source, rules: Rules, _network: Network) -> tuple[Attestation, ...]:
    """Judge what a bundle holds: no network, no cache, and no word of its writer's is relied upon."""
    from voltage_attest.attest import why_not_fetched
    from voltage_attest.bundles import evidence_of, fetched_of, others_of
    from voltage_attest.errors import EvidenceFormatError
    from voltage_attest.evidence.bundle import parse_any_bundle
    from voltage_attest.evidence.bundle_model import EvidenceBundle
    from voltage_attest.evidence.model import Evidence

    data = read_input(source["bundle"] or "", "--bundle")
    try:
        bundle = parse_any_bundle(data)
        kept, fetched = evidence_of(bundle), fetched_of(bundle)
    except EvidenceFormatError as error:
        bundle, fetched = EvidenceBundle(Evidence()), why_not_fetched(error)
        kept = evidence_of(bundle)
    given = _Given(read_nonce(source["nonce"]) or kept.nonce, fetched)
    if source["at"] is None and bundle.created_at is not None and not rules.quiet:
        click.echo(
            f"This bundle says it was made at {utc(bundle.created_at)}: its writer's word. It was judged for now; "
            f"--at {bundle.created_at:%Y-%m-%dT%H:%M:%SZ} judges for that time.",
            err=True,
        )
    documents = kept.collateral if source["collateral"] is None else read_input(source["collateral"], "--collateral")
    sources = kept.sources if source["collateral"] is None else {}
    nvidia = None if rules.policy.gpu is None else replaced_by(kept.nvidia, rules.devices)
    attestation = _judge(kept.evidence, documents, rules, given, at=source["at"], sources=sources, nvidia=nvidia)
    return (replace(attestation, documents=others_of(bundle)),)


def _judge_each(
    found: tuple[Evidence, ...], source: Source, rules: Rules, network: Network, given: _Given
) -> tuple[Attestation, ...]:
    """Judge each machine's evidence for the time that is asked for, with the collateral that is named, else fetched."""
    at = source["at"]
    collateral = None
    if source["collateral"] is not None:
        documents = read_input(source["collateral"], "--collateral")
        collateral = _parsed(documents)
        if rules.policy.gpu is None or collateral is None:
            return tuple([_judge(evidence, documents, rules, given, at=at, sources={}) for evidence in found])
    with _opened(rules, network, collateral=collateral) as attester:
        return tuple(
            [
                attester.examine(evidence, nonce=given.nonce, fresh=given.fresh, fetched=given.fetched, at=at)
                for evidence in found
            ]
        )


def _judge(
    evidence: Evidence,
    documents: IntelCollateral | bytes,
    rules: Rules,
    given: _Given,
    *,
    at: datetime | None,
    sources: Mapping[str, CollateralSource],
    nvidia: FetchedNvidia | None = None,
) -> Attestation:
    """Judge with the documents at hand: IntelCollateral, or a file's bytes, which may turn out to be none."""
    from voltage_attest.attestation import Attestation
    from voltage_attest.collateral.intel import IntelCollateral

    result = make_verifier(rules.policy, rules.roots).examine(
        evidence,
        documents,
        at=at or present(),
        fetched=given.fetched,
        nonce=given.nonce,
        fresh=given.fresh,
        sources=sources,
        nvidia=None if nvidia is None else nvidia.collateral,
        nvidia_records=_records(nvidia),
    )
    if isinstance(documents, bytes):
        documents = _parsed(documents) or IntelCollateral()
    return Attestation(result, evidence, documents, given.nonce, _document_sources(sources), nvidia=nvidia)


def _parsed(documents: bytes) -> IntelCollateral | None:
    """The collateral in a file; None where it is none, which its check will say."""
    from voltage_attest.collateral.intel import parse_intel_collateral
    from voltage_attest.errors import CollateralFormatError

    try:
        return parse_intel_collateral(documents)
    except CollateralFormatError:
        return None


def _records(nvidia: FetchedNvidia | None) -> tuple[CollateralRecord, ...]:
    if nvidia is None:
        return ()
    from voltage_attest.attest_course import nvidia_records

    return nvidia_records(nvidia)


def _document_sources(sources: Mapping[str, CollateralSource]) -> tuple[DocumentSource, ...]:
    """The sources of the documents that this version knows."""
    if not sources:
        return ()
    from voltage_attest.collateral.pcs import DocumentKind
    from voltage_attest.collateral.pursuit import DocumentSource

    return tuple(
        [
            DocumentSource(DocumentKind(kind), source.url, source.from_cache)
            for kind, source in sources.items()
            if kind in set(DocumentKind)
        ]
    )
