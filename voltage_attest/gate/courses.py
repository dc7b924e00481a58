"""Courses: what is waited for, written once, and driven by threads and tasks alike.

A course yields futures of attestations and is sent what came of each: None, or why it opened nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from concurrent.futures import Future
from typing import TypeVar

from voltage_attest.gate.model import Refusal

__all__ = ["Course", "Waiting", "drive", "drive_async", "settled"]

Waiting = Future[Refusal | None]
Found = TypeVar("Found")
Course = Generator[Waiting, Refusal | None, Found]


def drive(course: Course[Found]) -> Found:
    """Wait as the course asks, in this thread."""
    try:
        waiting = next(course)
        while True:
            waiting = course.send(waiting.result())
    except StopIteration as end:
        found: Found = end.value
        return found


async def drive_async(course: Course[Found]) -> Found:
    """Wait as the course asks, in this task; it may be cancelled without harm to others who wait."""
    try:
        waiting = next(course)
        while True:
            waiting = course.send(await asyncio.wrap_future(waiting))
    except StopIteration as end:
        found: Found = end.value
        return found


def settled() -> Waiting:
    """A future that needs no waiting."""
    future: Waiting = Future()
    future.set_result(None)
    return future
