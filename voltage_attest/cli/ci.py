"""``voltage-attest ci``: the whole gate in one step, for one pod or a fleet, with reports in the forms that CI servers read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Unpack

import click

from voltage_attest.cli.ci_items import items_of
from voltage_attest.cli.ci_summary import ending_rules, summary_lines, write_step_summary
from voltage_attest.cli.exits import EXIT_OF_VERDICT, CannotUse
from voltage_attest.cli.files import STDIN, read_input, require_one_stdin
from voltage_attest.cli.network import Network, network_options, require_key, warn
from voltage_attest.cli.parameters import Rfc3339
from voltage_attest.cli.policy import Days
from voltage_attest.cli.progress import items_progress
from voltage_attest.cli.reports import FORMAT_NAMES, Output, Rendered, Rendering, Reports, outputs_of
from voltage_attest.cli.terminal import emit, output_width, wants_color
from voltage_attest.cli.verify_inputs import DEFAULT_POLICY, make_verifier, read_policy, read_roots
from voltage_attest.cli.verify_sources import present
from voltage_attest.report.entries import worst
from voltage_attest.report.plain import printable

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from voltage_attest.many import How, Item, Terms
    from voltage_attest.policy.model import Policy
    from voltage_attest.report.entries import Brief

__all__ = ["STEP_SUMMARY", "WORTH_PROCESSES", "ci"]

_MOST_JOBS: Final = 64
WORTH_PROCESSES: Final = 256
"""Bundles from which on it pays to start processes: each takes as long to import what it needs as to judge so many."""

_PODS_AT_A_TIME: Final = 8
_AHEAD: Final = 64
"""Items handed out at a time: what bounds memory, and how long a slow pod holds up the writing of those behind it."""

STEP_SUMMARY: Final = "GITHUB_STEP_SUMMARY"


class _Options(Network):
    """Everything on the command line."""

    pod_ids: tuple[str, ...]
    pods_from: str | None
    bundle: tuple[str, ...]
    policy: str | None
    at: datetime | None
    jobs: int | None
    retry_undecided: int
    warn_expiring: timedelta
    form: str | None
    output: tuple[str, ...]
    ocsp_mode: Literal["online", "cached", "off"]
    nvidia_base: str | None
    trust_root: tuple[str, ...]
    quiet: bool


@click.command()
@click.argument("pod_ids", nargs=-1, metavar="[POD_ID]...")
@click.option("--pods-from", metavar="FILE", help="Verify the pods listed there, one id a line; - for standard input.")
@click.option("--bundle", metavar="FILE|PATTERN", multiple=True, help="Verify saved bundles: 'proofs/**/*.json'.")
@click.option("--policy", metavar="FILE", help=f"What evidence must look like.  [default: ./{DEFAULT_POLICY}]")
@click.option("--at", type=Rfc3339(), metavar="RFC3339", help="Judge bundles for this time, with its zone.  [default: now]")
@click.option("--jobs", type=click.IntRange(1, _MOST_JOBS), help="How many at a time.  [default: one a core, pods eight]")
@click.option("--retry-undecided", type=click.IntRange(0, 10), default=0, metavar="N", help="Ask a pod again up to N times.")
@click.option(
    "--warn-expiring", type=Days(), default="14d", show_default=True, metavar="DAYS", help="Name what ends within these days."
)
@click.option("--format", "form", type=click.Choice(FORMAT_NAMES), help="Print this in place of the summary.")
@click.option(
    "-o",
    "--output",
    metavar="[FORMAT=]FILE",
    multiple=True,
    help="Write a report there, in the form that is named or the suffix tells. May be repeated.",
)
@network_options
@click.option("--ocsp-mode", type=click.Choice(["online", "cached", "off"]), default="online", help="As for `verify`.")
@click.option("--nvidia-base", metavar="URL", help="Ask there in place of all of NVIDIA's services.")
@click.option("--trust-root", metavar="[ROLE=]FILE", multiple=True, help="As for `verify`. For simulators.")
@click.option("-q", "--quiet", is_flag=True, help="Print the last line of the summary alone.")
def ci(**options: Unpack[_Options]) -> int:
    """Verify pods and saved bundles by your policy, all of them, and end with the worst verdict.

    Every item is judged, whatever became of the others; order and output are those of the command line. With
    GITHUB_STEP_SUMMARY set, the summary of the step is written too. Exit codes: 0 all verified, 1 one at least refused,
    2 usage or policy unusable, 3 none refused and one at least undecided.
    """
    require_one_stdin(policy=options["policy"], pods_from=options["pods_from"])
    items = items_of(options["pod_ids"], options["pods_from"], options["bundle"])
    outputs = outputs_of(options["output"], options["form"])
    if options["form"] is not None and not options["output"]:
        outputs = [Output(options["form"], STDIN)]
    source, rules = _policy(options["policy"])
    how, roots = _how(options, items), read_roots(options["trust_root"])
    make_verifier(rules, roots)
    ending = dict.fromkeys(ending_rules(rules, (options["at"] or present()).date(), options["warn_expiring"]))
    rendering = Rendering(tuple({output.form: None for output in outputs}), len(items), options["warn_expiring"])
    with Reports(outputs, emit) as reports:
        for rendered in _rendered(rendering, items, source, options, {"roots": roots, "how": how, "at": options["at"]}):
            reports.add(rendered)
            for warning in rendered.warnings:
                warn(warning)
            ending |= dict.fromkeys(rendered.ending)
        reports.finish()
        write_step_summary(os.environ.get(STEP_SUMMARY), reports.briefs, ending)
        _say(reports.briefs, ending, options, to_stderr=any(output.file == STDIN for output in outputs))
        return EXIT_OF_VERDICT[worst(brief.verdict for brief in reports.briefs)]


def _say(briefs: Sequence[Brief], ending: Iterable[str], options: _Options, *, to_stderr: bool) -> None:
    """The summary, and what ends soon; on standard error where standard output holds a report."""
    for text in ending:
        warn(f"ends soon: {text}")
        if options["form"] == "github":
            emit(f"::warning title=voltage-attest%3A ends soon::{printable(text)}\n")
    stream = sys.stderr if to_stderr else sys.stdout
    color, width = wants_color(stream, os.environ), output_width(stream)
    text = "".join(f"{line}\n" for line in summary_lines(briefs, width=width, color=color, quiet=options["quiet"]))
    if to_stderr:
        click.echo(text, nl=False, err=True)
    else:
        emit(text)


def _policy(name: str | None) -> tuple[Path | str, Policy]:
    """The policy's path, or the text that came by standard input; and the policy."""
    from voltage_attest.errors import PolicyError
    from voltage_attest.policy.load import parse_policy

    if name != STDIN:
        return Path(name or DEFAULT_POLICY), read_policy(name)
    try:
        text = read_input(STDIN, "--policy").decode("utf-8")
        return text, parse_policy(text)
    except PolicyError as error:
        raise CannotUse(f"the policy cannot be used. {error}") from None
    except UnicodeDecodeError as error:
        raise CannotUse(f"--policy: byte {error.start} of standard input is not UTF-8. Save the policy as UTF-8.") from None


def _how(options: _Options, items: Sequence[Item]) -> How:
    """How pods are asked; :class:`CannotUse` where they cannot be."""
    from voltage_attest.many import How, Pod

    if any(isinstance(item, Pod) for item in items):
        if options["offline"]:
            raise CannotUse("--offline does not go with pods: asking takes the network. --bundle judges what was kept.")
        require_key(options["api_key_file"])
    return How(
        api_base=options["api_base"],
        api_key_file=options["api_key_file"],
        pccs=options["pccs"],
        tls_ca=options["tls_ca"],
        proxy=options["proxy"],
        cache=not options["no_cache"],
        nvidia_base=options["nvidia_base"],
        ocsp_mode=options["ocsp_mode"],
        retries=options["retry_undecided"],
    )


def _rendered(
    rendering: Rendering, items: Sequence[Item], source: Path | str, options: _Options, terms: Terms
) -> Iterator[Rendered]:
    """Every item in its turn, while a bar on the terminal says how many are done."""
    from voltage_attest.errors import TrustRootError
    from voltage_attest.many import map_many

    with _pool(items, options["jobs"]) as pool, items_progress(len(items), quiet=options["quiet"]) as progress:
        terms |= {"executor": pool, "in_flight": _AHEAD, "progress": progress}
        try:
            yield from map_many(rendering, items, source, **terms)
        except TrustRootError as error:
            raise CannotUse(f"--tls-ca: {error}") from None
        except ValueError as error:
            raise CannotUse(str(error)) from None


@contextmanager
def _pool(items: Sequence[Item], jobs: int | None) -> Iterator[Executor]:
    """Processes for many bundles, which take computing; threads for pods, which take waiting."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    from voltage_attest.many import Bundle

    bundles = sum(isinstance(item, Bundle) for item in items)
    cores = jobs or os.cpu_count() or 1
    if bundles >= WORTH_PROCESSES and cores > 1:
        # Started anew, not forked: a fork would copy the progress bar's thread in whatever state it is.
        pool: Executor = ProcessPoolExecutor(min(cores, _MOST_JOBS), mp_context=multiprocessing.get_context("spawn"))
    else:
        pool = ThreadPoolExecutor(jobs or (_PODS_AT_A_TIME if bundles < len(items) else cores))
    with pool:
        yield pool
