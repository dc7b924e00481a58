"""``voltage-attest verify``: a quote and Intel's collateral in, a verdict out."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from voltage_attest.cli.exits import EXIT_OF_VERDICT, CannotUse
from voltage_attest.cli.files import STDIN, read_input, require_one_stdin, write_output
from voltage_attest.cli.parameters import Rfc3339
from voltage_attest.cli.terminal import emit, output_width, wants_color

if TYPE_CHECKING:
    from voltage_attest.policy.model import Policy
    from voltage_attest.result import AttestationResult
    from voltage_attest.trust import TrustRoots

__all__ = ["DEFAULT_POLICY", "verify"]

DEFAULT_POLICY: Final = "voltage-attest.toml"

_HOW_TO_START: Final = """\
there is no policy: {name} does not exist here, and --policy names no other. A policy says what evidence must look like.
`voltage-attest inspect QUOTE` prints the values of a quote. Compare them with those your provider published, and save
as {name}:

schema = "voltage-attest/policy/1"
name = "my-policy"

[tdx]
mrtd  = ["<96 hex digits>"]
rtmr0 = ["<96 hex digits>"]
rtmr1 = ["<96 hex digits>"]
rtmr2 = ["<96 hex digits>"]
rtmr3 = {{ unpinned = "why it is left open" }}"""

_NO_COLLATERAL: Final = (
    "No --collateral was given, so Intel's nine documents are missing: pck_crl_issuer_chain, root_ca_crl, pck_crl,\n"
    "tcb_info_issuer_chain, tcb_info, tcb_info_signature, qe_identity_issuer_chain, qe_identity, qe_identity_signature.\n"
    "Fetch them from Intel PCS or a PCCS for the FMSPC that `voltage-attest inspect QUOTE` shows."
)


@click.command()
@click.option("--quote", metavar="FILE", required=True, help="TDX quote: raw, hex or base64.")
@click.option("--collateral", metavar="FILE", help="Intel's collateral: the nine-key JSON. Without it: undecided.")
@click.option("--policy", metavar="FILE", help=f"What evidence must look like.  [default: ./{DEFAULT_POLICY}]")
@click.option("--at", type=Rfc3339(), metavar="RFC3339", help="Judge for this time, with its zone.  [default: now]")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-o", "--output", metavar="FILE", help="Write the result there, whole or not at all, and print the verdict.")
@click.option("--trust-root", metavar="FILE", help="PEM certificate in place of Intel's pinned root. For simulators.")
@click.option("-q", "--quiet", is_flag=True, help="Print the verdict alone, in one line.")
@click.option("-v", "--verbose", is_flag=True, help="Show passed values and skipped checks in full.")
def verify(
    *,
    quote: str,
    collateral: str | None,
    policy: str | None,
    at: datetime | None,
    form: str,
    output: str | None,
    trust_root: str | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Verify a TDX quote against Intel's collateral and your policy.

    Every check is listed; one that fails refuses. A FILE may be - for standard input. Exit codes: 0 verified, 1 refused,
    2 usage or policy unusable, 3 undecided: as closed as 1, but what is missing may be had later.
    """
    if quiet and verbose:
        raise click.UsageError("-q and -v exclude each other: one line, or everything?")
    if quiet and form == "json" and output is None:
        raise click.UsageError("-q prints one line of text: leave out --format json, or write the JSON to a file with -o.")
    require_one_stdin(quote=quote, collateral=collateral, policy=policy, trust_root=trust_root)
    result = _examine(_read_policy(policy), _read_roots(trust_root), quote, collateral, at)
    _report(result, form, output, quiet=quiet, verbose=verbose)
    if collateral is None:
        click.echo(_NO_COLLATERAL, err=True)
    return EXIT_OF_VERDICT[result.verdict]


def _examine(
    policy: Policy, roots: TrustRoots | None, quote: str, collateral: str | None, at: datetime | None
) -> AttestationResult:
    from voltage_attest.collateral.intel import IntelCollateral
    from voltage_attest.errors import InputError
    from voltage_attest.verifier import Evidence, Verifier

    evidence = Evidence(quote=read_input(quote, "--quote"))
    documents = IntelCollateral() if collateral is None else read_input(collateral, "--collateral")
    try:
        verifier = Verifier(policy, roots=roots)
    except InputError as error:
        raise CannotUse(f"--trust-root: {error}") from None
    return verifier.examine(evidence, documents, at=at or datetime.now(UTC).replace(microsecond=0))


def _read_policy(name: str | None) -> Policy:
    from voltage_attest.errors import PolicyError
    from voltage_attest.policy.load import load_policy, parse_policy

    if name is None and not Path(DEFAULT_POLICY).exists():
        raise CannotUse(_HOW_TO_START.format(name=DEFAULT_POLICY))
    try:
        if name != STDIN:
            return load_policy(Path(name or DEFAULT_POLICY))
        return parse_policy(read_input(STDIN, "--policy").decode("utf-8"))
    except PolicyError as error:
        raise CannotUse(f"the policy cannot be used. {error}") from None
    except UnicodeDecodeError as error:
        raise CannotUse(f"--policy: byte {error.start} of standard input is not UTF-8. Save the policy as UTF-8.") from None


def _read_roots(name: str | None) -> TrustRoots | None:
    from voltage_attest.errors import TrustRootError
    from voltage_attest.trust import TrustRoots

    if name is None:
        return None
    try:
        return TrustRoots.from_pem(intel=read_input(name, "--trust-root"))
    except TrustRootError as error:
        raise CannotUse(f"--trust-root: {error}") from None


def _report(result: AttestationResult, form: str, output: str | None, *, quiet: bool, verbose: bool) -> None:
    from voltage_attest.report.json import render_json
    from voltage_attest.report.text import render_text, render_verdict

    color = wants_color(sys.stdout, os.environ)
    if output is not None and output != STDIN:
        write_output(output, render_json(result) if form == "json" else render_text(result, verbose=verbose))
        quiet = True
    if quiet:
        emit(f"{render_verdict(result, color=color)}\n")
    elif form == "json":
        emit(render_json(result))
    else:
        emit(render_text(result, width=output_width(sys.stdout), color=color, verbose=verbose))
