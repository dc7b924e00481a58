"""``voltage-attest collateral``: Intel's documents for a platform: fetched, kept, listed, exported for where no network is."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, ParamSpec, TypedDict, Unpack

import click

from voltage_attest.cli.exits import CannotUse, Exit
from voltage_attest.cli.files import STDIN, read_input, write_output
from voltage_attest.cli.progress import fetch_progress
from voltage_attest.cli.terminal import emit
from voltage_attest.report.plain import printable

if TYPE_CHECKING:
    from voltage_attest.collateral.cache_upkeep import CacheEntry
    from voltage_attest.collateral.service import CollateralRequest, DocumentFailure, DocumentSource, FetchedCollateral

__all__ = ["collateral"]

Arguments = ParamSpec("Arguments")

_FMSPC: Final = re.compile(r"[0-9a-fA-F]{12}")
_KIND_WIDTH: Final = 14


class _Options(TypedDict):
    """What :func:`_which_documents` adds to a command."""

    quote: str | None
    fmspc: str | None
    ca: str | None
    pccs: tuple[str, ...]
    tls_ca: str | None
    proxy: str | None
    update: str | None
    tcb_evaluation_data_number: int | None
    offline: bool
    quiet: bool


@click.group()
def collateral() -> None:
    """Fetch, show and export what Intel publishes about a platform.

    Documents are kept in a cache of your own and used until they end. Nothing is verified here: `verify` does that, at
    every use. Exit codes: 0 done, 2 usage, 3 a document could not be had.
    """


def _which_documents(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
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
@_which_documents
def fetch(**options: Unpack[_Options]) -> int:
    """Fetch the documents for a platform into the cache, and list them.

    What the cache holds and has not ended is not asked for again. Exit codes: 0 all four are there and current, 2 usage,
    3 one could not be had or is not current.
    """
    now = datetime.now(UTC)
    fetched = _fetch(options, now)
    rows = [_source_row(source, now) for source in fetched.sources]
    emit("".join([*rows, *map(_failure_row, fetched.failures)]))
    current = all(_is_current(source, now) for source in fetched.sources)
    return Exit.VERIFIED if fetched.is_complete and current else Exit.UNDECIDED


@collateral.command()
@_which_documents
@click.option("-o", "--output", metavar="FILE", required=True, help="Write the nine-key JSON there, whole or not at all.")
def export(*, output: str, **options: Unpack[_Options]) -> int:
    """Write the documents for a platform into one file, for `verify --collateral` where there is no network.

    FILE is Intel's nine-key JSON, and may be - for standard output. Exit codes: 0 written, 2 usage, 3 a document could not be
    had: then nothing is written.
    """
    from voltage_attest.collateral.pcs import KEYS_OF

    fetched = _fetch(options, datetime.now(UTC))
    if not fetched.is_complete:
        click.echo("".join([*map(_failure_row, fetched.failures), "Nothing was written."]), err=True)
        return Exit.UNDECIDED
    documents = {key: getattr(fetched.collateral, key) for keys in KEYS_OF.values() for key in keys}
    text = f"{json.dumps(documents, indent=1)}\n"
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
    emit("".join([f"{cache.directory}: {_count(len(entries), 'document')}\n", *sorted(map(_entry_row, entries))]))
    return Exit.VERIFIED


@collateral.command()
def prune() -> int:
    """Remove from the cache what has ended, what cannot be read, and what killed programs left behind."""
    from voltage_attest.collateral.cache import CollateralCache
    from voltage_attest.collateral.cache_upkeep import prune_cache

    cache = CollateralCache.for_user()
    pruned = prune_cache(cache, now=datetime.now(UTC), warn=_warn)
    removed = f"{_count(len(pruned.entries), 'document')} and {_count(pruned.leftovers, 'unfinished file')} removed"
    emit("".join([f"{cache.directory}: {removed}\n", *sorted(map(_entry_row, pruned.entries))]))
    return Exit.VERIFIED


def _fetch(options: _Options, now: datetime) -> FetchedCollateral:
    """Turn options into a request, and do it; CannotUse for what cannot be asked for."""
    from voltage_attest.collateral.cache import CollateralCache
    from voltage_attest.collateral.service import CollateralService, pccs_endpoint
    from voltage_attest.errors import TrustRootError

    request = _request(options)
    try:
        service = CollateralService(
            [pccs_endpoint(url) for url in options["pccs"]],
            cache=CollateralCache.for_user(),
            offline=options["offline"],
            tls_ca=options["tls_ca"],
            proxy=options["proxy"],
        )
        with fetch_progress(quiet=options["quiet"]) as progress:
            fetched = service.fetch(request, now=now, progress=progress)
    except TrustRootError as error:
        raise CannotUse(f"--tls-ca: {error}") from None
    except ValueError as error:
        raise CannotUse(str(error)) from None
    for warning in fetched.warnings:
        _warn(warning)
    return fetched


def _request(options: _Options) -> CollateralRequest:
    from voltage_attest.collateral.service import CollateralRequest

    update, number = options["update"], options["tcb_evaluation_data_number"]
    if update is not None and number is not None:
        raise click.UsageError("--update and --tcb-evaluation-data-number exclude each other, as they do at Intel's.")
    fmspc, ca = _platform(options)
    return CollateralRequest(fmspc, ca, update or "standard", number)


def _platform(options: _Options) -> tuple[bytes, str]:
    """(FMSPC, CA), from the quote or as given."""
    quote, fmspc, ca = options["quote"], options["fmspc"], options["ca"]
    if (quote is None) == (fmspc is None):
        raise click.UsageError("Name the platform by --quote FILE or by --fmspc HEX, one of the two.")
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


def _is_current(source: DocumentSource, now: datetime) -> bool:
    return source.issued is not None and source.next_update is not None and source.issued <= now <= source.next_update


def _source_row(source: DocumentSource, now: datetime) -> str:
    state = "NOT CURRENT" if not _is_current(source, now) else "cached" if source.from_cache else "fetched"
    return _row(source.kind, state, _window(source.issued, source.next_update), source.url)


def _failure_row(failure: DocumentFailure) -> str:
    return f"{failure.kind:{_KIND_WIDTH}}  MISSING      {printable(str(failure.error))}\n"


def _entry_row(entry: CacheEntry) -> str:
    return _row(entry.kind or "?", entry.state, _window(entry.issued, entry.next_update), entry.url or entry.path.name)


def _window(issued: datetime | None, next_update: datetime | None) -> str:
    if issued is None or next_update is None:
        return ""
    return f"{issued:%Y-%m-%d %H:%M} to {next_update:%Y-%m-%d %H:%M}Z"


def _row(kind: str, state: str, window: str, origin: str) -> str:
    return f"{kind:{_KIND_WIDTH}}  {state:13}{window:37}  {printable(origin)}\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _warn(text: str) -> None:
    click.echo(f"warning: {printable(text)}", err=True)
