"""Transcribe a dictation: audio is gated like text. The form's model is compared with [models] as a JSON body's is.

``python -m examples.gate.transcribe [FILE.wav]``; without a file, a second of silence.
"""

from __future__ import annotations

import io
import sys
import wave
from pathlib import Path

from examples.gate.clinic import MODEL, gate_of_the_clinic
from voltage_attest.openai import AttestedOpenAI


def silence() -> bytes:
    """A second of it: 16 kHz, 16 bits, one channel."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(16_000)
        recording.writeframes(bytes(32_000))
    return file.getvalue()


def main() -> None:
    """Transcribe, and print the text."""
    dictation = Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else silence()
    with gate_of_the_clinic() as gate, AttestedOpenAI(gate=gate) as client:
        print(client.audio.transcriptions.create(model=MODEL, file=("dictation.wav", dictation), language="en").text)


if __name__ == "__main__":
    main()
