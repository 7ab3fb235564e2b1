"""What one measurement amounts to, and how it is printed and kept.

A `Row` is the answer to one line of the table of targets: our figure, the peers' figures, the floor below which nobody
gets on this machine, and for each target the bound that was computed from figures of the same run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """One bound: ``value`` may be at most (or, with ``least``, at least) ``bound``; the rule says where it is from."""

    rule: str
    value: float
    bound: float
    unit: str
    least: bool = False

    @property
    def is_met(self) -> bool:
        return self.value >= self.bound if self.least else self.value <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.least else "<="
        said = f"{self.rule}: {shown(self.value, self.unit)} {sign} {shown(self.bound, self.unit)}"
        if self.is_met:
            return said
        factor = self.bound / self.value if self.least else self.value / self.bound
        return f"{said}, missed by a factor of {factor:.2f}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        number: the number in the table of targets.
        name: what was measured.
        ours: our figure, in ``unit``.
        unit: ``"s"``, ``"/s"``, ``"KB"`` or nothing.
        peers: the peers' figures by their name.
        floor: what the machine alone needs, with what that is.
        targets: the bounds; with several, all must hold unless ``any_target``.
        beside: further figures (name to value and unit) that nobody is judged by.
        notes: sentences.
    """

    number: int
    name: str
    ours: float
    unit: str = "s"
    peers: dict[str, float] = field(default_factory=dict)
    floor: tuple[str, float] | None = None
    targets: tuple[Target, ...] = ()
    any_target: bool = False
    beside: dict[str, tuple[float, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool | None:
        if not self.targets:
            return None
        return any(t.is_met for t in self.targets) if self.any_target else all(t.is_met for t in self.targets)

    def ratio(self, peer: str) -> float:
        """How many times better ours is than the peer's."""
        other = self.peers[peer]
        better = self.ours / other if self.unit == "/s" else other / self.ours
        return better if self.ours and other else float("nan")

    def to_json(self) -> dict[str, Any]:
        return {
            "row": self.number,
            "name": self.name,
            "ours": self.ours,
            "unit": self.unit,
            "peers": self.peers,
            "floor": None if self.floor is None else {"what": self.floor[0], "value": self.floor[1]},
            "targets": [
                {
                    "rule": t.rule,
                    "value": t.value,
                    "bound": t.bound,
                    "unit": t.unit,
                    "least": t.least,
                    "met": t.is_met,
                }
                for t in self.targets
            ],
            "any_target": self.any_target,
            "met": self.is_met,
            "beside": {name: {"value": value, "unit": unit} for name, (value, unit) in self.beside.items()},
            "notes": list(self.notes),
        }


def row_of(said: dict[str, Any]) -> Row:
    """A row that was kept as JSON."""
    floor = said["floor"]
    targets = (Target(t["rule"], t["value"], t["bound"], t["unit"], t["least"]) for t in said["targets"])
    return Row(
        number=said["row"],
        name=said["name"],
        ours=said["ours"],
        unit=said["unit"],
        peers=said["peers"],
        floor=None if floor is None else (floor["what"], floor["value"]),
        targets=tuple(targets),
        any_target=said["any_target"],
        beside={name: (figure["value"], figure["unit"]) for name, figure in said["beside"].items()},
        notes=tuple(said["notes"]),
    )


def shown(value: float, unit: str) -> str:
    """A figure for people, in a unit of its size."""
    if unit == "s":
        if value < 0.001:
            return f"{value * 1e6:.0f} µs"
        return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"
    if unit == "/s":
        return f"{value:.0f}/s" if value >= 10 else f"{value:.1f}/s"
    return f"{value:.2f} {unit}".strip()


HEAD = ("row", "what", "ours", "0.1.27", "0.1.40", "floor", "met")


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, one cell for each column of `HEAD`; a peer's cell says how many times better ours is."""
    peers = []
    for peer in HEAD[3:5]:
        if peer in row.peers:
            peers.append(f"{shown(row.peers[peer], row.unit)} ({row.ratio(peer):.1f}x)")
        else:
            peers.append("-")
    floor = "-" if row.floor is None else f"{shown(row.floor[1], row.unit)}"
    met = {True: "yes", False: "NO", None: "-"}[row.is_met]
    return (str(row.number), row.name, shown(row.ours, row.unit), *peers, floor, met)


def plain_table(rows: Sequence[Row]) -> str:
    """The table for a terminal, and under it the targets and what was measured beside."""
    lines = [HEAD, *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    for row in rows:
        text += ["", f"{row.number}  {row.name}"]
        text += [f"   {'ok ' if target.is_met else 'NO '} {target}" for target in row.targets]
        if row.floor is not None:
            text.append(f"       floor: {row.floor[0]}, {shown(row.floor[1], row.unit)}")
        text += [f"       beside: {name}, {shown(value, unit)}" for name, (value, unit) in row.beside.items()]
        text += [f"       note: {note}" for note in row.notes]
    return "\n".join(text) + "\n"


def markdown(rows: Iterable[Row]) -> str:
    """The same for a page of documentation."""
    rows = list(rows)
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    lines += ["", "| row | target | measured | bound | met |", "|---|---|---|---|---|"]
    for row in rows:
        for target in row.targets:
            figures = f"{shown(target.value, target.unit)} | {shown(target.bound, target.unit)}"
            lines.append(f"| {row.number} | {target.rule} | {figures} | {'yes' if target.is_met else 'no'} |")
    lines += ["", "| row | measured beside | |", "|---|---|---|"]
    for row in rows:
        if row.floor is not None:
            lines.append(f"| {row.number} | floor: {row.floor[0]} | {shown(row.floor[1], row.unit)} |")
        lines += [f"| {row.number} | {name} | {shown(value, unit)} |" for name, (value, unit) in row.beside.items()]
    notes = [f"- Row {row.number}: {note}" for row in rows for note in row.notes]
    if notes:
        lines += ["", *notes]
    return "\n".join(lines) + "\n"
