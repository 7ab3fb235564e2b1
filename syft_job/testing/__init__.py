"""What ships for tests of software that builds on syft_job.

`TwoPeople` is an owner and a submitter with a folder between them. `BackendContract` has the tests that every backend
must pass. `FakeBackend` starts nothing; a test decides what becomes of each job.
"""

from .backend_contract import BackendContract
from .fake_backend import FakeBackend
from .two_people import OWNER, SUBMITTER, Delivery, TwoPeople

__all__ = ["OWNER", "SUBMITTER", "BackendContract", "Delivery", "FakeBackend", "TwoPeople"]
