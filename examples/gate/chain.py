"""LangChain on gated clients.

``pip install langchain-openai``, then ``python -m examples.gate.chain``
"""

from __future__ import annotations

import asyncio
import os

from examples.gate.clinic import MODEL, NOTE, gate_of_the_clinic
from voltage_attest.gate import AttestationGate
from voltage_attest.openai import AsyncAttestedOpenAI, AttestedOpenAI

os.environ["LANGSMITH_TRACING"] = os.environ["LANGCHAIN_TRACING_V2"] = "false"  # a trace is a copy of the note, sent elsewhere

from langchain_core.prompts import ChatPromptTemplate  # it reads these variables
from langchain_openai import ChatOpenAI


def attested_model(gate: AttestationGate) -> ChatOpenAI:
    """A chat model of LangChain that sends through the gate.

    All four clients are given: for each that is missing LangChain makes one of its own, which nothing gates.
    """
    client, async_client = AttestedOpenAI(gate=gate), AsyncAttestedOpenAI(gate=gate)
    return ChatOpenAI(
        model=MODEL,
        api_key="not used",
        client=client.chat.completions,
        root_client=client,
        async_client=async_client.chat.completions,
        root_async_client=async_client,
    )


async def main() -> None:
    """Run the chain in both ways, and stream it."""
    prompt = ChatPromptTemplate.from_messages([("system", "Answer in one sentence."), ("user", "{note}")])
    with gate_of_the_clinic() as gate:
        model = attested_model(gate)
        chain = prompt | model
        print(chain.invoke({"note": NOTE}).content)
        print((await chain.ainvoke({"note": NOTE})).content)
        print("".join([str(chunk.content) async for chunk in chain.astream({"note": NOTE})]))
        model.root_client.close()
        await model.root_async_client.close()


if __name__ == "__main__":
    asyncio.run(main())
