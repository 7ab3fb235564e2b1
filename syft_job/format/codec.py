"""Parse and encode untrusted data: strict JSON, canonical JSON (RFC 8785), bounded YAML.

Everything that is read from the shared folder is parsed here. Invariants of what a parser returns:

1. Size, depth and number of values were bounded before the work that grows with them.
2. It consists of the types of `Json`, without floats, duplicate keys or lone surrogates; YAML has no aliases and tags.

The module knows nothing of jobs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from syft_job.errors import UnreadableJob
from syft_job.model.quoting import quoted, shortened

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]

MAX_DEPTH = 32
MAX_CONTAINERS = 200_000
"""Brackets and braces in JSON: each takes 64 bytes of memory or more, whatever its length in the file."""
MAX_YAML_NODES = 20_000
"""YAML takes a microsecond or more for each value, so their number is bounded in addition to the size."""
MAX_INTEGER = 2**53 - 1
"""Numbers of RFC 8785 are IEEE doubles; a larger integer may be another number for another reader."""

_PLAIN_SCALARS = {"": None, "~": None, "null": None, "true": True, "yes": True, "false": False, "no": False}
_PLAIN_INTEGER = re.compile("-?(?:0|[1-9][0-9]{0,14})")

# YAML 1.1 readers treat some of these as line ends or refuse them; JSON readers read the same text either way.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def load_json(data: bytes, *, limit: int) -> Any:
    """Parse strict JSON.

    Args:
        data: the bytes.
        limit: the number of bytes above which they are refused.

    Raises:
        UnreadableJob: they are too long, not UTF-8, or no JSON, or have a BOM, duplicate keys, a float or NaN, or more
            than 32 levels.
    """
    if len(data) > limit:
        raise UnreadableJob(f"it is {len(data)} bytes long; at most {limit} are read")
    containers = data.count(b"[") + data.count(b"{")
    if containers > MAX_CONTAINERS:
        raise UnreadableJob(
            f"it holds more than {MAX_CONTAINERS} lists and mappings, or is nested deeper than {MAX_DEPTH} levels"
        )
    try:
        text = data.decode("utf-8")
        value = _STRICT.decode(text)
    except UnicodeDecodeError as error:
        raise UnreadableJob(f"it is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise UnreadableJob(f"it is nested deeper than {MAX_DEPTH} levels") from error
    except UnreadableJob:
        raise
    except ValueError as error:
        raise UnreadableJob(f"it is not strict JSON: {error}") from error
    if containers > MAX_DEPTH:
        _check_depth(value)
    if b"\\u" in data:
        _check_text(value)
    return value


def load_yaml(data: bytes, *, limit: int) -> Any:
    """Parse one YAML document into JSON's types; dates and fractions stay text.

    Args:
        data: the bytes.
        limit: the number of bytes above which they are refused.

    Raises:
        UnreadableJob: they are too long or no YAML, or have aliases, tags, duplicate keys, or more than 32 levels.
    """
    if len(data) > limit:
        raise UnreadableJob(f"it is {len(data)} bytes long; at most {limit} are read")
    import yaml

    # First a pass over the events, which does not recurse: neither depth nor an alias bomb reaches the composer.
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(data, Loader=yaml.CSafeLoader)):
            if count > MAX_YAML_NODES:
                raise UnreadableJob(f"it holds more than {MAX_YAML_NODES} values")
            if isinstance(event, yaml.AliasEvent):
                raise UnreadableJob("it uses YAML aliases")
            if getattr(event, "tag", None) is not None:
                raise UnreadableJob("it uses YAML tags")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise UnreadableJob(f"it is nested deeper than {MAX_DEPTH} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        node = yaml.compose(data, Loader=yaml.CBaseLoader)
    except UnreadableJob:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableJob(f"it is not YAML: {shortened(' '.join(str(error).split()))}") from error
    return None if node is None else _from_node(node)


def dump(value: Mapping[str, Any]) -> bytes:
    """Encode ``value`` for a file: sorted keys, an indentation of two spaces, a final newline.

    The result is JSON and, for YAML readers, YAML with the same content: characters that they treat specially are
    escaped.
    """
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return (_UNSAFE.sub(_escape, text) + "\n").encode("utf-8")


def canonical(value: Any) -> bytes:
    """Encode ``value`` as canonical JSON (RFC 8785, integers only), over which digests and signatures are made.

    Raises:
        UnreadableJob: it has a float or an integer beyond 2^53-1.
    """
    return json.dumps(_ordered(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def _ordered(value: Any) -> Any:
    if isinstance(value, str):  # first, because most values are texts
        return value
    if isinstance(value, Mapping):
        keys = sorted(value)
        if not "".join(keys).isascii():
            # RFC 8785 sorts by UTF-16 code units, which differ from code points beyond the basic plane.
            keys.sort(key=lambda text: text.encode("utf-16-be"))
        return {key: item if type(item := value[key]) is str else _ordered(item) for key in keys}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
        raise UnreadableJob(f"{quoted(value)} has no canonical form: only integers up to 2^53-1 have")
    return value


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise UnreadableJob(f"the key {quoted(key)} is given twice")
            seen.add(key)
    return value


def _refuse_float(text: str) -> NoReturn:
    raise UnreadableJob(f"the number {text[:40]} is not an integer")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(value := int(text)) > MAX_INTEGER:
        raise UnreadableJob(f"the number {text[:40]} is larger than 2^53-1")
    return value


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_refuse_float, parse_constant=_refuse_float, parse_int=_integer
)


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
        ]
        if not level:
            return
    if any(isinstance(item, dict | list) for item in level):
        raise UnreadableJob(f"it is nested deeper than {MAX_DEPTH} levels")


def _check_text(value: object) -> None:
    """Refuse lone surrogates, which an escape sequence can produce and no file name or digest can contain."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UnreadableJob("it contains half of a surrogate pair") from error
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


def _from_node(node: Any) -> Any:
    """Return a YAML node as data. Plain scalars follow our own few rules: YAML 1.1 makes numbers of times and dates."""
    if node.id == "mapping":
        mapping: dict[str, Any] = {}
        for key, item in node.value:
            if key.id != "scalar":
                raise UnreadableJob("a mapping has a key that is no text")
            if key.value in mapping:
                raise UnreadableJob(f"the key {quoted(key.value)} is given twice")
            mapping[key.value] = _from_node(item)
        return mapping
    if node.id == "sequence":
        return [_from_node(item) for item in node.value]
    if node.style:  # it was quoted
        return node.value
    if node.value.lower() in _PLAIN_SCALARS:
        return _PLAIN_SCALARS[node.value.lower()]
    return int(node.value) if _PLAIN_INTEGER.fullmatch(node.value) else node.value
