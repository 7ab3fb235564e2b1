"""Render the templates in the folder `templates`; the only module that imports jinja2.

Values may come from other participants: HTML templates escape them, and the other templates name the filter that quotes
a value. A name without a value is an error, never an empty text.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from syft_job.errors import ConfigError

FOLDER = Path(__file__).with_name("templates")
_ESCAPED = {"\\": "\\\\", '"': '\\"', "%": "%%"}


def fill(template: str, **values: Any) -> str:
    """Render the template of this file name with ``values``."""
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=select_autoescape(("html", "svg", "html.j2", "svg.j2"), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["unit_word"] = unit_word
    templates.filters["unit_argument"] = unit_argument
    templates.filters["unit_line"] = unit_line
    return templates


def unit_word(value: object) -> str:
    """Quote a value as one word of a systemd unit, for settings that expand no variables.

    Raises:
        ConfigError: it contains a character that a unit cannot contain.
    """
    return '"' + "".join(_ESCAPED.get(letter, letter) for letter in _plain(value)) + '"'


def unit_argument(value: object) -> str:
    """Quote a value as an argument of a command, where a dollar sign would start a variable.

    Raises:
        ConfigError: it contains a character that a unit cannot contain.
    """
    return unit_word(value).replace("$", "$$")


def unit_line(value: object) -> str:
    """Quote a value as the rest of a line of a systemd unit, such as a description.

    Raises:
        ConfigError: it contains a character that a unit cannot contain.
    """
    return _plain(value).replace("%", "%%").replace("\\", "\\\\")


def _plain(value: object) -> str:
    text = str(value)
    if not text.isprintable():
        raise ConfigError(f"{text!r} contains a character that a systemd unit cannot contain; use another name.")
    return text
