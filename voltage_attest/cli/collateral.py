"""``voltage-attest collateral``: what Intel and NVIDIA publish: fetched, kept, listed, exported for where no network is."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, ParamSpec, TypedDict, Unpack

import click

from voltage_attest.cli.collateral_nvidia import (
    NvidiaOptions,
    fetch_nvidia,
    make_nvidia_service,
    names_nvidia,
    nvidia_options,
)
from voltage_attest.cli.collateral_rows import entry_row, is_current, missing_row, source_row
from voltage_attest.cli.exits import CannotUse, Exit
from voltage_attest.cli.files import STDIN, read_input, write_output
from voltage_attest.cli.progress import fetch_progress
from voltage_attest.cli.terminal import emit
from voltage_attest.report.plain import printable

if TYPE_CHECKING:
    from voltage_attest.collateral.nvidia_fetched import FetchedNvidia, NvidiaSource
    from voltage_attest.collateral.service import CollateralRequest, DocumentSource, FetchedCollateral

__all__ = ["collateral"]

Arguments = ParamSpec("Arguments")

_FMSPC: Final = re.compile(r"[0-9a-fA-F]{12}")


class _Connection(TypedDict):
    """How the network is used."""

    tls_ca: str | None
    proxy: str | None
    offline: bool
    quiet: bool


class _Platform(_Connection):
    """What :func:`_platform_options` adds to a command."""

    quote: str | None
    fmspc: str | None
    ca: str | None
    pccs: tuple[str, ...]
    update: str | None
    tcb_evaluation_data_number: int | None


class _Options(_Platform, NvidiaOptions):
    """All documents that a command may be asked for."""


@click.group()
def collateral() -> None:
    """Fetch, show and export what Intel publishes about a platform, and NVIDIA about GPUs.

    Documents are kept in a cache of your own and used until they end. Nothing is verified here: `verify` does that, at
    every use. Exit codes: 0 done, 2 usage, 3 a document could not be had.
    """


def _platform_options(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """The options that say for which platform, from where and which issue."""
    options = (
        click.option("--quote", metavar="FILE", help="Take FMSPC and CA from this TDX quote: raw, hex or base64."),
        click.option("--fmspc", metavar="HEX", help="The platform family, 12 hex digits; `inspect QUOTE` shows it."),
        click.option("--ca", type=click.Choice(["platform", "processor"]), help="With --fmspc.  [default: platform]"),
        click.option("--pccs", metavar="URL", multiple=True, help="Ask there, in this order.  [default: Intel PCS]"),
        click.option("--tls-ca", metavar="FILE", help="PEM file of CAs trusted for TLS besides the public ones."),
        click.option("--proxy", metavar="URL", help="HTTP proxy. The environment's is not used."),
        click.option("--update", type=click.Choice(["standard", "early"]), help="Which issue.  [default: standard]"),
        click.option("--tcb-evaluation-data-number", metavar="N", type=click.IntRange(1, 0xFFFFFFFF), help="This very issue."),
        click.option("--offline", is_flag=True, help="Use the cache alone, never the network."),
        click.option("-q", "--quiet", is_flag=True, help="Show no progress."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


@collateral.command()
@_platform_options
@nvidia_options
def fetch(**options: Unpack[_Options]) -> int:
    """Fetch documents into the cache, and list them: Intel's for a platform, NVIDIA's for GPUs, or both.

    What the cache holds and has not ended is not asked for again. Exit codes: 0 all are there and current, 2 usage,
    3 one could not be had or is not current.
    """
    now = datetime.now(UTC)
    intel = _fetch_intel(options, now) if _names_platform(options) or not names_nvidia(options) else None
    nvidia = _fetch_nvidia(options, now) if names_nvidia(options) else None
    sources: list[DocumentSource | NvidiaSource] = [*(intel.sources if intel else ()), *(nvidia.sources if nvidia else ())]
    missing = [*_intel_failures(intel), *_nvidia_failures(nvidia)]
    emit("".join([*[source_row(source, now) for source in sources], *missing]))
    return Exit.UNDECIDED if missing or not all(is_current(source, now) for source in sources) else Exit.VERIFIED


@collateral.command()
@_platform_options
@click.option("--rim", metavar="ID", help="Instead: NVIDIA's manifest of that id, for `verify --rim`.")
@click.option("--jwks", is_flag=True, help="Instead: the keys of NVIDIA's attestation service.")
@click.option("--nvidia", metavar="URL", help="Ask there.  [default: NVIDIA's own services]")
@click.option("-o", "--output", metavar="FILE", required=True, help="Write the document there, whole or not at all.")
def export(*, output: str, rim: str | None, jwks: bool, nvidia: str | None, **options: Unpack[_Platform]) -> int:
    """Write documents into one file, for where there is no network: Intel's for a platform, or one of NVIDIA's.

    FILE is Intel's nine-key JSON for `verify --collateral`, or NVIDIA's document as it is signed, and may be - for standard
    output. OCSP answers and CRLs travel in a bundle (`verify --save-bundle`). Exit codes: 0 written, 2 usage, 3 a document
    could not be had: then nothing is written.
    """
    now, choices = datetime.now(UTC), (rim is not None, jwks, _names_platform(options))
    if sum(choices) > 1:
        raise click.UsageError("One file holds one thing: a platform's documents, or one --rim, or --jwks.")
    if rim is None and not jwks:
        intel = _fetch_intel(options, now)
        text, missing = _nine_keys(intel), _intel_failures(intel)
    else:
        asked: NvidiaOptions = {"gpu_evidence": None, "rim": () if rim is None else (rim,), "jwks": jwks, "nvidia": nvidia}
        found = _fetch_nvidia({**options, **asked}, now)
        text, missing = _nvidia_text(found), _nvidia_failures(found)
    if missing:
        click.echo("".join([*missing, "Nothing was written."]), err=True)
        return Exit.UNDECIDED
    if output == STDIN:
        emit(text)
    else:
        write_output(output, text)
    return Exit.VERIFIED


@collateral.command("list")
def list_() -> int:
    """List what is in the cache."""
    from voltage_attest.collateral.cache import CollateralCache
    from voltage_attest.collateral.cache_upkeep import list_cache

    cache = CollateralCache.for_user()
    entries = list_cache(cache, now=datetime.now(UTC), warn=_warn)
    emit("".join([f"{cache.directory}: {_count(len(entries), 'document')}\n", *sorted(map(entry_row, entries))]))
    return Exit.VERIFIED


@collateral.command()
def prune() -> int:
    """Remove from the cache what has ended, what cannot be read, and what killed programs left behind."""
    from voltage_attest.collateral.cache import CollateralCache
    from voltage_attest.collateral.cache_upkeep import prune_cache

    cache = CollateralCache.for_user()
    pruned = prune_cache(cache, now=datetime.now(UTC), warn=_warn)
    removed = f"{_count(len(pruned.entries), 'document')} and {_count(pruned.leftovers, 'unfinished file')} removed"
    emit("".join([f"{cache.directory}: {removed}\n", *sorted(map(entry_row, pruned.entries))]))
    return Exit.VERIFIED


def _names_platform(options: _Platform) -> bool:
    return options["quote"] is not None or options["fmspc"] is not None


def _fetch_intel(options: _Platform, now: datetime) -> FetchedCollateral:
    """Turn options into a request, and do it; CannotUse for what cannot be asked for."""
    from voltage_attest.collateral.cache import CollateralCache
    from voltage_attest.collateral.service import CollateralService, pccs_endpoint

    request = _request(options)
    with _usable_connection():
        service = CollateralService(
            [pccs_endpoint(url) for url in options["pccs"]],
            cache=CollateralCache.for_user(),
            offline=options["offline"],
            tls_ca=options["tls_ca"],
            proxy=options["proxy"],
        )
        with fetch_progress(quiet=options["quiet"]) as progress:
            fetched = service.fetch(request, now=now, progress=progress)
    for warning in fetched.warnings:
        _warn(warning)
    return fetched


def _fetch_nvidia(options: _Options, now: datetime) -> FetchedNvidia:
    """As :func:`_fetch_intel`, for NVIDIA's documents."""
    with _usable_connection():
        service = make_nvidia_service(
            options["nvidia"], offline=options["offline"], tls_ca=options["tls_ca"], proxy=options["proxy"]
        )
        with fetch_progress(quiet=options["quiet"]) as progress:
            fetched = fetch_nvidia(service, options, now, progress)
    for warning in fetched.warnings:
        _warn(warning)
    return fetched


@contextmanager
def _usable_connection() -> Iterator[None]:
    """CannotUse where an address or the CA file cannot be used."""
    from voltage_attest.errors import TrustRootError

    try:
        yield
    except TrustRootError as error:
        raise CannotUse(f"--tls-ca: {error}") from None
    except ValueError as error:
        raise CannotUse(str(error)) from None


def _intel_failures(fetched: FetchedCollateral | None) -> list[str]:
    return [] if fetched is None else [missing_row(failure.kind, str(failure.error)) for failure in fetched.failures]


def _nvidia_failures(fetched: FetchedNvidia | None) -> list[str]:
    return [] if fetched is None else [missing_row(failure.kind, failure.reason) for failure in fetched.failures]


def _nine_keys(fetched: FetchedCollateral) -> str:
    from voltage_attest.collateral.pcs import KEYS_OF

    documents = {key: getattr(fetched.collateral, key) for keys in KEYS_OF.values() for key in keys}
    return f"{json.dumps(documents, indent=1)}\n"


def _nvidia_text(fetched: FetchedNvidia) -> str:
    """The one document, as it is signed."""
    documents = [*[rim.data for rim in fetched.collateral.rims], *fetched.collateral.jwks]
    try:
        return documents[0].decode("utf-8") if documents else ""
    except UnicodeDecodeError:
        raise CannotUse("the document is not UTF-8; expected XML or JSON in it. Ask NVIDIA for another one.") from None


def _request(options: _Platform) -> CollateralRequest:
    from voltage_attest.collateral.service import CollateralRequest

    update, number = options["update"], options["tcb_evaluation_data_number"]
    if update is not None and number is not None:
        raise click.UsageError("--update and --tcb-evaluation-data-number exclude each other, as they do at Intel's.")
    fmspc, ca = _platform(options)
    return CollateralRequest(fmspc, ca, update or "standard", number)


def _platform(options: _Platform) -> tuple[bytes, str]:
    """(FMSPC, CA), from the quote or as given."""
    quote, fmspc, ca = options["quote"], options["fmspc"], options["ca"]
    if (quote is None) == (fmspc is None):
        raise click.UsageError(
            "Name the platform by --quote FILE or by --fmspc HEX, one of the two, or a document of NVIDIA's instead."
        )
    if quote is not None and ca is not None:
        raise click.UsageError("--ca goes with --fmspc; a quote says itself which CA certified its platform.")
    if quote is not None:
        return _platform_of(quote)
    if fmspc is None or not _FMSPC.fullmatch(fmspc):
        raise CannotUse(f"--fmspc: {fmspc!r} is no FMSPC; expected 12 hex digits. `voltage-attest inspect QUOTE` shows it.")
    return bytes.fromhex(fmspc), ca or "platform"


def _platform_of(name: str) -> tuple[bytes, str]:
    from voltage_attest.errors import InputError
    from voltage_attest.evidence.encoding import decode_quote_bytes
    from voltage_attest.evidence.quote import parse_quote
    from voltage_attest.verify.platform import name_platform

    try:
        platform = name_platform(parse_quote(decode_quote_bytes(read_input(name, "--quote"))))
    except InputError as error:
        raise CannotUse(f"--quote: {error}") from None
    if platform is None:
        raise CannotUse(
            "--quote: the quote carries no readable PCK certificate chain; expected one by Intel's Platform or Processor CA. "
            "Name the platform by --fmspc and --ca instead."
        )
    return platform.fmspc, platform.ca


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _warn(text: str) -> None:
    click.echo(f"warning: {printable(text)}", err=True)
