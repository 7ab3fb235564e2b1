"""The transitions of a job: one module for each verb of the table in `model.transitions`.

Each holds the home's lock, reads the job again, checks the table, records the event in the ledger and then publishes it
as a marker. People and the runner use the same functions. Each may be killed after any write and repeated: the ledger
decides, and `restore` writes what the folder lacks.
"""

from syft_job.model.containment import BARE, BUBBLEWRAP

from .approve import approve
from .block import publish_blocked
from .cancel import CANCEL_REQUEST, ask_to_stop, cancel
from .clean import clean
from .deposit import deposit
from .finish import finish, record_finish
from .permit import require_permit
from .recovery import is_out_of_order
from .reject import reject
from .release import promise_release, release_promised_results
from .rerun import rerun
from .share import check_share, share
from .start import start
from .transaction import Stage, allowed_verbs, check_verb, require_home, restore, roles_of, stage, transaction
from .withdraw import withdraw

__all__ = [
    "BARE",
    "BUBBLEWRAP",
    "CANCEL_REQUEST",
    "Stage",
    "allowed_verbs",
    "approve",
    "ask_to_stop",
    "cancel",
    "check_share",
    "check_verb",
    "clean",
    "deposit",
    "finish",
    "is_out_of_order",
    "promise_release",
    "publish_blocked",
    "record_finish",
    "reject",
    "release_promised_results",
    "require_home",
    "require_permit",
    "rerun",
    "restore",
    "roles_of",
    "share",
    "stage",
    "start",
    "transaction",
    "withdraw",
]
