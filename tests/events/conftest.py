"""Apps in memory and on files, what handlers saw, and a few events."""

from __future__ import annotations

from tests.queues.conftest import Seen as Seen
from tests.queues.conftest import app as app
from tests.queues.conftest import pytest_pyfunc_call as pytest_pyfunc_call
from tests.queues.conftest import seen as seen
from tests.queues.conftest import until as until
from tests.queues.conftest import url as url
