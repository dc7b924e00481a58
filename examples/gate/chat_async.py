"""Several questions at once, from asyncio: one attestation holds the gate open for all of them.

``python -m examples.gate.chat_async``
"""

from __future__ import annotations

import asyncio

from examples.gate.clinic import MODEL, NOTE, gate_of_the_clinic
from voltage_attest.openai import AsyncAttestedOpenAI


async def ask(client: AsyncAttestedOpenAI, question: str) -> str:
    """One question."""
    answer = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": f"{NOTE}\n{question}"}])
    return answer.choices[0].message.content or ""


async def main() -> None:
    """Ask three questions side by side."""
    questions = ("Which dose is the limit?", "Which alternatives are there?", "What is to be monitored?")
    with gate_of_the_clinic() as gate:
        async with AsyncAttestedOpenAI(gate=gate) as client, asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(client, question)) for question in questions]
        for question, task in zip(questions, tasks, strict=True):
            print(f"{question} {task.result()}")
        print(f"attestations: {gate.status().attestations}")


if __name__ == "__main__":
    asyncio.run(main())
