"""Ask a model about a patient, after its machine has proven what it is.

``python -m examples.gate.chat``
"""

from __future__ import annotations

import sys

from examples.gate.clinic import MODEL, NOTE, gate_of_the_clinic
from voltage_attest.openai import AttestedOpenAI, GateRefused


def main() -> int:
    """Ask, and print the answer; nothing has left this program if the gate refuses."""
    with gate_of_the_clinic() as gate, AttestedOpenAI(gate=gate) as client:
        try:
            answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": NOTE}])
        except GateRefused as refusal:
            sys.stderr.write(f"Nothing was sent. {refusal}\n")
            return 1
        print(answer.choices[0].message.content)
        assert gate.result is not None
        print(f"proven by evidence {gate.result.evidence[0].sha256[:16]}... under policy {gate.policy.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
