"""A small torture, and that its count would notice what it is there to notice."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from postroad.cli.main import main
from postroad.errors import InvalidOption, NotSupported, UsageError
from postroad.testing.torture import Kills, Plan, Tally, Verdict, torture
from postroad.testing.torture.numbers import (
    FOLLOW,
    KEPT,
    KEYED,
    PLAIN,
    SENDING,
    copies,
    follows,
    kind_of,
    pause_s,
    publishes,
    sent_by,
)
from postroad.testing.torture.records import ATTEMPTED, CONFIRMED, ENDED, PRODUCERS, STARTED, Recorder, read
from postroad.testing.torture.tally import Ledger, Record

ROUNDS = int(os.environ.get("POSTROAD_STRESS", "1"))


@pytest.mark.conformance
@pytest.mark.slow
def test_three_kills_lose_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    verdict = torture(Plan(f"sqlite:///{tmp_path}/t.db", rounds=3, tasks=600, seed=2), told.append)
    assert verdict.faults == []
    assert (verdict.tally.attempted, verdict.tally.lost, verdict.depth) == (600, 0, 0)
    assert (
        verdict.kills.child + verdict.kills.supervisor + verdict.kills.tree + verdict.kills.producer == len(told) == 3
    )
    assert verdict.kills.children >= 2
    assert verdict.tally.handled == verdict.tally.messages > 600


if ROUNDS > 1:  # takes minutes

    @pytest.mark.stress
    @pytest.mark.timeout(900)
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_twenty_kills_lose_nothing(seed: int, tmp_path: Path) -> None:
        verdict = torture(Plan(f"sqlite:///{tmp_path}/t.db", rounds=20, tasks=20_000, seed=seed))
        assert verdict.faults == []


@pytest.mark.conformance
def test_the_command_prints_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        ["torture", "--url", f"sqlite:///{tmp_path}/t.db", "--rounds", "1", "--tasks", "60", "-p", "1", "-o", "json"]
    )
    printed = capsys.readouterr()
    facts = json.loads(printed.out)
    assert code == 0
    assert (facts["lost"], facts["unexpected"], facts["depth"], facts["faults"]) == (0, 0, 0, [])
    assert facts["starts"] <= facts["starts_max"]
    assert "round 1/1: killed" in printed.err


def number(kind: int, n: int = 1) -> int:
    assert kind_of(8 * n + kind) == kind
    return 8 * n + kind


A, B, S, P = number(PLAIN), number(PLAIN, 2), number(SENDING), number(KEYED)
FIRST, SECOND = copies(P)
GOOD: list[Record] = [
    (ATTEMPTED, A, 1), (ATTEMPTED, B, 2), (ATTEMPTED, S, 3), (CONFIRMED, A, 1), (CONFIRMED, S, 3),
    (STARTED, A, 1), (STARTED, A, 1), (ENDED, A, 1), (STARTED, S, 3), (ENDED, S, 3),
    (STARTED, S + FOLLOW, 4), (ENDED, S + FOLLOW, 4),
    (ATTEMPTED, P, 5), (CONFIRMED, P, 5), (STARTED, P, 5), (ENDED, P, 5),
    (STARTED, FIRST, 6), (ENDED, FIRST, 6), (STARTED, SECOND, 6), (ENDED, SECOND, 6),
]  # fmt: skip


def test_what_went_well_is_counted() -> None:
    tally = Ledger(GOOD).tally()
    assert tally == Tally(
        attempted=4, confirmed=3, messages=6, handled=6, lost=0, duplicated=0, unexpected=0, starts=7, kept=()
    )


def without(*gone: Record) -> list[Record]:
    return [record for record in GOOD if record not in gone]


@pytest.mark.parametrize(
    ("records", "lost", "duplicated", "unexpected"),
    [
        pytest.param(without((ENDED, A, 1)), 1, 0, 0, id="confirmed and never handled"),
        pytest.param(without((STARTED, A, 1), (ENDED, A, 1)), 1, 0, 0, id="confirmed and never seen"),
        pytest.param(
            without((ENDED, S + FOLLOW, 4), (STARTED, S + FOLLOW, 4)), 1, 0, 0, id="a follow-up that did not leave"
        ),
        pytest.param([*GOOD, (STARTED, B, 2), (ENDED, B, 2)], 0, 0, 0, id="not confirmed, but there"),
        pytest.param([*GOOD, (ENDED, A, 1)], 0, 1, 0, id="handled twice"),
        pytest.param([*GOOD, (STARTED, A, 9)], 0, 0, 1, id="a message nobody sent"),
        pytest.param([*GOOD, (STARTED, number(PLAIN, 7), 9)], 0, 0, 1, id="a number nobody sent"),
        pytest.param([*GOOD, (ENDED, S + FOLLOW, 5)], 0, 0, 1, id="a second follow-up of one handler"),
        pytest.param([*GOOD, (STARTED, A + FOLLOW, 5)], 0, 0, 1, id="a follow-up of one that sends none"),
        pytest.param(without((ENDED, S, 3)), 1, 0, 1, id="a follow-up of a handler that did not end"),
        pytest.param(without((ENDED, SECOND, 6)), 1, 0, 0, id="an event that one group did not handle"),
        pytest.param(without((STARTED, FIRST, 6), (ENDED, FIRST, 6)), 1, 0, 0, id="an event that one group never saw"),
        pytest.param([*GOOD, (ENDED, FIRST, 6)], 0, 1, 0, id="an event that one group handled twice"),
        pytest.param([*GOOD, (ENDED, FIRST, 7)], 0, 0, 1, id="a second event of one handler"),
        pytest.param(without((ENDED, P, 5)), 1, 0, 2, id="an event of a handler that did not end"),
        pytest.param([*GOOD, (STARTED, copies(A)[0], 8)], 0, 0, 1, id="an event of one that publishes none"),
        pytest.param([*GOOD, (ATTEMPTED, A, 8), (ENDED, A, 8)], 0, 0, 1, id="two messages in one's place"),
    ],
)
def test_what_went_wrong_is_noticed(records: list[Record], lost: int, duplicated: int, unexpected: int) -> None:
    tally = Ledger(records).tally()
    assert (tally.lost, tally.duplicated, tally.unexpected) == (lost, duplicated, unexpected)


def test_kept_results_are_named() -> None:
    kept = number(KEPT)
    assert Ledger([(ATTEMPTED, kept, 1), (ENDED, kept, 1), *GOOD]).tally().kept == (kept,)
    assert Ledger([(ATTEMPTED, kept, 1), *GOOD]).unconfirmed() == [kept, B] == sorted([kept, B])


def verdict(**changes: int) -> Verdict:
    starts = changes.pop("starts", 100)
    tally = Tally(100, 100, 100, 100, changes.pop("lost", 0), 0, changes.pop("unexpected", 0), starts)
    facts = {"depth": 0, "dead": 0, "results_lost": 0, "orphans": 0, **changes}
    return Verdict(1, 1, 1.0, tally, Kills(child=1, children=1), 15, **facts)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"lost": 1}, "1 lost"),
        ({"unexpected": 2}, "2 unexpected"),
        ({"depth": 3}, "3 left in the queue"),
        ({"dead": 1}, "1 dead letters"),
        ({"results_lost": 1}, "1 results lost"),
        ({"orphans": 1}, "1 processes left behind"),
        ({"starts": 116}, "1 starts above their bound"),
    ],
)
def test_every_fault_fails_the_verdict(changes: dict[str, int], fault: str) -> None:
    assert verdict(starts=115).faults == []
    assert verdict(**changes).faults == [fault]


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, PRODUCERS)
    recorder.note(ATTEMPTED, [(1, 2), (2**60, 2**63)])
    recorder.note(CONFIRMED, [(1, 2)])
    assert list(read(tmp_path, PRODUCERS)) == [(ATTEMPTED, 1, 2), (ATTEMPTED, 2**60, 2**63), (CONFIRMED, 1, 2)]


def test_what_numbers_mean() -> None:
    assert {kind_of(n) for n in range(100)} == set(range(8))
    assert not follows(S + FOLLOW)
    assert follows(S)
    assert publishes(P) and not publishes(S) and not publishes(P + FOLLOW)
    assert len({P, *sent_by(P), S, *sent_by(S), *copies(S)}) == 7
    assert all(0.01 <= pause_s(n) <= 0.05 for n in range(1000))


@pytest.mark.parametrize("wrong", ["rounds", "tasks", "processes", "threads"])
def test_a_plan_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidOption, match=wrong):
        Plan("sqlite:///t.db", **{wrong: 0})  # type: ignore[arg-type]


def test_memory_is_refused() -> None:
    with pytest.raises(NotSupported, match="sqlite:///"):
        Plan("memory://")


def test_records_of_another_run_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "worker-1").write_bytes(b"")
    with pytest.raises(InvalidOption, match="not empty"):
        torture(Plan(f"sqlite:///{tmp_path}/t.db", folder=str(tmp_path)))


def test_a_queue_with_messages_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from postroad.testing.torture.tasks import app, plain

    url = f"sqlite:///{tmp_path}/t.db"
    monkeypatch.setattr(app, "given_url", url)
    monkeypatch.setattr(app, "found_url", None)
    with app:
        plain.delay(1, 1)
    with pytest.raises(UsageError, match="holds 1 messages"):
        torture(Plan(url))
