"""dstack's app-compose document, and the container images in the Docker Compose file inside it.

The document is JSON: ``{"runner": "docker-compose", "docker_compose_file": "<YAML>", ...}``; its SHA-256 is the compose hash.
Of the YAML exactly what names images is read: ``services``, one block mapping each, with ``image``. Whoever wrote the file may
be hostile, and one image overlooked is one too many. So whatever could bring an image in by another way (``build``,
``extends``, ``include``, merge keys, variables, image volumes), or let two readers see different files (quotes or brackets over
several lines, tabs, exotic line breaks, keys twice), is refused, not interpreted. Block scalars are skipped by indentation.

Sources: YAML 1.2.2; the Compose Specification; Dstack-TEE/dstack ``dstack-types`` (AppCompose).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.json_text import JsonView, maybe, parse_json

__all__ = ["MAX_COMPOSE_SIZE", "Compose", "ServiceImage", "parse_compose"]

MAX_COMPOSE_SIZE: Final = 1024 * 1024
"""Bytes. Real documents have 5 to 12 thousand."""

_RUNNER: Final = "docker-compose"
_TOP: Final = frozenset({"version", "name", "services", "volumes", "networks", "configs", "secrets"})
_OTHER_SOURCES: Final = frozenset({"build", "extends", "provider"})
_REMEDY: Final = "Pin the whole document with compose_sha256 instead, or ask for a compose file in plain block style."

_FOREIGN: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_KEY: Final = re.compile(r"""(?P<key>[A-Za-z0-9_./-]+|"[^"\\]*"|'[^']*') *:(?: +(?P<value>.*))?""")
_SEQUENCE: Final = re.compile(r"(?:- +)+|-$")
_BLOCK_SCALAR: Final = re.compile(r"[|>][+-]?[1-9]?[+-]?(?: +#.*)?")
_PROPERTIES: Final = re.compile(r"(?:[&!][^\s\[\]{},]* +){1,2}")
"""A tag and an anchor, before what they belong to."""
_BARE_PROPERTIES: Final = re.compile(r"[&!][^\s\[\]{},]*(?: +[&!][^\s\[\]{},]*)?(?: +#.*)?")
_QUOTED: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")
_COMMENT: Final = re.compile(r" *| +#.*")
_IMAGE_VOLUME: Final = re.compile(r"""type["']? *: *["']?image\b""")
_REFERENCE: Final = re.compile(
    r"""(?P<quote>["']?)(?P<name>[A-Za-z0-9][A-Za-z0-9._:/-]*)(?:@sha256:(?P<digest>[0-9a-f]{64}))?(?P=quote)"""
)


@dataclass(frozen=True, slots=True)
class ServiceImage:
    """The image of one service; ``digest`` is its SHA-256 (32 bytes), None where only a name stands there."""

    service: str
    reference: str
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Compose:
    """What an app-compose document runs. ``pre_launch_script`` says that a script runs before the containers."""

    name: str | None
    images: tuple[ServiceImage, ...]
    pre_launch_script: bool


class _Line(NamedTuple):
    number: int
    indent: int
    content: str


class _Member(NamedTuple):
    line: _Line
    key: str
    value: str
    block: list[_Line]


def parse_compose(document: bytes) -> Compose:
    """Read a document of at most 1 MiB; :class:`EvidenceFormatError` where its images cannot be told with certainty."""
    manifest = parse_json(document, "the compose document", limit=MAX_COMPOSE_SIZE).as_object()
    runner = manifest.required("runner")
    if runner.value != _RUNNER:
        raise runner.wrong(f'"{_RUNNER}"')
    script = manifest.optional("pre_launch_script")
    return Compose(
        maybe(manifest.optional("name"), JsonView.as_text),
        tuple(_read_images(manifest.required("docker_compose_file").as_text())),
        script is not None and bool(script.as_text().strip()),
    )


def _read_images(text: str) -> list[ServiceImage]:
    lines = _structure(text)
    if lines and lines[0].content == "---":
        del lines[0]
    top = {member.key: member for member in _members(lines)}
    for member in top.values():
        if member.key not in _TOP and not member.key.startswith("x-"):
            raise _refused(member.line, f"the key {member.key!r}", "the keys " + ", ".join(sorted(_TOP)))
    services = top.get("services")
    if services is None or not services.block:
        raise EvidenceFormatError("a compose file without services", expected="services, as a block", remedy=_REMEDY)
    return [_read_service(service) for service in _members(_block_of(services))]


def _read_service(service: _Member) -> ServiceImage:
    members = {member.key: member for member in _members(_block_of(service))}
    for key in _OTHER_SOURCES.intersection(members):
        raise _refused(members[key].line, f"the service {service.key!r} with {key!r}", "an image by digest and nothing else")
    image = members.get("image")
    if image is None:
        raise _refused(service.line, f"the service {service.key!r} without an image", "an image by digest")
    match = _REFERENCE.match(image.value)
    if match is None or image.block or not _COMMENT.fullmatch(image.value, match.end()):
        raise _refused(image.line, "an image that is no plain name", "name@sha256:<64 hex digits>")
    reference, digest = match[0].strip("\"'"), match["digest"]
    return ServiceImage(service.key, reference, None if digest is None else bytes.fromhex(digest))


def _structure(text: str) -> list[_Line]:
    """The lines that make up the structure: without comments, blank lines and the content of block scalars."""
    found: list[_Line] = []
    scalar: int | None = None
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        content = raw.strip(" ")
        line = _Line(number, len(raw) - len(raw.lstrip(" ")), content)
        if scalar is not None and (not content or line.indent > scalar):
            continue
        scalar = None
        if not content or content.startswith("#"):
            continue
        if _FOREIGN.search(raw):
            raise _refused(line, "a tab, control character or exotic line break", "spaces and line feeds")
        if _IMAGE_VOLUME.search(content):
            raise _refused(line, "an image as a volume", "images in services only")
        scalar = _opened_scalar(line)
        found.append(line)
    return found


def _opened_scalar(line: _Line) -> int | None:
    """The indentation that a block scalar begun on this line is nested in, or None; refuse what goes on beyond the line."""
    content, indent = line.content, line.indent
    dashes = _SEQUENCE.match(content)
    if dashes is not None:
        content, indent = content[dashes.end() :], indent + dashes.end()
    opened = indent if dashes is None else line.indent
    key = _KEY.fullmatch(content)
    if key is not None:
        content, opened = key["value"] or "", indent
    properties = _PROPERTIES.match(content)
    content = content[properties.end() :] if properties else content
    if content.startswith(("|", ">")):
        if not _BLOCK_SCALAR.fullmatch(content):
            raise _refused(line, "a block scalar with more on its line", "its text on lines of its own")
        return opened
    if content.startswith(("?", "%", "@", "`", "!", "&")) and not _BARE_PROPERTIES.fullmatch(content):
        raise _refused(line, f"a value that begins with {content[0]!r}", "plain block style")
    if content.startswith(('"', "'", "[", "{")) and not _closes(content):
        raise _refused(line, "a value that goes on after its line", "quotes and brackets closed on their line")
    return None


def _closes(content: str) -> bool:
    """Whether what begins with a quote or bracket ends on its line, with nothing but a comment or a colon's value after it."""
    depth, position, before = 0, 0, ","
    while position < len(content):
        character = content[position]
        if character in "\"'":
            quoted = _QUOTED.match(content, position)
            if quoted is None or before not in "[{,:":
                return False
            position = quoted.end()
        else:
            depth += (character in "[{") - (character in "]}")
            position += 1
        before = before if character == " " else character
        if depth == 0:
            return _COMMENT.fullmatch(content, position) is not None
    return False


def _members(lines: Sequence[_Line]) -> Iterable[_Member]:
    """The keys of a block mapping, each with what is nested under it."""
    members: dict[str, _Member] = {}
    last: _Member | None = None
    for line in lines:
        is_item = _SEQUENCE.match(line.content) is not None
        if last is not None and (line.indent > lines[0].indent or (line.indent == lines[0].indent and is_item)):
            last.block.append(line)
            continue
        match = _KEY.fullmatch(line.content)
        if match is None or line.indent != lines[0].indent or is_item:
            raise _refused(
                line, "a line that is no plain key of a block mapping", "plain block style, without anchors or merges"
            )
        last = _Member(line, match["key"].strip("\"'"), match["value"] or "", [])
        if last.key in members:
            raise _refused(line, f"the key {last.key!r} twice", "every key once")
        members[last.key] = last
    return members.values()


def _block_of(member: _Member) -> list[_Line]:
    """What is nested under a key that has no value of its own."""
    if not _COMMENT.fullmatch(member.value) and not member.value.startswith("#"):
        raise _refused(member.line, f"{member.key!r} with a value on its line", "a block mapping")
    return member.block


def _refused(line: _Line, found: str, expected: str) -> EvidenceFormatError:
    return EvidenceFormatError(f"the compose file, line {line.number}: {found}", expected=expected, remedy=_REMEDY)
