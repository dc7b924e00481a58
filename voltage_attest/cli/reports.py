"""Reports in files: which form each has, and how one of a thousand results is written with the memory of one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TextIO

import click

from voltage_attest.cli.files import STDIN, write_output
from voltage_attest.report.plain import printable

if TYPE_CHECKING:
    from voltage_attest.many import Judged
    from voltage_attest.report.entries import Brief
    from voltage_attest.report.formats import Format

__all__ = ["FORMAT_NAMES", "Output", "Rendered", "Rendering", "Reports", "outputs_of"]

FORMAT_NAMES: Final = ("text", "json", "junit", "sarif", "github", "html", "markdown")
"""Those of :data:`~voltage_attest.report.formats.FORMATS`, which is loaded when something is written."""

_CHUNK: Final = 1 << 16
_IN_MEMORY: Final = 1 << 20


class Output(NamedTuple):
    """A file to write, ``-`` for standard output, and its form."""

    form: str
    file: str


def outputs_of(texts: Sequence[str], form: str | None) -> list[Output]:
    """Each ``FILE`` or ``FORM=FILE``: the form is the one that is named, else its suffix's, else ``form``, else text.

    A usage error where two reports would go to one file.
    """
    from voltage_attest.report.formats import format_of_suffix

    found = []
    for text in texts:
        named, separator, file = text.partition("=")
        if separator and named in FORMAT_NAMES:
            found.append(Output(named, file))
        else:
            found.append(Output(format_of_suffix(Path(text).suffix) or form or "text", text))
    files = [output.file for output in found]
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        raise click.UsageError(f"-o names {printable(twice)} twice; expected a file for each report. Give one another name.")
    return found


@dataclass(frozen=True, slots=True)
class Rendered:
    """One result as it goes into the reports: what the heads say of it, its entry by form, and what is to be said of it."""

    brief: Brief
    entries: Mapping[str, str]
    warnings: tuple[str, ...]
    ending: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rendering:
    """Makes a :class:`Rendered` of what was judged; done by the workers, for it takes longer than judging."""

    forms: tuple[str, ...]
    total: int
    warn_within: timedelta

    def __call__(self, judged: Judged) -> Rendered:
        """Render it in every form."""
        from voltage_attest.report.entries import Named, brief_of
        from voltage_attest.report.expiring import expiring_of
        from voltage_attest.report.formats import FORMATS

        named = Named(judged.item.name, judged.result)
        entries = {form: FORMATS[form].entry(named, self.total) for form in self.forms}
        return Rendered(brief_of(named), entries, judged.warnings, tuple(expiring_of(judged.result, self.warn_within)))


class Reports:
    """Writes every result into every report as it comes, and each report to its file at the end, whole or not at all.

    Of a result that was written, its brief is all that is kept.
    """

    def __init__(self, outputs: Sequence[Output], emit: Callable[[str], None]) -> None:
        self.briefs: list[Brief] = []
        self._emit, self._stack = emit, ExitStack()
        self._outputs = outputs
        self._spools: list[_Spool] = []

    def __enter__(self) -> Self:
        from voltage_attest.report.formats import FORMATS

        for output in self._outputs:
            file = self._stack.enter_context(
                tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", errors="surrogatepass", newline="")
            )
            self._spools.append(_Spool(output, FORMATS[output.form], file))  # type: ignore[arg-type] # a TextIO in all but name
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stack.close()

    def add(self, rendered: Rendered) -> None:
        """Write one result."""
        self.briefs.append(rendered.brief)
        for spool in self._spools:
            spool.add(rendered.entries[spool.output.form])

    def finish(self) -> None:
        """Write the files; :class:`CannotUse` where one cannot be written. Standard output comes last."""
        for spool in sorted(self._spools, key=lambda spool: spool.output.file == STDIN):
            pieces = spool.pieces(self.briefs)
            if spool.output.file == STDIN:
                for piece in pieces:
                    self._emit(piece)
            else:
                write_output(spool.output.file, pieces)


class _Spool:
    """One report in the making: its entries lie in a temporary file once they are many."""

    def __init__(self, output: Output, form: Format, file: TextIO) -> None:
        self.output = output
        self._form, self._file, self._is_empty = form, file, True

    def add(self, entry: str) -> None:
        """Write the entry, if there is one."""
        if entry:
            self._file.write(entry if self._is_empty else self._form.separator + entry)
            self._is_empty = False

    def pieces(self, briefs: Sequence[Brief]) -> Iterator[str]:
        """The whole report, piece by piece."""
        head, tail = self._form.frame(briefs)
        yield head
        self._file.seek(0)
        while piece := self._file.read(_CHUNK):
            yield piece
        yield tail
