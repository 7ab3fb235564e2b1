"""The options of a submission beside its code, checked before anything is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syft_job.errors import ConfigError, ConfigTypeError, InvalidSubmission, UnreadableJob
from syft_job.format.codec import canonical
from syft_job.format.manifest import JobResources


@dataclass(frozen=True, slots=True)
class SubmissionOptions:
    """Options as they are written into the manifest; `checked` makes them from what a caller gave."""

    dependencies: tuple[str, ...] = ()
    resources: JobResources = field(default_factory=JobResources)
    datasets: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def checked(
        cls,
        *,
        dependencies: Sequence[str] = (),
        resources: JobResources | Mapping[str, Any] | None = None,
        datasets: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> SubmissionOptions:
        """The options, if all of them can be written down.

        Raises:
            InvalidSubmission: dependencies, datasets or metadata cannot.
            ConfigTypeError, ConfigError: the resources cannot.
        """
        return cls(
            dependencies=check_texts("dependencies", dependencies),
            resources=_check_resources(resources),
            datasets=check_texts("datasets", datasets),
            metadata=_check_metadata(metadata or {}),
        )


def check_texts(option: str, values: Sequence[object]) -> tuple[str, ...]:
    """The values of an option as a tuple, if they are texts without control characters.

    Raises:
        InvalidSubmission: they are not.
    """
    if isinstance(values, str):
        raise InvalidSubmission(f"{option} must be a list of texts, not one text: [{values!r}]")
    if not isinstance(values, Iterable):
        raise InvalidSubmission(f"{option} must be a list of texts, not {values!r}")
    texts = []
    for value in values:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise InvalidSubmission(f"{option} holds {value!r}; each must be printable text")
        texts.append(value)
    return tuple(texts)


def _check_resources(resources: object) -> JobResources:
    """The resources as `JobResources`; a mapping holds its arguments by name.

    Raises:
        ConfigTypeError: it is something else, or has an argument that there is not.
        ConfigError: (a ValueError) one of its values cannot be used.
    """
    if isinstance(resources, JobResources):
        return resources
    known = tuple(JobResources.__dataclass_fields__)
    if resources is not None and not isinstance(resources, Mapping):
        raise ConfigTypeError(
            f"resources must be a JobResources or a mapping such as {{'time_limit': '2h'}}, not {resources!r}"
        )
    fields = dict(resources or {})
    if unknown := [key for key in fields if key not in known]:
        raise ConfigTypeError(f"resources has no {unknown[0]!r}; it has {', '.join(known)}")
    try:
        return JobResources(**fields)
    except ConfigError as error:
        raise type(error)(f"resources: {error}") from error
    except ValueError as error:
        raise ConfigError(f"resources: {error}") from error


def _check_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata as it can be written down and signed.

    Raises:
        InvalidSubmission: it holds something else than texts, integers, booleans, lists and mappings with text keys.
    """
    try:
        plain: dict[str, Any] = json.loads(canonical(dict(metadata)))
    except (TypeError, ValueError, AttributeError, RecursionError, UnreadableJob) as error:
        raise InvalidSubmission(
            f"The metadata cannot be written down ({error}): use texts, whole numbers, lists and mappings."
        ) from error
    return plain
