"""Topology: planned in words, applied whole, exported as it was declared; nothing is altered that others own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from postroad.core.message import Receipt
from postroad.core.topology import Binding, Exchange, Queue, Thing, Topology
from postroad.errors import NotFound, PostroadError, TopologyConflict
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import at_once, bodies, message, sit
from postroad.testing.conformance.engine import FOLLOWERS, QUEUE, Engine, establish, topology_of

check = promise("topology")

SHOP: tuple[Thing, ...] = (
    Queue("media", carries="tasks"),
    Queue("audit", carries="events", ttl_s=60.5),
    Queue("kernel", carries="messages", priority_max=9),
    Exchange("logs", "topic", alternate="rest"),
    Exchange("rest", "fanout"),
    Exchange("one", "direct"),
    Binding("logs", "kernel", "kern.*"),
    Binding("logs", "one", "#.audit", to_exchange=True),
    Binding("one", "audit", "user.audit"),
    Binding("rest", "audit"),
)
BY_HEADERS: tuple[Thing, ...] = (
    Exchange("kinds", "headers"),
    Binding("kinds", "media", headers={"kind": "pdf", "size": "\u20ac"}, match="any"),
    Binding("kinds", "media", headers={"kind": "pdf", "size": "\u20ac"}),
)


def own(there: Topology) -> set[str]:
    """What is there beside the queues of every check, in words that tell each from each."""
    things: list[Thing] = [*there.queues, *there.exchanges, *there.bindings]
    return {repr(thing) for thing in things} - {repr(Queue(QUEUE)), repr(Queue(FOLLOWERS))}


async def raises(kind: type[PostroadError], work: Callable[[], Coroutine[Any, Any, object]]) -> str:
    """What it says."""
    try:
        await work()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__} was raised")


@check("exchanges")
async def a_plan_is_in_words_and_changes_nothing(engine: Engine) -> None:
    async with sit(engine) as desk:
        planned = await desk.driver.plan(topology_of(SHOP))
        assert [change.action for change in planned] == ["create"] * len(SHOP)
        said = [change.words for change in planned]
        assert "create queue 'media'" in said
        assert "create topic exchange 'logs'" in said
        assert "bind 'logs' to queue 'kernel' by 'kern.*'" in said
        assert await desk.driver.plan(topology_of(SHOP)) == planned
        assert own(await desk.driver.topology()) == set()


@check("exchanges")
async def what_is_there_is_what_was_declared(engine: Engine) -> None:
    async with sit(engine) as desk:
        await establish(desk.driver, *SHOP)
        assert own(await desk.driver.topology()) == set(map(repr, SHOP))


@check("exchanges", "exchanges by headers")
async def bindings_by_headers_are_kept_apart(engine: Engine) -> None:
    async with sit(engine) as desk:
        await establish(desk.driver, *SHOP, *BY_HEADERS)
        assert own(await desk.driver.topology()) == set(map(repr, (*SHOP, *BY_HEADERS)))
        assert not await desk.driver.plan(topology_of(BY_HEADERS))


@check("exchanges")
async def to_declare_the_same_again_is_nothing(engine: Engine) -> None:
    async with sit(engine) as desk:
        await establish(desk.driver, *SHOP)
        assert await establish(desk.driver, *SHOP) == []
        assert await establish(desk.driver, *SHOP[::-1]) == []
        assert not await desk.driver.plan(await desk.driver.topology())
        assert own(await desk.driver.topology()) == set(map(repr, SHOP))


@check("exchanges", "kept")
async def all_of_it_is_there_after_reopening(engine: Engine) -> None:
    async with sit(engine) as desk:
        await establish(desk.driver, *SHOP)
        before = await desk.driver.topology()
    async with sit(engine) as desk:
        assert await desk.driver.topology() == before
        assert not await desk.driver.plan(topology_of(SHOP))


@check("exchanges")
async def a_conflict_is_told_in_words_and_nothing_of_its_plan_is_done(engine: Engine) -> None:
    otherwise: list[tuple[Thing, str, str]] = [
        (Queue("media", carries="messages"), "media", "carries is 'tasks' there and 'messages' here"),
        (Queue("audit", carries="events", ttl_s=61.0), "audit", "ttl_s is 60.5 there and 61.0 here"),
        (
            Queue("kernel", "messages", exclusive=True, priority_max=9),
            "kernel",
            "exclusive is False there and True here",
        ),
        (Exchange("rest", "direct"), "rest", "kind is 'fanout' there and 'direct' here"),
        (Exchange("logs", "topic"), "logs", "alternate is 'rest' there and '' here"),
    ]
    async with sit(engine) as desk:
        await establish(desk.driver, *SHOP)
        for thing, name, words in otherwise:
            more: tuple[Thing, ...] = (Queue("new"), Exchange("new"), thing, Binding("new", "new", "#"))
            planned = await desk.driver.plan(topology_of(more))
            (conflict,) = [change for change in planned if change.action == "conflict"]
            assert name in conflict.words and words in conflict.words
            said = await raises(TopologyConflict, lambda planned=planned: desk.driver.apply(planned))  # type: ignore[misc]
            assert name in said and words in said and "Declare it alike" in said
        assert own(await desk.driver.topology()) == set(map(repr, SHOP))


@check()
async def a_queue_that_left_it_open_is_told_what_it_carries(engine: Engine) -> None:
    async with sit(engine, declares=[Queue("media")]) as desk:
        (change,) = await establish(desk.driver, Queue("media", carries="tasks"))
        assert change.action == "alter"
        assert own(await desk.driver.topology()) == {repr(Queue("media", carries="tasks"))}
        assert await establish(desk.driver, Queue("media")) == []
        await raises(TopologyConflict, lambda: establish(desk.driver, Queue("media", carries="events")))


@check("shared", "exchanges")
async def two_that_planned_the_same_may_both_apply_it(engine: Engine) -> None:
    async with sit(engine) as one, sit(engine) as other:
        plans = [await desk.driver.plan(topology_of(SHOP)) for desk in (one, other)]
        await at_once(one.driver.apply(plans[0]), other.driver.apply(plans[1]))
        assert own(await one.driver.topology()) == own(await other.driver.topology()) == set(map(repr, SHOP))


@check("shared")
async def of_two_that_planned_otherwise_the_second_is_refused(engine: Engine) -> None:
    async with sit(engine) as one, sit(engine) as other:
        plans = [
            await desk.driver.plan(Topology((Queue("media", ttl_s=ttl_s), Queue(f"beside-{ttl_s:g}"))))
            for desk, ttl_s in ((one, 5.0), (other, 6.0))
        ]
        await one.driver.apply(plans[0])
        assert "ttl_s" in await raises(TopologyConflict, lambda: other.driver.apply(plans[1]))
        assert own(await other.driver.topology()) == {repr(Queue("media", ttl_s=5.0)), repr(Queue("beside-5"))}


@check("exchanges")
async def a_binding_to_what_is_not_there_is_refused(engine: Engine) -> None:
    async with sit(engine, declares=[Exchange("x", "fanout"), Queue("here")]) as desk:
        for binding in (Binding("x", "gone"), Binding("gone", "here"), Binding("x", "here", to_exchange=True)):
            said = await raises(NotFound, lambda binding=binding: establish(desk.driver, binding))  # type: ignore[misc]
            assert "gone" in said or "'here'" in said
        assert (await desk.driver.topology()).bindings == ()


@check("exchanges", "operating")
async def one_binding_is_removed_and_only_that(engine: Engine) -> None:
    async with sit(engine) as desk:
        await establish(desk.driver, *SHOP)
        for other in (
            Binding("logs", "kernel", "kern.#"),
            Binding("logs", "kernel"),
            Binding("gone", "kernel", "kern.*"),
        ):
            assert await desk.operating.unbind(other) is False
        gone = Binding("logs", "kernel", "kern.*")
        assert await desk.operating.unbind(gone) is True
        assert await desk.operating.unbind(gone) is False
        assert own(await desk.driver.topology()) == set(map(repr, SHOP)) - {repr(gone)}


@check("exchanges", "operating")
async def an_exchange_goes_with_its_bindings_and_those_to_it(engine: Engine) -> None:
    async with sit(engine) as desk:
        await establish(desk.driver, *SHOP)
        await desk.operating.delete_exchange("one")
        gone = {"Exchange(name='one'", "Binding(exchange='one'", "Binding(exchange='logs', to='one'"}
        left = {repr(thing) for thing in SHOP if not any(repr(thing).startswith(each) for each in gone)}
        assert own(await desk.driver.topology()) == left
        assert "wrong" in await raises(NotFound, lambda: desk.operating.delete_exchange("wrong"))
        (answer,) = await desk.publish("logs", message(b"1"), key="user.audit")
        assert isinstance(answer, Receipt)
        assert answer.routed == 1, "it went to the alternate"


@check("exchanges", "operating")
async def an_exported_topology_makes_the_same_elsewhere(engine: Engine) -> None:
    """Taken down and made again from what was exported: it is the same, and it routes."""
    async with sit(engine) as desk:
        await establish(desk.driver, *SHOP)
        exported = await desk.driver.topology()
        for name in ("media", "audit", "kernel"):
            await desk.operating.delete_queue(name)
        for name in ("logs", "rest", "one"):
            await desk.operating.delete_exchange(name)
        assert own(await desk.driver.topology()) == set()
        await desk.driver.apply(await desk.driver.plan(exported))
        assert own(await desk.driver.topology()) == own(exported)
        await desk.publish("logs", message(b"1"), key="kern.info")
        depth = await desk.depth("kernel")
        assert depth.ready == 1


@check("exchanges")
async def many_bindings_are_made_and_found(engine: Engine) -> None:
    things: list[Thing] = [Exchange("x"), *(Queue(f"q{n}") for n in range(10))]
    bound = [Binding("x", f"q{n % 10}", f"shop.n{n}.*") for n in range(3_000)]
    async with sit(engine, "q7", declares=[*things, *bound]) as desk:
        assert not await desk.driver.plan(topology_of([*things, *bound]))
        await desk.publish("x", message(b"1"), key="shop.n2997.sold")
        assert bodies(await desk.take(1)) == [1]
