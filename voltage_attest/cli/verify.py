"""``voltage-attest verify``: evidence in, a verdict out. Of a pod that is asked now, or from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Unpack

import click

from voltage_attest.cli.files import STDIN, require_one_stdin
from voltage_attest.cli.network import Network, network_options, warn
from voltage_attest.cli.parameters import Rfc3339
from voltage_attest.cli.reports import FORMAT_NAMES
from voltage_attest.cli.verify_boot import boot_options
from voltage_attest.cli.verify_devices import DeviceFiles, device_options, device_stdin
from voltage_attest.cli.verify_inputs import DEFAULT_POLICY, read_policy, read_roots
from voltage_attest.cli.verify_report import report, save_bundles, say_what_is_missing, worst_exit
from voltage_attest.cli.verify_sources import (
    Rules,
    Source,
    attest_pod,
    attest_provider,
    judge_answer,
    judge_bundle,
    judge_devices,
    judge_quote,
)

if TYPE_CHECKING:
    from voltage_attest.attestation import Attestation

__all__ = ["DEFAULT_POLICY", "verify"]


class _Options(Source, Network, DeviceFiles):
    """Everything on the command line."""

    policy: str | None
    form: str | None
    output: tuple[str, ...]
    save_bundle: str | None
    trust_root: tuple[str, ...]
    quiet: bool
    verbose: bool


_SOURCES: Final = {
    "pod_id": "POD_ID",
    "quote": "--quote FILE",
    "bundle": "--bundle FILE",
    "evidence": "--evidence FILE or URL",
    "gpu_evidence": "--gpu-evidence FILE",
}

_JUDGES: Final[Mapping[str, Callable[[Source, Rules, Network], tuple[Attestation, ...]]]] = {
    "pod_id": attest_pod,
    "address": attest_provider,
    "quote": judge_quote,
    "bundle": judge_bundle,
    "evidence": judge_answer,
    "gpu_evidence": judge_devices,
}

_FILES: Final = frozenset({"quote", "bundle", "evidence", "gpu_evidence"})
_GOES_WITH: Final[Mapping[str, frozenset[str]]] = {
    "provider": frozenset({"evidence", "address"}),
    "companion": frozenset({"evidence"}),
    "compose": frozenset({"quote"}),
    "target": frozenset({"address"}),
    "nonce": _FILES,
    "at": _FILES,
    "offline": _FILES,
    "api_base": frozenset({"pod_id"}),
    "api_key_file": frozenset({"pod_id", "address"}),
    "gpu_chain": frozenset({"quote", "gpu_evidence"}),
    "event_log": frozenset({"quote"}),
}
"""Options that have no meaning beside other kinds of evidence."""

_WHY_NOT_LIVE: Final = {
    "nonce": "a nonce is drawn for every request and used once: leave it out.",
    "at": "a live answer is judged for now. --save-bundle keeps it, to be judged for any time.",
    "offline": "asking takes the network. --bundle judges what was kept.",
}


@click.command()
@click.argument("pod_id", required=False)
@click.option("--quote", metavar="FILE", help="Judge this TDX quote: raw, hex or base64.")
@click.option("--bundle", metavar="FILE", help="Judge what --save-bundle kept, or a voltage-verify bundle.")
@click.option("--evidence", metavar="FILE|URL", help="Judge another provider's answer, from a file or asked for at an address.")
@click.option("--provider", metavar="NAME", help="Whose answer --evidence is: near, phala, dstack, chutes, tinfoil, secretvm.")
@click.option("--companion", metavar="FILE", help="The answer's second document, where the provider has two.")
@click.option("--target", metavar="NAME", help="The model or chute to ask for at an address that serves several.")
@click.option("--collateral", metavar="FILE", help="Intel's collateral: the nine-key JSON.  [default: cache, then network]")
@click.option("--policy", metavar="FILE", help=f"What evidence must look like.  [default: ./{DEFAULT_POLICY}]")
@click.option("--nonce", metavar="HEX", help="The nonce that evidence in a file was asked for with.")
@click.option("--at", type=Rfc3339(), metavar="RFC3339", help="Judge for this time, with its zone.  [default: now]")
@network_options
@boot_options
@device_options
@click.option("--format", "form", type=click.Choice(FORMAT_NAMES), help="How to write the result.  [default: text]")
@click.option(
    "-o",
    "--output",
    metavar="[FORMAT=]FILE",
    multiple=True,
    help="Write the result there, whole or not at all, in the form that is named or the suffix tells. May be repeated.",
)
@click.option("--save-bundle", metavar="FILE", help="Keep evidence and collateral there, whatever the verdict.")
@click.option(
    "--trust-root",
    metavar="[ROLE=]FILE",
    multiple=True,
    help="PEM certificate in place of a pinned root: intel, nvidia-device, nvidia-rim or nras. For simulators.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the verdict alone, in one line.")
@click.option("-v", "--verbose", is_flag=True, help="Show passed values and skipped checks in full.")
def verify(**options: Unpack[_Options]) -> int:
    """Verify that POD_ID, or evidence in a file, is what your policy says.

    A pod is asked for evidence made for a nonce drawn now; Intel's collateral comes from the cache, or from Intel. Every check
    is listed; one that fails refuses. A FILE may be - for standard input. Exit codes: 0 verified, 1 refused, 2 usage or policy
    unusable, 3 undecided: as closed as 1, but what is missing may be had later.
    """
    kind = _kind_of(options)
    _refuse_contradictions(options, kind)
    rules = Rules(read_policy(options["policy"]), read_roots(options["trust_root"]), options["quiet"], options)
    attestations = _JUDGES[kind](options, rules, options)
    if options["save_bundle"] is not None:
        save_bundles(attestations, options["save_bundle"])
    results = [attestation.result for attestation in attestations]
    report(
        results,
        options["form"],
        options["output"],
        as_list=kind in {"evidence", "address"},
        quiet=options["quiet"],
        verbose=options["verbose"],
    )
    for warning in dict.fromkeys(warning for attestation in attestations for warning in attestation.warnings):
        warn(warning)
    say_what_is_missing(attestations)
    return worst_exit(results)


def _kind_of(options: _Options) -> str:
    """Which kind of evidence is named: one, or a usage error."""
    given = dict(options)
    named = [name for name in _SOURCES if given[name] not in {None, ()}]
    if named == ["quote", "gpu_evidence"]:
        return "quote"
    if len(named) != 1:
        several = f"{' and '.join(_SOURCES[name] for name in named)} exclude each other. " if named else ""
        raise click.UsageError(f"{several}Name one thing to verify: {', '.join(_SOURCES.values())}.")
    evidence = options["evidence"]
    if evidence is not None and options["provider"] is None:
        raise click.UsageError("--evidence goes with --provider NAME, which says how the answer is to be read.")
    return "address" if evidence is not None and evidence.startswith(("https://", "http://")) else named[0]


def _refuse_contradictions(options: _Options, kind: str) -> None:
    for name, kinds in _GOES_WITH.items():
        if kind in kinds or dict(options)[name] in {None, False}:
            continue
        why = _WHY_NOT_LIVE.get(name) if kind in {"pod_id", "address"} else None
        with_what = "--evidence URL" if kind == "address" else _SOURCES[kind].split()[0]
        raise click.UsageError(f"--{name.replace('_', '-')} does not go with {with_what}: {why or 'it has no meaning there.'}")
    if options["provider"] is not None:
        _refuse_unfit_provider(options, live=kind == "address")
    if options["save_bundle"] == STDIN:
        raise click.UsageError("--save-bundle needs a file's name: standard output is for the result.")
    if options["quiet"] and options["verbose"]:
        raise click.UsageError("-q and -v exclude each other: one line, or everything?")
    form = options["form"] or "text"
    if options["quiet"] and form != "text" and not options["output"]:
        raise click.UsageError(f"-q prints one line of text: leave out --format {form}, or write it to a file with -o.")
    files = ("quote", "bundle", "evidence", "companion", "collateral", "policy", "event_log", "compose")
    named = {name: STDIN if dict(options)[name] == STDIN else None for name in files}
    require_one_stdin(**named, **device_stdin(options), trust_root=STDIN if STDIN in options["trust_root"] else None)


def _refuse_unfit_provider(options: _Options, *, live: bool) -> None:
    from voltage_attest.pods import PROVIDERS

    name = options["provider"] or ""
    provider = PROVIDERS.get(name)
    if provider is None:
        raise click.UsageError(f"--provider {name!r} is unknown; expected one of {', '.join(PROVIDERS)}.")
    if live and name == "voltagegpu":
        raise click.UsageError(
            "A VoltageGPU pod is asked by its id: `voltage-attest verify POD_ID`, with --api-base if need be."
        )
    if options["companion"] is not None and not provider.has_companion:
        raise click.UsageError(f"--companion does not go with {name}, whose answer is one document.")
    if live and provider.target is not None and options["target"] is None:
        raise click.UsageError(f"--target is missing: {name} serves several, so name the {provider.target}.")
    if provider.target is None and options["target"] is not None:
        raise click.UsageError(f"--target does not go with {name}, where the address names the machine.")
