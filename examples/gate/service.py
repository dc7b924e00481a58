"""A service of the clinic's own, with FastAPI: one gate and one client for all its requests, and a health check that tells.

``pip install fastapi uvicorn``, then ``uvicorn examples.gate.service:app``. The gate survives forks: with several workers each
attests for itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from examples.gate.clinic import MODEL, gate_of_the_clinic
from voltage_attest.openai import AsyncAttestedOpenAI, GateRefused


class Note(BaseModel):
    """What the ward sends."""

    text: str


class Summary(BaseModel):
    """What it gets."""

    text: str


@asynccontextmanager
async def lifespan(service: FastAPI) -> AsyncIterator[None]:
    """Open the gate with the service. Where the pod is refused, the service does not start."""
    with gate_of_the_clinic() as gate:
        await gate.open_async()
        async with AsyncAttestedOpenAI(gate=gate) as client:
            service.state.client = client
            yield


async def summarise(note: Note, request: Request) -> Summary:
    """Summarise a note. 503 while the gate is shut: the reason names no patient."""
    client: AsyncAttestedOpenAI = request.app.state.client
    try:
        answer = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": note.text}])
    except GateRefused as refusal:
        raise HTTPException(503, detail={"refused": refusal.failed_checks, "remedy": refusal.remedy}) from None
    return Summary(text=answer.choices[0].message.content or "")


async def health(request: Request) -> dict[str, bool | int]:
    """Whether the gate is open, for the load balancer."""
    status = request.app.state.client.gate.status()
    return {"open": status.is_open, "attestations": status.attestations}


app = FastAPI(lifespan=lifespan)
app.add_api_route("/summaries", summarise, methods=["POST"])
app.add_api_route("/health", health)
