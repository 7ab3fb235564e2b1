"""The one door to templates: files beside this one, filled in.

What is filled in may have been written by strangers: pages escape it as HTML, the other templates say with a filter how
a value is quoted. A name that nobody gave a value is an error, never an empty text.
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
    """Fill the template of that file name with ``values``."""
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
    """One quoted word of a systemd unit, in which nothing is expanded, where variables are not expanded anyway.

    Raises:
        ConfigError: it holds a character that cannot stand in a unit.
    """
    return '"' + "".join(_ESCAPED.get(letter, letter) for letter in _plain(value)) + '"'


def unit_argument(value: object) -> str:
    """The same for an argument of a command, where a dollar sign would begin a variable.

    Raises:
        ConfigError: it holds a character that cannot stand in a unit.
    """
    return unit_word(value).replace("$", "$$")


def unit_line(value: object) -> str:
    """Text up to the end of a line of a systemd unit, such as a description.

    Raises:
        ConfigError: it holds a character that cannot stand in a unit.
    """
    return _plain(value).replace("%", "%%").replace("\\", "\\\\")


def _plain(value: object) -> str:
    text = str(value)
    if not text.isprintable():
        raise ConfigError(f"{text!r} holds a character that cannot stand in a unit of systemd; give it another name.")
    return text
