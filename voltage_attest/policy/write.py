"""Write a policy from what was measured: trust on first use, said plainly in the file itself.

A policy made by pinning says "this machine, as I first saw it, is the one I mean". That the evidence was genuine is proven;
that the software was the right one is not, until somebody compares the values with the publisher's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from voltage_attest.errors import PolicyError
from voltage_attest.policy.gpu import driver_order, is_board
from voltage_attest.policy.model import (
    POLICY_SCHEMA,
    ChannelPolicy,
    GpuPolicy,
    Policy,
    TcbPolicy,
    TdxPolicy,
    Unpinned,
    WorkloadPolicy,
)
from voltage_attest.policy.write_workload import workload_section
from voltage_attest.result import AttestationResult, TdxClaims
from voltage_attest.tcb_status import TcbStatus

__all__ = ["AddedValue", "add_measurements", "observing_policy", "write_policy"]

REVIEW_AFTER: Final = timedelta(days=180)
"""How long a pinned policy is in force before somebody has to look at it again."""

MEASUREMENTS: Final = ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3")
_PINNED: Final = (
    ("mrtd", "initial memory: the virtual firmware"),
    ("rtmr0", "firmware configuration"),
    ("rtmr1", "boot loader and kernel"),
    ("rtmr2", "kernel command line and initrd"),
    ("rtmr3", "what the guest extends at run time (container, instance)"),
    ("td_attributes", "TD attributes"),
    ("xfam", "extended features"),
    ("mr_config_id", "set by whoever starts the TD"),
    ("mr_owner", "set by whoever starts the TD"),
    ("mr_owner_config", "set by whoever starts the TD"),
)

_MR_CONFIG_OF_INSTANCE: Final = "03"
"""How dstack's third form of MRCONFIGID begins: a hash over a document with the instance's id."""


@dataclass(frozen=True, slots=True)
class AddedValue:
    """One measured value that :func:`add_measurements` appended to a list of the policy."""

    key: str
    value: str


def observing_policy(binding: str | None, *, gpus: int | None = None, workload: bool = False) -> Policy:
    """A policy to look with, never to gate with: every measurement open, every TCB status but Revoked accepted, not debug.

    With ``gpus`` that many are expected, genuine and with NVIDIA's reference values, of whichever kind. With ``workload`` a
    boot log is expected that explains the registers, whatever it says.
    """
    opened = Unpinned("pin only observes: what is measured now is written to the policy")
    tdx = TdxPolicy(
        pins=MappingProxyType(dict.fromkeys(MEASUREMENTS, opened)),
        tcb=TcbPolicy(accept=frozenset(TcbStatus) - {TcbStatus.REVOKED}),
    )
    channel = None if binding is None else ChannelPolicy(binding=binding)
    gpu = None if gpus is None else GpuPolicy(count=gpus)
    expected = WorkloadPolicy() if workload else None
    return Policy(name="pin (observation only)", sha256="0" * 64, tdx=tdx, gpu=gpu, channel=channel, workload=expected)


def write_policy(result: AttestationResult, *, name: str, binding: str | None, workload: WorkloadPolicy | None = None) -> str:
    """Return the TOML of a policy that accepts exactly what ``result`` measured; ValueError unless it was verified.

    GPUs, where there are any, are pinned by kind, number and least versions; which single ones they are stands in a comment.
    ``workload`` is what the boot log binds: where it names the application, that stands for what differs per instance.
    """
    claims = _verified_claims(result)
    when = result.appraised_at
    subject = result.subject.pod_id or "a quote"
    source = f" of {result.subject.provider}" if result.subject.provider else ""
    evidence = ", ".join(f"{record.kind} SHA-256 {record.sha256}" for record in result.evidence)
    lines = [
        f"# Pinned by voltage-attest {result.verifier_version} on {when:%Y-%m-%d at %H:%M:%S} UTC from {subject}{source}.",
        f"# Evidence: {evidence}.",
        f"# TCB then: {claims.tcb_status}, level of {claims.tcb_date:%Y-%m-%d}, platform family (FMSPC) {claims.fmspc}."
        if claims.tcb_date
        else f"# TCB then: {claims.tcb_status}.",
        "#",
        "# This is trust on first use. Intel's signatures prove that these values were measured by genuine hardware; they do",
        "# not prove that the software is the right one. Compare each value with what its publisher announces (or compute it",
        "# from the image), note here where you found it, and let a second person review the change.",
        "",
        f'schema = "{POLICY_SCHEMA}"',
        f"name = {_quoted(name)}",
        f"valid_until = {(when + REVIEW_AFTER).date().isoformat()}  # review by then",
        "",
        "[tdx]",
        *[_pin(key, getattr(claims, key), meaning, workload) for key, meaning in _PINNED],
        "",
        "[tdx.tcb]",
        'accept = ["UpToDate"]',
        f"min_tcb_evaluation_data_number = {claims.tcb_evaluation_data_number}  # no roll-back behind this",
        *_exception_hint(claims),
        *([] if workload is None else workload_section(workload)),
        *_gpu_section(result),
    ]
    if binding is not None:
        lines += ["", "[channel]", f'binding = "{binding}"']
    return "\n".join(lines) + "\n"


def _pin(key: str, value: str, meaning: str, workload: WorkloadPolicy | None) -> str:
    """One line of ``[tdx]``; what holds the instance's id is left to the events that name the application."""
    if workload is not None and workload.compose_sha256 is not None:
        if key == "rtmr3":
            return 'rtmr3 = { unpinned = "differs per instance; [workload] pins its events" }'
        if key == "mr_config_id" and value.startswith(_MR_CONFIG_OF_INSTANCE):
            return "# mr_config_id differs per instance; tdx.event_log.mr_config_id compares it with the application"
    return f'{key} = ["{value}"]  # {meaning}'


def _gpu_section(result: AttestationResult) -> list[str]:
    """``[gpu]`` for the GPUs of the result; nothing without any."""
    gpus = result.gpus
    if not gpus:
        return []
    modes = sorted({gpu.mode for gpu in gpus if gpu.mode is not None})
    return [
        "",
        "[gpu]  # NVIDIA's signatures prove device, driver and VBIOS, measured as NVIDIA publishes them",
        f"count = {len(gpus)}",
        f"chips = {_listed({gpu.chip for gpu in gpus})}",
        *([f"boards = {_listed({gpu.board for gpu in gpus})}"] if all(is_board(gpu.board) for gpu in gpus) else []),
        *([f"switches = {len(result.switches)}"] if result.switches else []),
        *([f"modes = {_listed(modes)}"] if modes else []),
        f'min_driver = "{min([gpu.driver_version for gpu in gpus], key=driver_order)}"',
        f'min_vbios = "{min([gpu.vbios_version for gpu in gpus])}"',
        "# To accept these very GPUs and no others:",
        f"# ueids = {_listed({gpu.ueid for gpu in gpus})}",
    ]


def _listed(values: Iterable[str]) -> str:
    quoted = ", ".join([f'"{value}"' for value in sorted(values)])
    return f"[{quoted}]"


def add_measurements(text: str, result: AttestationResult) -> tuple[str, tuple[AddedValue, ...]]:
    """Append the measured MRTD and RTMRs to the lists of a policy, keeping comments and layout; report what was added.

    For a rollout in which two versions run side by side. Fields that the policy leaves open stay open.
    :class:`PolicyError` if the text is no policy with a ``[tdx]`` table.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import Array, Table

    claims = _verified_claims(result)
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise PolicyError(f"not TOML ({error})", expected="TOML 1.0", remedy="Mend the syntax first.") from None
    tdx = document.get("tdx")
    if not isinstance(tdx, Table):
        raise PolicyError("a policy without [tdx]", expected="a [tdx] section", remedy="Pin anew, without --add.")
    added: list[AddedValue] = []
    for key in MEASUREMENTS:
        accepted, value = tdx.get(key), getattr(claims, key)
        if isinstance(accepted, Array) and value not in [str(known).lower() for known in accepted]:
            accepted.append(value)
            accepted.multiline(multiline=True)
            added.append(AddedValue(key, value))
    return tomlkit.dumps(document), tuple(added)


def _verified_claims(result: AttestationResult) -> TdxClaims:
    result.require()
    if result.tdx is None:
        raise ValueError("nothing was measured: the result holds no TDX claims")
    return result.tdx


def _exception_hint(claims: TdxClaims) -> list[str]:
    if claims.tcb_status == TcbStatus.UP_TO_DATE.value:
        return []
    advisories = ", ".join(f'"{advisory}"' for advisory in claims.advisory_ids)
    return [
        "",
        f"# The platform is {claims.tcb_status}: this policy refuses it as it stands. Ask the provider to update. To accept it",
        "# for a time after review, with a ticket and an end:",
        "# [[tdx.tcb.exception]]",
        f'# status = "{claims.tcb_status}"',
        *([f"# advisories = [{advisories}]"] if advisories else []),
        "# until = 2027-01-31",
        '# reason = "vendor ticket ..."',
    ]


def _quoted(text: str) -> str:
    import tomlkit

    return tomlkit.string(text).as_string()
