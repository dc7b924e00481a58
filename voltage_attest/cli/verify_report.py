"""What ``verify`` and ``pin`` print and write: one result, or several of one answer; and bundles to judge them again from."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from voltage_attest.cli.exits import EXIT_OF_VERDICT, CannotUse, Exit
from voltage_attest.cli.files import STDIN, write_output
from voltage_attest.cli.reports import outputs_of
from voltage_attest.cli.terminal import emit, output_width, wants_color
from voltage_attest.report.plain import printable
from voltage_attest.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voltage_attest.attestation import Attestation
    from voltage_attest.result import AttestationResult

__all__ = ["report", "save_bundles", "say_what_is_missing", "worst_exit"]

_WORST_FIRST: Final = (Verdict.REFUSED, Verdict.UNDECIDED)

_WHERE_TO_GET_IT: Final = (
    "`voltage-attest collateral fetch --quote FILE` brings them into the cache where there is a network; `collateral export`\n"
    "writes the file for --collateral. They are those of the FMSPC that `voltage-attest inspect QUOTE` shows."
)


def worst_exit(results: Sequence[AttestationResult]) -> Exit:
    """The exit code of the worst verdict: one machine that is refused refuses them all. No machine at all is undecided."""
    verdicts = [result.verdict for result in results] or [Verdict.UNDECIDED]
    return EXIT_OF_VERDICT[next((verdict for verdict in _WORST_FIRST if verdict in verdicts), Verdict.VERIFIED)]


def report(
    results: Sequence[AttestationResult],
    form: str | None,
    outputs: Sequence[str],
    *,
    as_list: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Print the results, or write them to each of ``outputs`` and print the verdicts. ``as_list`` is for JSON.

    An output is a file or ``FORM=FILE``; ``-`` is standard output, which then holds that and not the verdicts.
    """
    color = wants_color(sys.stdout, os.environ)
    to_stdout = [] if outputs else [form or "text"]
    for output in outputs_of(outputs, form):
        if output.file == STDIN:
            to_stdout.append(output.form)
        else:
            write_output(output.file, _rendered(results, output.form, as_list=as_list, verbose=verbose))
    if quiet or not to_stdout:
        emit(_verdicts(results, color=color))
        return
    for name in to_stdout:
        if name == "text":
            emit(_text(results, width=output_width(sys.stdout), color=color, verbose=verbose))
        else:
            emit(_rendered(results, name, as_list=as_list, verbose=verbose))


def _rendered(results: Sequence[AttestationResult], form: str, *, as_list: bool, verbose: bool) -> str:
    """The results in that form. ``json`` is one result, or a list of them; other forms have room for several."""
    if form == "text":
        return _text(results, verbose=verbose)
    if form == "json":
        return _json(results, as_list=as_list)
    from voltage_attest.report.entries import Named, name_of
    from voltage_attest.report.formats import render_report

    names = [name_of(result) for result in results]
    if len(names) > 1:
        names = [f"{place} of {len(names)}: {name}" for place, name in enumerate(names, start=1)]
    return render_report(form, [Named(name, result) for name, result in zip(names, results, strict=True)])


def _json(results: Sequence[AttestationResult], *, as_list: bool) -> str:
    from voltage_attest.report.json import render_json

    rendered = [render_json(result) for result in results]
    return f"[\n{','.join(rendered)}]\n" if as_list else "".join(rendered)


def _text(results: Sequence[AttestationResult], *, width: int | None = None, color: bool = False, verbose: bool = False) -> str:
    from voltage_attest.report.text import DEFAULT_WIDTH, render_text

    texts = [render_text(result, width=width or DEFAULT_WIDTH, color=color, verbose=verbose) for result in results]
    if len(texts) == 1:
        return texts[0]
    named = [f"{_name(result, place, len(texts))}\n\n{text}" for place, (result, text) in _numbered(results, texts)]
    return "\n\n".join(named)


def _verdicts(results: Sequence[AttestationResult], *, color: bool) -> str:
    from voltage_attest.report.text import render_verdict

    lines = [render_verdict(result, color=color) for result in results]
    if len(lines) > 1:
        lines = [f"{_name(result, place, len(lines))}: {line}" for place, (result, line) in _numbered(results, lines)]
    return "".join(f"{line}\n" for line in lines)


def _numbered(results: Sequence[AttestationResult], texts: Sequence[str]) -> list[tuple[int, tuple[AttestationResult, str]]]:
    return list(enumerate(zip(results, texts, strict=True), start=1))


def _name(result: AttestationResult, place: int, count: int) -> str:
    named = "" if result.subject.pod_id is None else f" ({printable(result.subject.pod_id)})"
    return f"Machine {place} of {count}{named}"


def save_bundles(attestations: Sequence[Attestation], name: str) -> None:
    """Write the bundle, whole or not at all; of several machines one each, with their number before the suffix."""
    from voltage_attest.bundles import bundle_of
    from voltage_attest.evidence.bundle import dump_bundle

    path = Path(name)
    for number, attestation in enumerate(attestations, start=1):
        target = name if len(attestations) == 1 else str(path.with_name(f"{path.stem}.{number}{path.suffix}"))
        try:
            write_output(target, dump_bundle(bundle_of(attestation)))
        except CannotUse as error:
            raise CannotUse(error.message.replace("--output:", "--save-bundle:", 1)) from None
        except ValueError as error:
            raise CannotUse(f"--save-bundle: {error}. Keep the evidence as it was received instead.") from None


def say_what_is_missing(attestations: Sequence[Attestation]) -> None:
    """Name on standard error the documents of Intel's that could not be had, and the way to them."""
    missing = dict.fromkeys(
        key for attestation in attestations if attestation.evidence.quote for key in attestation.collateral.missing()
    )
    if missing:
        click.echo(f"Missing of Intel's nine documents: {', '.join(missing)}.\n{_WHERE_TO_GET_IT}", err=True)
