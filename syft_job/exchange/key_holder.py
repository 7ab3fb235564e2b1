"""Whose key a signature was made with, as far as this participant can know it.

A signature proves which key made it, never who holds that key. What is known of a person's keys is the home for the
participant's own and `key.json` in the person's datasite for everybody else's; both are compared here, and the result
says which. Nothing is trusted because of it: which key a marker must be signed with is decided by `Participant`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from syft_job import fs
from syft_job.errors import ConfigError, StoreError, UnreadableJob
from syft_job.format import signing
from syft_job.home import contacts
from syft_job.model import names
from syft_job.model.job_ref import MAX_OWNERS

from .participant import Participant

_SEARCHED_AT_MOST = 2000
"""In how many datasites a key of an unexpected person is searched for."""


class Relation(StrEnum):
    """How a key relates to the person whose it should be."""

    PRESENT = "present"
    EARLIER = "earlier"
    GIVEN_UP = "given up"
    OTHER = "other"
    """The person's keys are known, and this is none of them."""
    UNKNOWN = "unknown"
    """No key of the person is known here."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A public key, the person whose it should be, and what is known here of that."""

    key: str
    person: str
    relation: Relation
    publishers: tuple[str, ...] = ()
    is_self: bool = False

    @property
    def is_known(self) -> bool:
        """Whether it is a key of that person, a present or an earlier one."""
        return self.relation not in (Relation.OTHER, Relation.UNKNOWN)

    def __str__(self) -> str:
        return f"{signing.fingerprint(self.key)}: {self._words()}"

    def _words(self) -> str:
        match self.relation:
            case Relation.PRESENT:
                return "your own key" if self.is_self else f"the key published by {self.person}"
            case Relation.EARLIER:
                return "an earlier key of your own" if self.is_self else f"an earlier key of {self.person}"
            case Relation.GIVEN_UP:
                whose = "you" if self.is_self else self.person
                return f"a key that {whose} gave up, because others may have it"
            case Relation.OTHER:
                return f"not one of {'your keys' if self.is_self else f'the keys of {self.person}'}{self._elsewhere()}"
            case Relation.UNKNOWN:
                words = f"{self.person} publishes no usable key here, so whose it is cannot be checked"
                return words + self._elsewhere()

    def _elsewhere(self) -> str:
        if not self.publishers:
            return ""
        return f"; {' and '.join(self.publishers)} {'publish' if len(self.publishers) > 1 else 'publishes'} it"


def relation_to(participant: Participant, key: str, person: str) -> Relation:
    """How ``key`` relates to ``person``, by what this participant knows of that person's keys."""
    chain = participant.chain_of(person)
    if chain is None:
        return Relation.UNKNOWN
    if key in chain.compromised_keys:
        return Relation.GIVEN_UP
    if key == chain.present:
        return Relation.PRESENT
    return Relation.EARLIER if chain.knows(key) else Relation.OTHER


def identify(participant: Participant, key: str, person: str) -> KeyHolder:
    """Compare ``key`` with the keys known of ``person``; where it is none of them, look who else publishes it.

    That search opens each datasite, so this is for one job that somebody looks at, never for a list.
    """
    relation = relation_to(participant, key, person)
    publishers = () if relation not in (Relation.OTHER, Relation.UNKNOWN) else _publishers(participant, key, person)
    return KeyHolder(key, person, relation, publishers, is_self=person == participant.email)


def _publishers(participant: Participant, key: str, but: str) -> tuple[str, ...]:
    """Everybody but ``but`` whose datasite publishes ``key`` now or as an earlier one."""
    root = participant.home.root
    try:
        with fs.translate_os_errors(f"list the datasites in {str(root)!r}"), fs.open_directory(root) as opened:
            listed = fs.first_names(opened, limit=MAX_OWNERS)
    except (FileNotFoundError, UnreadableJob, StoreError):
        return ()
    people = sorted(name for name in listed if name != but and names.is_address(name))
    publishers = []
    for person in people[:_SEARCHED_AT_MOST]:
        try:
            chain = contacts.read_published_keys(root, person)
        except (ConfigError, OSError, StoreError):
            continue  # what is no key file publishes no key
        if chain is not None and chain.knows(key):
            publishers.append(person)
    return tuple(publishers)
