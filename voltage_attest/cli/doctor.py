"""``voltage-attest doctor``: what a support engineer asks first, each answer with what to do."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click

from voltage_attest.cli.doctor_model import Level, Observation, Surroundings
from voltage_attest.cli.exits import CannotUse, Exit
from voltage_attest.cli.files import STDIN, write_output
from voltage_attest.cli.network import Network, network_options
from voltage_attest.cli.progress import fetch_progress
from voltage_attest.cli.terminal import emit, output_width, wants_color
from voltage_attest.cli.verify_inputs import DEFAULT_POLICY
from voltage_attest.cli.verify_sources import present
from voltage_attest.report.plain import Paint, hanging, one_or_many

if TYPE_CHECKING:
    from voltage_attest.policy.model import Policy

__all__ = ["doctor"]

_COLUMN: Final = 22


class _Options(Network):
    policy: str
    nvidia_base: str | None
    support_bundle: str | None


@click.command()
@click.option("--policy", metavar="FILE", default=DEFAULT_POLICY, show_default=True, help="The policy to look at.")
@network_options
@click.option("--nvidia-base", metavar="URL", help="Ask there in place of all of NVIDIA's services.")
@click.option("--support-bundle", metavar="FILE", help="Write what was seen there, without secrets, to send to whoever helps.")
def doctor(**options: Unpack[_Options]) -> int:
    """Look at everything that a verification needs: versions, clock, network, proxy, cache, policy, audit log.

    Nothing is verified, no pod is asked, no key is sent. Exit codes: 0 no problem found, 1 at least one, 2 usage.
    """
    from voltage_attest.cli.doctor_bundle import support_bundle
    from voltage_attest.cli.doctor_local import LOCAL_SIGHTS
    from voltage_attest.cli.doctor_network import see_network

    if options["support_bundle"] == STDIN:
        raise CannotUse("--support-bundle needs a file's name: standard output is for what was seen.")
    around = Surroundings(
        options["policy"], _loaded(options["policy"]), options, options["nvidia_base"], present(), dict(os.environ)
    )
    seen: list[Observation] = []
    with fetch_progress() as progress:
        for see in (*LOCAL_SIGHTS, see_network):
            if progress is not None:
                progress("doctor", see.__name__.removeprefix("see_").replace("_", " "))
            seen += see(around)
    problems = sum(observation.level is Level.PROBLEM for observation in seen)
    emit("".join(f"{line}\n" for observation in seen for line in _lines(observation)))
    emit(f"{one_or_many(problems, 'problem')} found.\n" if problems else "No problem found.\n")
    if options["support_bundle"] is not None:
        text = support_bundle(seen, now=around.now, environment=around.environment, home=Path.home(), names=_names())
        try:
            write_output(options["support_bundle"], text)
        except CannotUse as error:
            raise CannotUse(error.message.replace("--output:", "--support-bundle:", 1)) from None
        emit(f"Written to {options['support_bundle']}. Read it before you send it.\n")
    return Exit.REFUSED if problems else Exit.VERIFIED


def _loaded(name: str) -> Policy | None:
    from voltage_attest.errors import PolicyError
    from voltage_attest.policy.load import load_policy

    try:
        return load_policy(Path(name))
    except PolicyError:
        return None


def _lines(seen: Observation) -> list[str]:
    paint = Paint(wants_color(sys.stdout, os.environ))
    paints = {Level.GOOD: paint.good, Level.NOTE: paint.loud, Level.PROBLEM: paint.bad}
    word, width = seen.level.value, output_width(sys.stdout)
    first, *rest = hanging(f"{word:<9} {seen.area}", seen.text, _COLUMN, width)
    remedy = hanging("", f"What to do: {seen.remedy}", _COLUMN, width) if seen.remedy and seen.level is not Level.GOOD else []
    return [first.replace(word, paints[seen.level](word), 1), *rest, *remedy]


def _names() -> tuple[str, ...]:
    """What this machine and its user are called."""
    found = [socket.gethostname(), socket.gethostname().partition(".")[0]]
    with contextlib.suppress(OSError, KeyError, ImportError):
        found.append(getpass.getuser())
    return tuple(name for name in found if len(name) > 1)
