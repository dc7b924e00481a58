"""Our own files: a policy and a saved result."""

from __future__ import annotations

from voltage_attest.cli.inspect_tree import Branch, Inspection, Leaf, Node, Rows, stamp
from voltage_attest.collateral.strict_json import JsonObject
from voltage_attest.policy.load import parse_policy
from voltage_attest.policy.model import ChannelPolicy, CollateralPolicy, GpuPolicy, Pin, TcbException, TcbPolicy, TdxPolicy
from voltage_attest.report.json import parse_result
from voltage_attest.result import AttestationResult, CheckResult

__all__ = ["inspect_policy", "inspect_result"]


def inspect_policy(text: str) -> Inspection:
    """A policy as it is understood; PolicyError if it does not load."""
    policy = parse_policy(text)
    sections: tuple[tuple[str, tuple[Node, ...] | None], ...] = (
        ("tdx", None if policy.tdx is None else _tdx(policy.tdx)),
        ("gpu", None if policy.gpu is None else _gpu(policy.gpu)),
        ("channel", None if policy.channel is None else _channel(policy.channel)),
    )
    return Inspection(
        "policy",
        "Policy",
        (
            Leaf("name", policy.name),
            Leaf("valid_until", None if policy.valid_until is None else str(policy.valid_until)),
            *[Leaf(name, None) if nodes is None else Branch(name, nodes) for name, nodes in sections],
        ),
    )


def _tdx(tdx: TdxPolicy) -> tuple[Node, ...]:
    pins = tdx.pins.items()
    pinned = [Leaf(key, tuple([value.hex() for value in pin.values])) for key, pin in pins if isinstance(pin, Pin)]
    left_open = [Leaf(key, pin.reason) for key, pin in pins if not isinstance(pin, Pin)]
    minimum = tdx.min_tee_tcb_svn
    return (
        Branch("pinned", tuple(pinned)),
        Branch("left_open", tuple(left_open)),
        Leaf("min_tee_tcb_svn", None if minimum is None else minimum.hex()),
        Leaf("unsafe_allow_debug", tdx.unsafe_allow_debug),
        Leaf("unsafe_allow_sept_ve", tdx.unsafe_allow_sept_ve),
        Branch("tcb", _tcb(tdx.tcb)),
        Branch("collateral", _collateral(tdx.collateral)),
    )


def _gpu(gpu: GpuPolicy) -> tuple[Node, ...]:
    """Every key, sorted where the file's order means nothing."""
    names = ("chips", "boards", "modes", "ueids", "accept_hold")
    sets = {name: getattr(gpu, name) for name in names}
    return (
        Leaf("count", gpu.count),
        Leaf("switches", gpu.switches),
        *[Leaf(name, None if found is None else tuple(sorted(found))) for name, found in sets.items()],
        Leaf("min_driver", gpu.min_driver),
        Leaf("min_vbios", gpu.min_vbios),
        Branch("measurements", tuple([_digests(index, digests) for index, digests in sorted(gpu.measurements.items())])),
        Leaf("nras", gpu.nras),
        Leaf("nras_intermediates", tuple(sorted(digest.hex() for digest in gpu.nras_intermediates))),
        Leaf("unsafe_skip_rim", gpu.unsafe_skip_rim),
        Leaf("unsafe_skip_revocation", gpu.unsafe_skip_revocation),
    )


def _digests(index: int, digests: frozenset[bytes]) -> Leaf:
    return Leaf(str(index), tuple(sorted(digest.hex() for digest in digests)))


def _tcb(tcb: TcbPolicy) -> tuple[Node, ...]:
    return (
        Leaf("accept", tuple(sorted(tcb.accept))),
        Leaf("min_tcb_evaluation_data_number", tcb.min_tcb_evaluation_data_number),
        Leaf("deny_advisories", tuple(sorted(tcb.deny_advisories))),
        Rows("exceptions", tuple([_exception(exception) for exception in tcb.exceptions])),
    )


def _collateral(collateral: CollateralPolicy) -> tuple[Node, ...]:
    return (
        Leaf("pccs", collateral.pccs, "" if collateral.pccs else "Intel PCS"),
        Leaf("update", collateral.update),
        Leaf("tcb_evaluation_data_number", collateral.tcb_evaluation_data_number),
        Leaf("max_age", None if collateral.max_age is None else str(collateral.max_age)),
    )


def _channel(channel: ChannelPolicy) -> tuple[Node, ...]:
    return (
        Leaf("binding", channel.binding),
        Leaf("max_age", str(channel.max_age)),
        Leaf("webpki", channel.webpki),
        Leaf("proxy", channel.proxy),
    )


def _exception(exception: TcbException) -> Branch:
    return Branch(
        "exception",
        (
            Leaf("status", exception.status.value),
            Leaf("advisories", tuple(sorted(exception.advisories))),
            Leaf("until", str(exception.until)),
            Leaf("reason", exception.reason),
        ),
    )


def inspect_result(data: bytes, found: JsonObject) -> Inspection:
    """A saved result: its verdict derived again from its rows, beside the one it states; InputError if it is malformed."""
    result = parse_result(data)
    stated = str(found["verdict"])
    derived = result.verdict.value
    note = "derived from the checks in the file" if stated == derived else "derived from the checks: THE FILE STATES ANOTHER"
    return Inspection(
        "result",
        "Attestation result",
        (
            Leaf("verdict", derived, note),
            Leaf("stated_verdict", stated),
            Leaf("appraised_at", stamp(result.appraised_at)),
            Leaf("valid_until", None if result.valid_until is None else stamp(result.valid_until)),
            Leaf("verifier_version", result.verifier_version),
            Leaf("pod_id", result.subject.pod_id),
            Leaf("provider", result.subject.provider),
            Leaf("fresh", result.freshness.fresh),
            *_policy_and_claims(result),
            Branch("checks", tuple([Leaf(status.value, len(rows)) for status, rows in result.by_status().items()])),
            Rows("closing", tuple([_closing(row) for row in result.checks if row.status.closes_gate])),
            Leaf("warnings", result.warnings),
        ),
    )


def _policy_and_claims(result: AttestationResult) -> tuple[Node, ...]:
    policy, claims = result.policy, result.tdx
    nodes: list[Node] = []
    if policy is not None:
        nodes.append(Branch("policy", (Leaf("name", policy.name), Leaf("sha256", policy.sha256))))
    records = [Branch("evidence", (Leaf("kind", record.kind), Leaf("sha256", record.sha256))) for record in result.evidence]
    nodes.append(Rows("evidence", tuple(records)))
    if claims is not None:
        identity = (Leaf("mrtd", claims.mrtd), Leaf("fmspc", claims.fmspc))
        tcb = (Leaf("tcb_status", claims.tcb_status), Leaf("advisory_ids", claims.advisory_ids))
        nodes.append(Branch("claims", (*identity, *tcb)))
    return tuple(nodes)


def _closing(row: CheckResult) -> Branch:
    return Branch(
        "check that closes the gate",
        (
            Leaf("id", row.id),
            Leaf("status", row.status.value),
            Leaf("expected", row.finding.expected),
            Leaf("actual", row.finding.actual),
            Leaf("reason", row.finding.reason),
        ),
    )
