"""The inbox: a handling leaves its mark, and whatever comes with the same mark is not handled again."""

from __future__ import annotations

from postroad.core.delivery import Delivery
from postroad.core.outcome import ACCEPT, Release, Settlement, SettlementFailure
from postroad.core.writes import Put
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, beside, bodies, message, numbered, send, sit
from postroad.testing.conformance.engine import FOLLOWERS, Engine

check = promise("inbox")

NEEDS = ("atomic", "documents", "looking")


def marked(delivery: Delivery, mark: str | None, number: int = 7) -> Settlement:
    """Handled: with one message and one document that leave with it."""
    sends = (send(message(b"%d" % number), FOLLOWERS),)
    return Settlement(delivery, ACCEPT, sends, (Put("seen", str(number), "{}"),), mark)


async def effects(desk: Desk) -> tuple[int, list[str]]:
    """Messages sent, documents written."""
    documents = await desk.store.scan("seen")
    return (await desk.depth(FOLLOWERS)).ready, sorted(document.key for document in documents)


async def verdicts(desk: Desk, deliveries: list[Delivery], *marks: str | None) -> list[str]:
    begun = await desk.consumer.begin(deliveries, marks)
    assert [each.delivery.receipt for each in begun] == [each.receipt for each in deliveries]
    return [each.verdict for each in begun]


@check(*NEEDS)
async def the_second_of_a_mark_leaves_and_does_nothing_else(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(2))
        first, second = await desk.take(2)
        assert not await desk.settle(marked(first, "order-17", 1))
        assert await effects(desk) == (1, ["1"])
        repeat = marked(second, "order-17", 2)
        (failure,) = await desk.settle(repeat)
        assert (failure.settlement, failure.kind) == (repeat, "duplicate")
        assert "order-17" in failure.reason
        assert await effects(desk) == (1, ["1"])
        await desk.empty()


@check(*NEEDS)
async def of_two_with_one_mark_in_one_turn_the_first_counts(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3))
        settlements = [
            marked(each, mark, n) for n, (each, mark) in enumerate(zip(await desk.take(3), "aab", strict=True))
        ]
        (failure,) = await desk.settle(*settlements)
        assert (failure.settlement, failure.kind) == (settlements[1], "duplicate")
        assert await effects(desk) == (2, ["0", "2"])
        await desk.empty()


@check(*NEEDS)
async def whoever_asks_before_is_told(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(4))
        held = await desk.take(4)
        assert await verdicts(desk, held, "a", "a", "b", None) == ["run"] * 4, "to begin leaves no mark"
        assert not await desk.settle(marked(held[0], "a"))
        assert await verdicts(desk, held[1:], "a", "b", None) == ["duplicate", "run", "run"]
        (failure,) = await desk.settle(marked(held[1], "a"))
        assert failure.kind == "duplicate"
        await desk.end(*held[2:])
        await desk.empty()


@check(*NEEDS)
async def a_mark_is_its_queues_own(engine: Engine) -> None:
    async with sit(engine, "a") as desk, beside(desk.driver, "b") as other:
        for each in (desk, other):
            await each.send(message(b"1"))
        first, second = await desk.take_one(), await other.take_one()
        assert not await desk.settle(marked(first, "m", 1))
        assert await verdicts(other, [second], "m") == ["run"]
        assert not await other.settle(marked(second, "m", 2))
        assert await effects(desk) == (2, ["1", "2"])


@check(*NEEDS)
async def marks_of_two_queues_in_one_turn_do_not_meet(engine: Engine) -> None:
    async with sit(engine, "a", "b") as desk:
        for queue in ("a", "b"):
            await desk.send(message(b"1"), queue=queue)
        held = await desk.take(2)
        assert not await desk.settle(*(marked(each, "m", n) for n, each in enumerate(held)))


@check(*NEEDS, "kept")
async def a_mark_is_kept(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(2))
        assert not await desk.settle(marked(await desk.take_one(), "m"))
    async with sit(engine) as desk:
        delivery = await desk.take_one()
        assert await verdicts(desk, [delivery], "m") == ["duplicate"]


@check(*NEEDS)
async def a_settlement_that_does_not_happen_leaves_no_mark(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        delivery = await desk.take_one()
        refused = Settlement(delivery, ACCEPT, (send(message(), "nowhere"),), mark="m")
        assert [failure.kind for failure in await desk.settle(refused)] == ["refused"]
        assert not await desk.settle(marked(delivery, "m"))
        assert await effects(desk) == (1, ["7"])


@check(*NEEDS, "uncounted")
async def who_lost_its_lease_leaves_no_mark(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        async with beside(desk.driver) as other:
            lost = await other.take_one()
            await other.consumer.close()
            failures: list[SettlementFailure] = list(await desk.settle(marked(lost, "m")))
            assert [failure.kind for failure in failures] == ["lost"]
        delivery = await desk.take_one()
        assert await verdicts(desk, [delivery], "m") == ["run"]
        assert not await desk.settle(marked(delivery, "m"))


@check(*NEEDS, "release")
async def what_is_tried_again_was_not_handled(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        for _ in range(2):
            delivery = await desk.take_one()
            assert await verdicts(desk, [delivery], "m") == ["run"]
            await desk.end(delivery, outcome=Release(0, counted=True))
        assert not await desk.settle(marked(await desk.take_one(), "m"))


@check(*NEEDS, "shared")
async def of_two_that_handle_it_at_once_one_counts(engine: Engine) -> None:
    """Both began when there was no mark: the settlement decides."""
    async with sit(engine) as one, sit(engine) as other:
        await one.send(*numbered(2))
        first, second = await one.take_one(), await other.take_one()
        assert await verdicts(one, [first], "m") == await verdicts(other, [second], "m") == ["run"]
        assert not await other.settle(marked(second, "m", 2))
        assert [failure.kind for failure in await one.settle(marked(first, "m", 1))] == ["duplicate"]
        assert await effects(one) == (1, ["2"])
        await one.empty()


@check(*NEEDS)
async def an_id_that_was_sent_is_no_mark(engine: Engine) -> None:
    """The sender's own ids and the marks of handlers may be the same words: an event's id is both."""
    async with sit(engine) as desk:
        await desk.send(message(b"1", id="order-17", dedupe=True))
        delivery = await desk.take_one()
        assert await verdicts(desk, [delivery], "order-17") == ["run"]
        assert not await desk.settle(marked(delivery, "order-17"))
        await desk.send(message(b"2", id="other"))
        again = await desk.take_one()
        assert [failure.kind for failure in await desk.settle(marked(again, "order-17"))] == ["duplicate"]


@check(*NEEDS)
async def a_mark_is_no_id_that_was_sent(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        assert not await desk.settle(marked(await desk.take_one(), "order-17"))
        (answer,) = await desk.send(message(b"2", id="order-17", dedupe=True))
        assert getattr(answer, "duplicate_of", "refused") is None
        assert bodies(await desk.take(1)) == [2]


@check(*NEEDS, "lanes")
async def a_repeat_in_a_lane_lets_the_next_one_come(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3, key="a"))
        for number, kinds in enumerate(([], ["duplicate"], ["duplicate"])):
            delivery = await desk.take_one()
            assert bodies([delivery]) == [number]
            assert [failure.kind for failure in await desk.settle(marked(delivery, "m"))] == kinds
        await desk.empty()


@check(*NEEDS)
async def marks_may_be_long_and_strange(engine: Engine) -> None:
    marks = ["", "x" * 512, "\u20ac'\"", "a\0b", "%", "mark:a"]
    async with sit(engine) as desk:
        await desk.send(*numbered(2 * len(marks)))
        held = await desk.take(2 * len(marks))
        first, again = held[: len(marks)], held[len(marks) :]
        assert not await desk.settle(*map(marked, first, marks))
        failures = await desk.settle(*map(marked, again, marks))
        assert [failure.kind for failure in failures] == ["duplicate"] * len(marks)
