"""The story of ``voltage-attest demo``: a pod is pinned, verified and given one note; then six attacks are refused.

Nothing is staged: a simulated pod serves over TLS on loopback, and the verifier, the fetchers and the policy are the real ones.
:func:`tell_story` yields scene after scene as they happen and prints nothing. A scene whose outcome is not the one its text
tells has ``as_told`` False: whoever shows the story then ends in failure.
"""

from __future__ import annotations

import http.client
import json
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509

from voltage_attest.attest import Attestation, Attester
from voltage_attest.checks import REGISTRY
from voltage_attest.collateral.http import BoundedClient
from voltage_attest.collateral.service import CollateralService, pccs_endpoint
from voltage_attest.pods import ApiKey
from voltage_attest.pods.client import POD_LIMITS, PodClient
from voltage_attest.policy import Policy, parse_policy
from voltage_attest.policy.write import observing_policy, write_policy
from voltage_attest.result import AttestationResult, Status, Verdict
from voltage_attest.testing.pod import HostileTwin, SimulatedPod
from voltage_attest.testing.pod_faults import INFERENCE, Fault
from voltage_attest.testing.tls import client_context, spki_sha256
from voltage_attest.verifier import Verifier

__all__ = ["Mark", "Scene", "tell_story"]

_BINDING: Final = "voltage-attest/1"
_NOTE: Final = "Synthetic patient A., 61, renal failure. May the dose be increased?"
_SHOWN: Final = 16


class Mark(StrEnum):
    """What a scene ends in."""

    TOLD = "told"
    VERIFIED = "verified"
    SENT = "sent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One scene: a paragraph, then facts (label and value), then lines of a file as they stand.

    ``as_told`` is False if what happened is not what the text says.
    """

    heading: str
    prose: str
    facts: tuple[tuple[str, str], ...] = ()
    file: tuple[str, ...] = ()
    mark: Mark = Mark.TOLD
    as_told: bool = True


@dataclass(frozen=True, slots=True)
class _Attack:
    fault: Fault
    name: str
    tale: str
    check: str


_ATTACKS: Final = (
    _Attack(
        Fault.NO_QUOTE,
        "Take my word for it",
        "The answer says measurement_valid: true, and nothing else. No signature, no quote.",
        "evidence.quote_present",
    ),
    _Attack(
        Fault.DEBUG_TD,
        "A window in the wall",
        "The operator restarts the machine in debug mode, and now reads its memory from outside. The processor's signature "
        "is genuine, and truthful.",
        "tdx.td.debug",
    ),
    _Attack(
        Fault.OTHER_MRTD,
        "The same machine, another program",
        "Genuine hardware boots an image that keeps a copy of every note. The operator still says measurement_valid: true.",
        "tdx.policy.mrtd",
    ),
    _Attack(
        Fault.REPLAYED_QUOTE,
        "Yesterday's proof",
        "A flawless quote, recorded while the machine was honest, is sent under today's nonce.",
        "binding.report_data",
    ),
    _Attack(
        Fault.REVOKED_PCK,
        "A key that leaked",
        "Somebody took this processor's key out of its package, and Intel has revoked it. Every signature still computes.",
        "tdx.pck.revocation",
    ),
)


@dataclass(frozen=True, slots=True)
class _Stage:
    """The pod, and a client of it that knows only addresses, a key and roots."""

    pod: SimulatedPod
    pods: PodClient
    collateral: CollateralService

    def attest(self, policy: Policy) -> Attestation:
        """Attest under that policy."""
        return Attester(Verifier(policy, roots=self.pod.roots), self.pods, self.collateral).attest(self.pod.pod_id)

    def notes_received(self) -> int:
        """How many requests for inference have reached the pod."""
        return self.pod.traffic.requests_below(INFERENCE)


def tell_story() -> Iterator[Scene]:
    """Tell the story, scene by scene, as it happens: some two seconds, loopback only, nothing left behind."""
    yield _opening()
    with ExitStack() as stack:
        stage = _set_stage(stack)
        first = stage.attest(observing_policy(_BINDING))
        yield _introduction(stage, first)
        text = write_policy(first.result, name="demo", binding=_BINDING)
        yield _pinning(text)
        policy = parse_policy(text)
        verified = stage.attest(policy)
        yield _verification(verified.result)
        yield _sending(stage, verified.result)
        for number, attack in enumerate(_ATTACKS, start=1):
            yield _attack(stage, policy, attack, number)
        yield _twin(stage, policy, len(_ATTACKS) + 1)
    yield _ending()


def _set_stage(stack: ExitStack) -> _Stage:
    pod = stack.enter_context(SimulatedPod(pod_id="pod_demo"))
    ca = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="voltage-attest-demo-"))) / "ca.pem"
    ca.write_bytes(pod.ca_pem)
    client = stack.enter_context(BoundedClient(tls_ca=ca, limits=POD_LIMITS))
    return _Stage(
        pod,
        PodClient(client, ApiKey(pod.api_key, source="the demo"), base=pod.api_base),
        CollateralService([pccs_endpoint(pod.pccs_base)], tls_ca=ca),
    )


def _opening() -> Scene:
    return Scene(
        heading="One machine, one note, six attacks",
        prose="SIMULATED ROOTS: the Intel of this demo is a simulation whose keys are public. Nothing below says anything "
        "about real hardware. Everything else is real: TLS, quotes, verifier. Only loopback is used, and nothing is kept.",
    )


def _introduction(stage: _Stage, first: Attestation) -> Scene:
    opinion = first.evidence.opinion
    return Scene(
        heading="1. A machine introduces itself",
        prose=f"A pod listens at {stage.pod.base}. Its operator says that all is well: an opinion, which anybody can type. "
        "Evidence is what the processor signs.",
        facts=(
            ("opinion", f"measurement_valid: {str(opinion and opinion.measurement_valid).lower()}"),
            ("evidence", f"a TDX quote of {len(first.evidence.quote or b''):,} bytes, made for a nonce that we drew"),
        ),
        as_told=first.result.verdict is Verdict.VERIFIED,
    )


def _pinning(text: str) -> Scene:
    kept = [line for line in text.splitlines() if line and not line.startswith(("#", "schema", "name", "mr_", "xfam"))]
    return Scene(
        heading="2. Pin: write down what you expect",
        prose="The signatures are genuine, so what was measured becomes a policy: a file for your git. This is trust on first "
        "use; compare the values with those your provider publishes.",
        file=tuple(_abbreviated(line) for line in kept),
    )


def _abbreviated(line: str) -> str:
    """The line without its comment, long hex cut short."""
    key, _, value = line.partition("  #")[0].partition(' = ["')
    return f'{key} = ["{value[:_SHOWN]}..."]' if len(value) > 2 * _SHOWN else line.partition("  #")[0]


def _verification(result: AttestationResult) -> Scene:
    passed = result.by_status()[Status.PASSED]
    shown = ("tdx.quote.signature", "tdx.tcb.converged", "tdx.policy.mrtd", "binding.nonce", "binding.report_data")
    return Scene(
        heading="3. Verify",
        prose=f"A new nonce, a new quote, four documents from (the simulated) Intel. {len(passed)} checks passed and none "
        "failed; among them:",
        facts=tuple((name, REGISTRY[name].title) for name in shown),
        mark=Mark.VERIFIED,
        as_told=result.verdict is Verdict.VERIFIED and set(shown) <= {row.id for row in passed},
    )


def _sending(stage: _Stage, result: AttestationResult) -> Scene:
    attested = bytes.fromhex(result.channel.spki_sha256 or "")
    before = stage.notes_received()
    sent = _send_note(stage.pod, attested)
    return Scene(
        heading="4. Send one note",
        prose="Before the first byte goes out, the key met in the TLS handshake is compared with the key in the quote.",
        facts=(
            ("key in quote", f"SHA-256 {attested.hex()[:_SHOWN]}..."),
            ("key met", f"SHA-256 {(sent.key_met or b'').hex()[:_SHOWN]}..."),
            ("note", _NOTE),
            ("answer", sent.answer or "none"),
        ),
        mark=Mark.SENT,
        as_told=sent.answer is not None and stage.notes_received() == before + 1,
    )


def _attack(stage: _Stage, policy: Policy, attack: _Attack, number: int) -> Scene:
    before = stage.notes_received()
    with stage.pod.faulty(attack.fault):
        result = stage.attest(policy).result
        if result.verdict is Verdict.VERIFIED:
            _send_note(stage.pod, bytes.fromhex(result.channel.spki_sha256 or ""))
    stopped = {row.id: row for row in result.checks if row.status is Status.FAILED}
    row = stopped.get(attack.check)
    return Scene(
        heading=f"Attack {number} of 6: {attack.name}",
        prose=attack.tale,
        facts=(
            ("stopped by", ", ".join(stopped) or "nothing"),
            ("because", (row and row.reason) or "no check failed"),
            ("notes sent", str(stage.notes_received() - before)),
        ),
        mark=Mark.REFUSED,
        as_told=result.verdict is Verdict.REFUSED and row is not None and stage.notes_received() == before,
    )


def _twin(stage: _Stage, policy: Policy, number: int) -> Scene:
    result = stage.attest(policy).result
    twin = HostileTwin(stage.pod)
    stage.pod.divert_to(twin)
    try:
        sent = _send_note(stage.pod, bytes.fromhex(result.channel.spki_sha256 or ""))
        stage.pod.wait_until_idle()
    finally:
        stage.pod.divert_to(None)
    received = twin.traffic
    return Scene(
        heading=f"Attack {number} of 6: The twin",
        prose="The machine verifies. Then its name is hijacked: another server takes over the address, with a valid "
        "certificate for the same name. A browser would be content.",
        facts=(
            ("stopped by", "the pin in the TLS handshake: the twin's key is not the one in the quote"),
            ("key met", f"SHA-256 {(sent.key_met or b'').hex()[:_SHOWN]}..."),
            ("twin got", f"{received.handshakes} handshake, {received.application_bytes} bytes of data"),
        ),
        mark=Mark.REFUSED,
        as_told=sent.answer is None and received.handshakes == 1 and received.application_bytes == 0,
    )


def _ending() -> Scene:
    return Scene(
        heading="That was all",
        prose="Six refusals, and the one note went to the one machine that had proven itself. The roots were simulated; with a "
        "real pod: `voltage-attest pin POD_ID` at provisioning, `voltage-attest verify POD_ID` in CI. `voltage-attest explain "
        "CHECK` tells what any of these checks proves, and what it does not.",
    )


@dataclass(slots=True)
class _Sent:
    """What became of the note: the key that was met (SHA-256), and the answer if the note was sent."""

    key_met: bytes | None = None
    answer: str | None = None


def _send_note(pod: SimulatedPod, attested_key: bytes) -> _Sent:
    """Send the note over a connection that ends in its handshake unless the peer has the attested key."""
    sent = _Sent()

    def admit(key: bytes) -> bool:
        sent.key_met = key
        return key == attested_key

    connection = http.client.HTTPSConnection("localhost", pod.port, context=_pinned_context(pod.ca_pem, admit), timeout=10)
    body = json.dumps({"model": "demo", "messages": [{"role": "user", "content": _NOTE}], "no_log": True})
    try:
        connection.request("POST", "/v1/confidential/chat/completions", body, {"Authorization": f"Bearer {pod.api_key}"})
        sent.answer = str(json.load(connection.getresponse())["choices"][0]["message"]["content"])
    except ssl.SSLCertVerificationError:
        return sent
    finally:
        connection.close()
    return sent


def _pinned_context(ca_pem: bytes, admit: Callable[[bytes], bool]) -> ssl.SSLContext:
    """A client's context that also asks, inside the handshake, whether the peer's key is admitted."""

    class PinnedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature is the standard library's
            super().do_handshake(block)
            der = self.getpeercert(binary_form=True)
            if der is None or not admit(spki_sha256(x509.load_der_x509_certificate(der))):
                self.close()
                raise ssl.SSLCertVerificationError("the peer's key is not the attested one")

    context = client_context(ca_pem)
    context.sslsocket_class = PinnedSocket
    return context
