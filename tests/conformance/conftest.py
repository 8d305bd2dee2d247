"""The checks live in the package: pytest is asked to explain their asserts as if they lay here."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("postroad.testing.conformance", "postroad.testing.torture")
