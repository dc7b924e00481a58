"""Our errors as the SDK's own: it passes them on as they are, and neither retries nor renames them."""

from __future__ import annotations

import openai

from voltage_attest import errors

__all__ = ["GateRefused", "StreamTruncated", "of_sdk", "truncated_of_sdk"]


class GateRefused(errors.GateRefused, openai.OpenAIError):
    """The gate let no request pass. ``result`` holds every check, ``failed_checks`` the ids of those that shut it."""


class StreamTruncated(errors.StreamTruncated, openai.OpenAIError):
    """A streamed answer ended without its terminator. What was received may mean the opposite of the whole."""


def of_sdk(error: errors.GateRefused) -> GateRefused:
    """The same refusal, for callers of the SDK."""
    return GateRefused(error.found, expected=error.expected, remedy=error.remedy, result=error.result)


def truncated_of_sdk(error: errors.StreamTruncated) -> StreamTruncated:
    """The same truncation, for callers of the SDK."""
    return StreamTruncated(error.wanted, happened=error.happened, remedy=error.remedy)
