"""When a child is taken for hanging: told from its slots alone."""

from __future__ import annotations

from postroad.worker.slots import Reading
from postroad.worker.vitals import Vitals

COROUTINES = range(2, 4)
LIMIT_S = 10.0


def reading(
    busy: tuple[int, ...] = (), beats: tuple[int, ...] = (0, 0, 0, 0), user: int = 0, engine: int = 0, progress: int = 0
) -> Reading:
    return Reading(busy, beats, user, engine, progress)


def looked(*looks: tuple[float, Reading]) -> Vitals:
    vitals = Vitals(COROUTINES, 0.0)
    for now, seen in looks:
        vitals.look(seen, now)
    return vitals


def test_a_long_handler_beside_a_beating_engine_is_no_stall() -> None:
    vitals = looked(*[(float(second), reading(busy=(0,), engine=second)) for second in range(100)])
    assert vitals.stalled(LIMIT_S) == ""


def test_an_engine_that_does_not_beat_is_a_stall_though_nothing_is_said() -> None:
    vitals = looked((0.0, reading(busy=(0,), engine=5)), (10.0, reading(busy=(0,), engine=5)))
    assert vitals.stalled(LIMIT_S) == ""
    vitals.look(reading(busy=(0,), engine=5), 10.1)
    assert "no thread" in vitals.stalled(LIMIT_S)


def test_a_blocked_user_loop_is_a_stall_only_while_coroutines_run() -> None:
    blocked = looked(*[(float(second), reading(busy=(2,), engine=second)) for second in range(12)])
    assert "event loop" in blocked.stalled(LIMIT_S)
    idle = looked(*[(float(second), reading(busy=(0,), engine=second)) for second in range(12)])
    assert idle.stalled(LIMIT_S) == ""


def test_the_time_before_the_first_coroutine_does_not_count() -> None:
    looks = [(float(second), reading(engine=second)) for second in range(100)]
    vitals = looked(*looks, (100.0, reading(busy=(2,), engine=100)), (105.0, reading(busy=(2,), engine=105)))
    assert vitals.stalled(LIMIT_S) == ""


def test_forgiven_after_nobody_looked() -> None:
    vitals = looked((0.0, reading(engine=1)))
    vitals.forgive(1000.0)
    vitals.look(reading(engine=1), 1000.0)
    assert vitals.stalled(LIMIT_S) == ""


def test_an_overdue_handler_is_told_once() -> None:
    vitals = looked((0.0, reading(busy=(1,), beats=(0, 3, 0, 0), engine=1)), (11.0, reading(busy=(1,), beats=(0, 3, 0, 0), engine=2)))
    assert vitals.overdue(LIMIT_S, 11.0) == 1
    assert vitals.overdue(LIMIT_S, 12.0) == 0


def test_another_handler_in_the_same_slot_has_its_own_time() -> None:
    vitals = looked((0.0, reading(busy=(1,), beats=(0, 3, 0, 0))), (11.0, reading(busy=(1,), beats=(0, 5, 0, 0))))
    assert vitals.overdue(LIMIT_S, 11.0) == 0


def test_idle_in_vain_needs_idleness_and_time() -> None:
    late = LIMIT_S + 1
    assert looked((0.0, reading(progress=4)), (late, reading(progress=4))).idle_in_vain(LIMIT_S)
    assert not looked((0.0, reading(progress=4)), (late, reading(progress=5))).idle_in_vain(LIMIT_S)
    assert not looked((0.0, reading(progress=4)), (late, reading(busy=(0,), progress=4))).idle_in_vain(LIMIT_S)
