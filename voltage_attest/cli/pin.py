"""``voltage-attest pin``: a policy from what a machine measures now. Trust on first use, and said so."""

from __future__ import annotations

import os
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click

from voltage_attest.cli.exits import EXIT_OF_VERDICT, CannotUse, Exit
from voltage_attest.cli.files import STDIN, read_input, require_one_stdin, write_output
from voltage_attest.cli.network import Network, network_options, warn
from voltage_attest.cli.terminal import emit, output_width, wants_color
from voltage_attest.cli.verify_boot import BootFiles, boot_options
from voltage_attest.cli.verify_devices import DeviceFiles
from voltage_attest.cli.verify_inputs import DEFAULT_POLICY, make_verifier, read_policy, read_roots
from voltage_attest.cli.verify_report import report, save_bundles, say_what_is_missing
from voltage_attest.cli.verify_sources import Rules, Source, attest_pod, judge_quote
from voltage_attest.report.plain import Paint, one_or_many, printable
from voltage_attest.result import Status, Verdict

if TYPE_CHECKING:
    from voltage_attest.attestation import Attestation
    from voltage_attest.policy.model import Policy, WorkloadPolicy
    from voltage_attest.result import AttestationResult

__all__ = ["pin"]

_BINDINGS: Final = ("voltage-attest/1", "near", "chutes", "tinfoil-v3", "voltage-verify/1", "none")

_FIRST_USE: Final = (
    "This is trust on first use. Intel's signatures prove that genuine hardware measured these values; they do not prove that "
    "the software is the right one. To do better: compare each value with what its publisher announces, or compute it from the "
    "image; note in the file where you found it; and let a second person review the change before it is in force."
)


class _Options(Network, BootFiles):
    """Everything on the command line."""

    pod_id: str | None
    quote: str | None
    collateral: str | None
    output: str
    name: str | None
    add: bool
    binding: str | None
    force: bool
    save_bundle: str | None
    trust_root: tuple[str, ...]
    gpus: int | None
    workload: bool
    nvidia_base: str | None
    quiet: bool


@click.command()
@click.argument("pod_id", required=False)
@click.option("--quote", metavar="FILE", help="Pin what this TDX quote measured: raw, hex or base64.")
@click.option("--collateral", metavar="FILE", help="Intel's collateral: the nine-key JSON.  [default: cache, then network]")
@click.option("-o", "--output", metavar="FILE", default=DEFAULT_POLICY, show_default=True, help="The policy to write.")
@click.option("--name", metavar="NAME", help="The policy's name.  [default: the pod's id]")
@click.option("--add", is_flag=True, help="Add the values to the lists of the policy that is there, for a rollout.")
@click.option("--binding", type=click.Choice(_BINDINGS), help="What evidence must be bound by.  [default: voltage-attest/1]")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@network_options
@boot_options
@click.option("--save-bundle", metavar="FILE", help="Keep evidence and collateral there, whatever the verdict.")
@click.option("--gpus", type=click.IntRange(1, 64), metavar="N", help="How many GPUs were rented: pin what they are as well.")
@click.option("--workload", is_flag=True, help="Pin what the boot log binds (compose document, images, ...), not RTMR3.")
@click.option("--nvidia-base", metavar="URL", help="Ask there in place of all of NVIDIA's services.")
@click.option(
    "--trust-root", metavar="[ROLE=]FILE", multiple=True, help="PEM certificate in place of a pinned root. For simulators."
)
@click.option("-q", "--quiet", is_flag=True, help="Print one line.")
def pin(**options: Unpack[_Options]) -> int:
    """Write a policy that accepts what POD_ID, or a quote, measures now.

    The evidence must be genuine: real hardware, nothing revoked, no debug mode, bound to a nonce drawn now. If it is not, the
    result is printed and nothing is written. Exit codes: 0 written, 1 refused, 2 usage, or a file is in the way, 3 undecided.
    """
    _refuse_contradictions(options)
    there = read_policy(options["output"]) if options["add"] else None
    binding = _binding(options, there)
    rules = Rules(_observing(options, binding, there), read_roots(options["trust_root"]), options["quiet"], _devices(options))
    attestation = _observe(options, rules)
    if options["save_bundle"] is not None:
        save_bundles((attestation,), options["save_bundle"])
    for text in attestation.warnings:
        warn(text)
    if attestation.result.verdict is not Verdict.VERIFIED:
        return _give_up(attestation, quiet=options["quiet"])
    if there is not None:
        return _add(attestation, rules, options)
    return _write(attestation, rules, options, binding)


def _refuse_contradictions(options: _Options) -> None:
    if (options["pod_id"] is None) == (options["quote"] is None):
        raise click.UsageError("Name what is to be pinned: POD_ID, or --quote FILE. One of the two.")
    if options["pod_id"] is not None and options["offline"]:
        raise click.UsageError("--offline does not go with POD_ID: asking takes the network. --quote pins from a file.")
    if options["add"] and (options["force"] or options["name"] is not None or options["binding"] is not None):
        raise click.UsageError("--add changes nothing but the accepted values: leave out --force, --name and --binding.")
    if options["workload"] and options["add"]:
        raise click.UsageError("--workload does not go with --add, which adds registers: add its events to the lists by hand.")
    for name in ("event_log", "compose"):
        if options[name] is not None and (options["quote"] is None or not options["workload"]):
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --quote and --workload: a pod sends its own.")
    trust_root = STDIN if STDIN in options["trust_root"] else None
    boot = {"event_log": options["event_log"], "compose": options["compose"]}
    require_one_stdin(quote=options["quote"], collateral=options["collateral"], trust_root=trust_root, **boot)
    if options["add"] and options["output"] == STDIN:
        raise click.UsageError("--add needs the policy's file: name it with -o.")
    if not options["add"]:
        _refuse_to_replace(options)


def _refuse_to_replace(options: _Options) -> None:
    output = options["output"]
    if output != STDIN and not options["force"] and os.path.lexists(output):
        raise CannotUse(
            f"{output} is there already, and a policy is not replaced in passing: --add appends to its lists, --force replaces "
            "it, -o names another file. Nothing was asked or written."
        )


def _binding(options: _Options, there: Policy | None) -> str | None:
    """By what evidence is, and is to be, bound: a quote in a file is bound to no nonce of ours."""
    if there is not None:
        return None if there.channel is None else there.channel.binding
    named = options["binding"] or ("voltage-attest/1" if options["pod_id"] is not None else "none")
    return None if named == "none" else named


def _observing(options: _Options, binding: str | None, there: Policy | None) -> Policy:
    from voltage_attest.policy.write import observing_policy

    bound_by = binding if options["pod_id"] is not None else None
    policy = observing_policy(bound_by, gpus=options["gpus"], workload=options["workload"])
    if there is None or there.tdx is None or policy.tdx is None:
        return policy
    channel = None if policy.channel is None else there.channel
    return replace(policy, tdx=replace(policy.tdx, collateral=there.tdx.collateral), channel=channel)


def _devices(options: _Options) -> DeviceFiles:
    return DeviceFiles(
        gpu_evidence=(),
        gpu_chain=None,
        rim=(),
        nras=(),
        jwks=(),
        ocsp_mode="online",
        nvidia_base=options["nvidia_base"],
    )


def _observe(options: _Options, rules: Rules) -> Attestation:
    source = Source(
        pod_id=options["pod_id"],
        quote=options["quote"],
        bundle=None,
        evidence=None,
        provider=None,
        companion=None,
        target=None,
        collateral=options["collateral"],
        nonce=None,
        at=None,
        event_log=options["event_log"],
        compose=options["compose"],
    )
    (attestation,) = (attest_pod if options["pod_id"] is not None else judge_quote)(source, rules, options)
    return attestation


def _give_up(attestation: Attestation, *, quiet: bool) -> int:
    report((attestation.result,), "text", (), as_list=False, quiet=quiet, verbose=False)
    say_what_is_missing((attestation,))
    click.echo("Nothing was written: only genuine evidence is pinned.", err=True)
    return EXIT_OF_VERDICT[attestation.result.verdict]


def _write(attestation: Attestation, rules: Rules, options: _Options, binding: str | None) -> int:
    from voltage_attest.policy.write import write_policy

    result, output = attestation.result, options["output"]
    workload = _observed(attestation, rules) if options["workload"] else None
    name = options["name"] or result.subject.pod_id or "pinned"
    text = write_policy(result, name=name, binding=binding, workload=workload)
    policy = _parsed(text, output)
    if output == STDIN:
        emit(text)
        return Exit.VERIFIED
    _refuse_to_replace(options)
    write_output(output, text)
    done = f"{output} written: it accepts what {_what(result)} measures now, and nothing else."
    _tell([done], _still_refused(attestation, policy, rules), result, options)
    return Exit.VERIFIED


def _observed(attestation: Attestation, rules: Rules) -> WorkloadPolicy:
    """What the verified log binds; CannotUse where that is nothing."""
    from voltage_attest.appraise.observed_workload import observed_workload
    from voltage_attest.verifier_boot import verified_log

    log = verified_log(attestation.evidence, attestation.collateral, roots=rules.roots, at=attestation.result.appraised_at)
    workload = None if log is None else observed_workload(log)
    if workload is None:
        raise CannotUse(
            "--workload: the boot log binds nothing that could be pinned; expected dstack's runtime events, or the state of "
            "Secure Boot. Pin the registers: leave out --workload. Nothing was written."
        )
    return workload


def _add(attestation: Attestation, rules: Rules, options: _Options) -> int:
    from voltage_attest.policy.write import add_measurements

    result, output = attestation.result, options["output"]
    text, added = add_measurements(read_input(output, "--output").decode("utf-8"), result)
    policy = _parsed(text, output)
    if added:
        write_output(output, text)
        done = f"{output}: {one_or_many(len(added), 'value')} added, measured by {_what(result)}."
    else:
        done = f"{output} lists all that {_what(result)} measures already: nothing was added."
    values = [f"  tdx.{value.key:6} {value.value}" for value in added]
    _tell([done, *values], _still_refused(attestation, policy, rules), result, options)
    return Exit.VERIFIED


def _parsed(text: str, output: str) -> Policy:
    from voltage_attest.errors import PolicyError
    from voltage_attest.policy.load import parse_policy

    try:
        return parse_policy(text, path=Path(output))
    except PolicyError as error:
        raise CannotUse(f"the policy would not load. {error} Nothing was written.") from None


def _still_refused(attestation: Attestation, policy: Policy, rules: Rules) -> list[str]:
    """The ids of the checks that this very evidence fails under the policy as it is now."""
    again = make_verifier(policy, rules.roots).examine(
        attestation.evidence, attestation.collateral, at=attestation.result.appraised_at, nonce=attestation.nonce
    )
    return [row.id for row in again.by_status()[Status.FAILED]]


def _what(result: AttestationResult) -> str:
    return "this quote's machine" if result.subject.pod_id is None else f"pod {printable(result.subject.pod_id)}"


def _tell(done: list[str], refused: list[str], result: AttestationResult, options: _Options) -> None:
    """What was done, and whether the policy accepts this very machine; then, but for ``quiet``, what that is worth."""
    width, paint = output_width(sys.stdout), Paint(wants_color(sys.stdout, os.environ))
    lines = done[:1] if options["quiet"] else done
    if refused:
        text = f"The policy refuses this machine as it stands, by {', '.join(refused)}. See the comments in the file, and "
        lines += map(paint.loud, textwrap.wrap(f"{text}`voltage-attest explain {refused[0]}`.", width, break_on_hyphens=False))
    if not options["quiet"]:
        lines += ["", *textwrap.wrap(_FIRST_USE, width, break_on_hyphens=False)]
    lines += [paint.loud(f"WARNING: {printable(text)}") for text in result.warnings]
    emit("".join(f"{line}\n" for line in lines))
