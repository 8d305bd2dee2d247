"""Random steps on the engine and on the reference: the same everywhere, whatever the order. `make stress`: many more."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.model.operating import EngineMachine, MemoryMachine

ROUNDS = int(os.environ.get("POSTROAD_STRESS", "1"))

pytestmark = [pytest.mark.conformance, *([pytest.mark.stress] if ROUNDS > 1 else [])]


def edition(examples: int, steps: int) -> settings:
    """The same steps in every `make test`; new ones in `make stress`."""
    return settings(
        max_examples=examples * ROUNDS,
        stateful_step_count=steps,
        derandomize=ROUNDS == 1,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(120 * ROUNDS)
def test_a_file_does_what_the_reference_says() -> None:
    run_state_machine_as_test(EngineMachine, settings=edition(24, 45))


@pytest.mark.timeout(120 * ROUNDS)
def test_memory_does_what_the_reference_says() -> None:
    run_state_machine_as_test(MemoryMachine, settings=edition(50, 55))
