"""The images of a compose document: read where they can be told for certain, refused wherever one could hide."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from tests.event_log.logs import near, needs_vectors
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.compose import MAX_COMPOSE_SIZE, Compose, ServiceImage, parse_compose

DIGEST = "ab" * 32
PINNED = f"alpine@sha256:{DIGEST}"
PLAIN = f"""\
# a comment
version: "3.8"
services:
  web:   # another
    image: {PINNED}
    command: ["sh", "-c", 'echo: "hello"']
    environment:
    - A=b
    - "C=d: e"
    healthcheck: {{test: ["CMD", "true"], interval: 5s}}
    labels:
      note: |
        image: not-an-image
          "not closed
      more: >-
        [ folded
  db:
    image: "docker.io/library/postgres:16@sha256:{DIGEST}"
configs:
  script:
    content: |

      {{{{ template }}}}
      services:
volumes:
  data:
"""


def document(compose: str, **members: object) -> bytes:
    return json.dumps({"manifest_version": 2, "runner": "docker-compose", "docker_compose_file": compose} | members).encode()


def images(compose: str) -> tuple[ServiceImage, ...]:
    return parse_compose(document(compose)).images


def refusal(data: bytes) -> str:
    with pytest.raises(EvidenceFormatError) as raised:
        parse_compose(data)
    assert raised.value.remedy
    return str(raised.value)


def test_images_are_read_past_comments_quotes_and_block_scalars() -> None:
    assert images(PLAIN) == (
        ServiceImage("web", PINNED, bytes.fromhex(DIGEST)),
        ServiceImage("db", f"docker.io/library/postgres:16@sha256:{DIGEST}", bytes.fromhex(DIGEST)),
    )
    assert images("---\n" + PLAIN.replace("\n", "\r\n")) == images(PLAIN)


def test_the_document_says_what_else_runs() -> None:
    assert parse_compose(document(PLAIN, name="ward", pre_launch_script="echo")) == Compose(
        "ward", images(PLAIN), pre_launch_script=True
    )
    assert not parse_compose(document(PLAIN, pre_launch_script=" ")).pre_launch_script


@pytest.mark.parametrize("name", ["alpine", "alpine:3.20", "ghcr.io/a/b:latest", "'alpine'"])
def test_an_image_by_name_has_no_digest(name: str) -> None:
    (image,) = images(f"services:\n  a:\n    image: {name}\n")
    assert (image.reference, image.digest) == (name.strip("'"), None)


@pytest.mark.parametrize(
    ("compose", "words"),
    {
        "build": (f"services:\n  a:\n    image: {PINNED}\n    build: .\n", "'build'"),
        "extends": (f"services:\n  a:\n    image: {PINNED}\n    extends: b\n", "'extends'"),
        "include": (f"include: [other.yml]\nservices:\n  a:\n    image: {PINNED}\n", "'include'"),
        "models": (f"models:\n  m:\n    model: x\nservices:\n  a:\n    image: {PINNED}\n", "'models'"),
        "no image": ("services:\n  a:\n    command: x\n", "without an image"),
        "no services": ("version: '3'\n", "without services"),
        "empty": ("", "without services"),
        "services on one line": (f"services: {{a: {{image: {PINNED}}}}}\n", "without services"),
        "service on one line": (f"services:\n  a: {{image: {PINNED}}}\n", "with a value on its line"),
        "anchor": (f"services:\n  a: &x\n    image: {PINNED}\n", "with a value on its line"),
        "alias": (f"services:\n  a:\n    image: {PINNED}\n  b: *a\n", "with a value on its line"),
        "merge": (f"x-a: &a\n  image: evil\nservices:\n  b:\n    <<: *a\n    image: {PINNED}\n", "no plain key"),
        "variable": ("services:\n  a:\n    image: ${IMAGE}\n", "no plain name"),
        "variable digest": ("services:\n  a:\n    image: alpine@sha256:$DIGEST\n", "no plain name"),
        "short digest": ("services:\n  a:\n    image: alpine@sha256:abcd\n", "no plain name"),
        "image twice": (f"services:\n  a:\n    image: {PINNED}\n    image: evil\n", "twice"),
        "image twice, quoted": (f'services:\n  a:\n    image: {PINNED}\n    "image": evil\n', "twice"),
        "service twice": (f"services:\n  a:\n    image: {PINNED}\n  a:\n    image: evil\n", "twice"),
        "services twice": (f"services:\n  a:\n    image: {PINNED}\nservices:\n  a:\n    image: evil\n", "twice"),
        "escaped key": (f'services:\n  a:\n    image: {PINNED}\n    "im\\x61ge": evil\n', "goes on"),
        "complex key": (f"services:\n  a:\n    image: {PINNED}\n    ? image\n    : evil\n", "begins with '?'"),
        "image over two lines": (f"services:\n  a:\n    image: {PINNED}\n      x\n", "no plain name"),
        "image in a block": (f"services:\n  a:\n    image: >\n      {PINNED}\n", "no plain name"),
        "sequence of services": (f"services:\n- image: {PINNED}\n", "no plain key"),
        "quotes over lines": (
            f'services:\n  a:\n    image: {PINNED}\n    x: "\n  b:\n    image: {PINNED}\n    y: "\n',
            "goes on",
        ),
        "brackets over lines": (f"services:\n  a:\n    image: {PINNED}\n    x: [\n    ]\n", "goes on"),
        "quotes on the next line": (f'services:\n  a:\n    image: {PINNED}\n    x:\n      "y\n', "goes on"),
        "brackets with odd quotes": (f"services:\n  a:\n    image: {PINNED}\n    x: [it's]\n", "goes on"),
        "item with quotes over lines": (f'services:\n  a:\n    image: {PINNED}\n    x:\n      - "y\n', "goes on"),
        "tab": (f"services:\n  a:\n    image: {PINNED}\n\tb:\n", "a tab"),
        "next line": (f"services:\n  a:\n    image: {PINNED}\u0085    image: evil\n", "exotic line break"),
        "line separator": (f"services:\n  a:\n    x: y\u2028    image: evil\n    image: {PINNED}\n", "exotic line break"),
        "lone carriage return": (f"services:\n  a:\n    image: {PINNED}\r    image: evil\n", "exotic line break"),
        "image volume": (
            f"services:\n  a:\n    image: {PINNED}\n    volumes:\n      - type: image\n        source: evil\n",
            "as a volume",
        ),
        "image volume in brackets": (
            f'services:\n  a:\n    image: {PINNED}\n    volumes: [{{"type": "image", "source": "evil"}}]\n',
            "as a volume",
        ),
        "second document": (f"services:\n  a:\n    image: {PINNED}\n---\nservices:\n  a:\n    image: evil\n", "no plain key"),
        "directive": (f"%YAML 1.1\n---\nservices:\n  a:\n    image: {PINNED}\n", "begins with '%'"),
        "dedent": (f"services:\n    a:\n      image: {PINNED}\n  b:\n    image: evil\n", "no plain key"),
        "text behind a block scalar": (f"services:\n  a:\n    image: {PINNED}\n    x: | y\n", "more on its line"),
    }.values(),
)
def test_what_could_bring_in_another_image_is_refused(compose: str, words: str) -> None:
    assert words in refusal(document(compose))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        document(PLAIN, runner="bash"),
        document(PLAIN, docker_compose_file=7),
        document(PLAIN, pre_launch_script=7),
        document(PLAIN, name=["x"]),
        b'{"runner":"docker-compose","runner":"docker-compose"}',
        document("x" * MAX_COMPOSE_SIZE),
    ],
    ids=range(9),
)
def test_what_is_no_compose_document_is_refused(data: bytes) -> None:
    refusal(data)


@needs_vectors
@pytest.mark.parametrize(("role", "count"), [("gateway", 6), ("model", 4)])
def test_the_images_of_real_documents_are_all_pinned(role: str, count: int) -> None:
    compose = near(role).compose or b""
    found = parse_compose(compose).images
    text = json.loads(compose)["docker_compose_file"]
    lines = [line.split("image: ")[1] for line in text.splitlines() if line.startswith("    image: ")]
    assert [image.reference for image in found] == lines
    assert len(found) == count
    assert all(image.digest is not None for image in found)


def test_tags_and_anchors_below_a_service_are_passed_over() -> None:
    compose = f"services:\n  a:\n    image: {PINNED}\n    environment: &env\n      A: !str b\n    x: &y ['z']\n    w: *y\n"
    assert len(images(compose)) == 1
    assert "goes on" in refusal(document(compose.replace("['z']", "['z'")))
    assert "begins with '&'" in refusal(document(compose.replace("&y", "&y &z &w")))


@pytest.mark.parametrize(
    "text",
    [
        "x: [" + "'a'," * 80_000 + "]",
        "x: " + "!a " * 80_000,
        "x: " + "- " * 80_000,
        "x: " + "type " * 80_000,
        'x: "' + "\\" * 400_000,
    ],
    ids=["quotes", "tags", "dashes", "types", "escapes"],
)
def test_a_long_line_takes_no_longer_than_its_length(text: str) -> None:
    """Seconds if it were read again for each of its parts; a few milliseconds as it is."""
    data = document(f"services:\n  a:\n    image: {PINNED}\n    {text}\n")
    survives(data)


def survives(data: bytes) -> None:
    assert_read_or_refused(parse_compose, data, EvidenceFormatError)


@settings(max_examples=examples(300))
@given(data=mutated_bytes([document(PLAIN)]))
def test_mutated_documents_are_read_or_refused(data: bytes) -> None:
    survives(data)


@settings(max_examples=examples(400))
@given(data=mutated_bytes([PLAIN.encode()]))
def test_mutated_compose_files_are_read_or_refused(data: bytes) -> None:
    survives(document(data.decode("utf-8", "replace")))
