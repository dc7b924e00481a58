"""Summarise a folder of notes, eight at a time, with a progress bar; what fails is named and the rest goes on.

``python -m examples.gate.notes [FOLDER]``; without a folder, twenty notes are made up. Summaries go to standard output as JSON
lines, the progress bar to standard error.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

import openai
from rich.console import Console
from rich.progress import Progress

from examples.gate.clinic import MODEL, NOTE, gate_of_the_clinic
from voltage_attest.openai import AsyncAttestedOpenAI, GateRefused

AT_ONCE: Final = 8


def notes() -> dict[str, str]:
    """The notes, by name."""
    if len(sys.argv) > 1:
        return {path.name: path.read_text("utf-8") for path in sorted(Path(sys.argv[1]).glob("*.txt"))}
    return {f"note-{number:02}.txt": f"{number}: {NOTE}" for number in range(1, 21)}


async def summarise(client: AsyncAttestedOpenAI, name: str, note: str, places: asyncio.Semaphore) -> bool:
    """Print the summary of one note; True if it was had. A refusal ends everything: the next note would fare no better."""
    messages = [{"role": "system", "content": "Summarise in one sentence."}, {"role": "user", "content": note}]
    async with places:
        try:
            answer = await client.chat.completions.create(model=MODEL, messages=messages)  # type: ignore[arg-type]
        except GateRefused:
            raise
        except openai.OpenAIError as error:
            sys.stderr.write(f"{name}: {error}\n")
            return False
    print(json.dumps({"note": name, "summary": answer.choices[0].message.content}))
    return True


async def main() -> int:
    """Summarise all, and count what failed."""
    failed = 0
    places = asyncio.Semaphore(AT_ONCE)
    with gate_of_the_clinic() as gate, Progress(console=Console(stderr=True)) as progress:
        async with AsyncAttestedOpenAI(gate=gate) as client:
            await gate.open_async()  # attest before the first note, so that a refusal is told before any work is begun
            work = [summarise(client, name, note, places) for name, note in notes().items()]
            bar = progress.add_task("Notes", total=len(work))
            for done in asyncio.as_completed(work):
                failed += not await done
                progress.advance(bar)
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
