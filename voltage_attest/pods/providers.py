"""The providers by name: how each is asked, and how its answers are read.

What each ``binding_inputs`` of Evidence holds, for the rules of :mod:`voltage_attest.appraise.binding`:

======================== ================= =====================================================================================
name                     from              value
======================== ================= =====================================================================================
signing_address          near phala dstack raw bytes: 20 (ecdsa) or 32 (ed25519, the key itself)
signing_algo             near phala dstack ASCII: ecdsa or ed25519
dstack_info              near phala dstack the report's ``info`` as JSON text (app_compose, vm_config): for measured boot
nonce_hex                chutes            ASCII: the nonce as sent, 64 lower-case hex digits
e2e_pubkey_b64           chutes            ASCII: the E2EE key as sent
hpke_public_key          tinfoil           raw X25519 key, 32 bytes
gpu_evidence_hash        tinfoil v3 flat   SHA-256 of gpu_evidence_json, computed here; empty where there is no GPU evidence
nvswitch_evidence_hash   tinfoil v3 flat   likewise of nvswitch_evidence_json; absent where there is none
gpu_evidence_json, ...   tinfoil v3 flat   the JSON bytes exactly as received
report_data_algorithm    tinfoil v3        ASCII: a URI that is hashed too; sections form only, as the next two
crypto_material          tinfoil v3        raw JSON bytes
device_evidence          tinfoil v3        raw JSON bytes
manifest                 voltage-verify    the canonical manifest, UTF-8
tls_certificate          where sent        DER of the leaf; ``tls_spki_sha256`` is the hash that counts
======================== ================= =====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.model import Evidence
from voltage_attest.pods import chutes, dstack, near, phala, secretvm, tinfoil, voltagegpu
from voltage_attest.pods.answer import MAX_ANSWER_SIZE, MAX_FLEET_SIZE

__all__ = ["PROVIDERS", "Errand", "Provider", "join_address", "parse_answer"]


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to fetch: path and query. ``optional``: a server that says it has none is not a failure."""

    path: str
    what: str
    content_types: tuple[str, ...] = ("application/json",)
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    ``base`` is its address, None where every machine has its own. ``target`` says what names the machine or model there, None
    where the address does. ``plan`` makes the errands from target and nonce: the body first, then its companion if it has one.
    Only a provider that ``takes_key`` is ever sent one. ``max_bytes`` bounds each answer.
    """

    name: str
    read: Callable[[bytes, bytes | None, bytes | None], tuple[Evidence, ...]]
    plan: Callable[[str, bytes], tuple[Errand, ...]]
    base: str | None = None
    target: str | None = None
    has_companion: bool = False
    takes_key: bool = True
    max_bytes: int = MAX_ANSWER_SIZE


def _alone(
    read: Callable[[bytes], tuple[Evidence, ...]],
) -> Callable[[bytes, bytes | None, bytes | None], tuple[Evidence, ...]]:
    return lambda body, _companion, _nonce: read(body)


def _plan_chutes(chute: str, nonce: bytes) -> tuple[Errand, ...]:
    return (
        Errand(chutes.evidence_path(chute, nonce), "the evidence of the Chutes instances"),
        Errand(chutes.instances_path(chute), "the keys of the Chutes instances"),
    )


def _plan_secretvm(_target: str, _nonce: bytes) -> tuple[Errand, ...]:
    return (
        Errand(secretvm.CPU_PATH, "the SecretVM's quote", ()),
        Errand(secretvm.GPU_PATH, "the SecretVM's GPU evidence", (), optional=True),
    )


_LISTED: Final = (
    Provider(
        voltagegpu.NAME,
        lambda body, _companion, _nonce: (voltagegpu.parse_voltagegpu(body),),
        lambda pod_id, nonce: (Errand(voltagegpu.attestation_path(pod_id, nonce), "the pod's evidence"),),
        base=voltagegpu.DEFAULT_BASE,
        target="pod id",
    ),
    Provider(
        near.NAME,
        _alone(near.parse_near),
        lambda model, nonce: (
            Errand(dstack.report_path(nonce, model=model, algorithm="ed25519", tls_fingerprint=True), "NEAR's report"),
        ),
        base=near.DEFAULT_BASE,
        target="model",
        max_bytes=MAX_FLEET_SIZE,
    ),
    Provider(
        phala.NAME,
        _alone(phala.parse_phala),
        lambda model, nonce: (Errand(dstack.report_path(nonce, model=model), "Phala's report"),),
        base=phala.DEFAULT_BASE,
        target="model",
        max_bytes=MAX_FLEET_SIZE,
    ),
    Provider(
        dstack.NAME,
        _alone(dstack.parse_dstack),
        lambda _target, nonce: (
            Errand(dstack.report_path(nonce, algorithm="ed25519", tls_fingerprint=True), "the dstack report"),
        ),
        max_bytes=MAX_FLEET_SIZE,
    ),
    Provider(
        chutes.NAME,
        lambda body, companion, nonce: chutes.parse_chutes(body, companion, nonce=nonce),
        _plan_chutes,
        base=chutes.DEFAULT_BASE,
        target="chute id",
        has_companion=True,
        max_bytes=MAX_FLEET_SIZE,
    ),
    Provider(
        tinfoil.NAME,
        _alone(tinfoil.parse_tinfoil),
        lambda _target, nonce: (Errand(tinfoil.attestation_path(nonce), "the Tinfoil enclave's evidence", ()),),
        takes_key=False,
    ),
    Provider(
        secretvm.NAME,
        lambda body, companion, _nonce: secretvm.parse_secretvm(body, companion),
        _plan_secretvm,
        has_companion=True,
        takes_key=False,
    ),
)

PROVIDERS: Final[Mapping[str, Provider]] = {provider.name: provider for provider in _LISTED}
"""Name to provider."""


def parse_answer(
    provider: str, body: bytes, *, companion: bytes | None = None, nonce: bytes | None = None
) -> tuple[Evidence, ...]:
    """Read a provider's answer: one Evidence for each machine in it.

    ``companion`` is the second document where a provider has two (Chutes: the instances' keys; SecretVM: ``/gpu``). ``nonce``
    is what was sent, for the provider whose answer does not repeat it (Chutes). :class:`EvidenceFormatError` on a malformed
    answer; ValueError on a provider that is not in :data:`PROVIDERS`.
    """
    known = PROVIDERS.get(provider)
    if known is None:
        raise ValueError(f"the provider {provider!r} is unknown; expected one of {', '.join(PROVIDERS)}")
    if companion is not None and not known.has_companion:
        raise EvidenceFormatError(
            f"a second document beside the answer of {provider}",
            expected="its one document",
            remedy="Leave the second document out.",
        )
    return known.read(body, companion, nonce)


def join_address(base: str, path: str) -> str:
    """The address of ``path`` at a base address, which may have a path of its own; ValueError where it has a query."""
    parts = urlsplit(base)
    if parts.query or parts.fragment or "?" in base or "#" in base:
        raise ValueError("the base address has a query or fragment; expected https://host[:port][/path]. Leave them out.")
    return base.rstrip("/") + path
