"""Print an answer while it comes, and never take half of it for the whole.

``python -m examples.gate.stream``
"""

from __future__ import annotations

import sys

from examples.gate.clinic import MODEL, NOTE, gate_of_the_clinic
from voltage_attest.openai import AttestedOpenAI, StreamTruncated


def main() -> int:
    """Print word by word; say so if the end is missing, because what was printed may then mean the opposite."""
    with gate_of_the_clinic() as gate, AttestedOpenAI(gate=gate) as client:
        try:
            for chunk in client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": NOTE}], stream=True):
                if chunk.choices:
                    print(chunk.choices[0].delta.content or "", end="", flush=True)
        except StreamTruncated as truncated:
            sys.stderr.write(f"\nDISREGARD THE ABOVE. {truncated}\n")
            return 1
        print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
