"""What goes through an outbox leaves with the user's transaction, and only with it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import scoped_session, sessionmaker
from tests.reliability.engines import Bench, send, until
from tests.reliability.shops import Shop

from postroad import App, Event, Middleware, Send, errors

RELAYED_S = 20.0


class Ordered(Event, type="order.made", key="id"):
    id: str


class Shopkeeper:
    """An app with a handler of each kind, and what they were given."""

    def __init__(self, url: str, outbox: Any = None) -> None:
        self.app = App(url, outbox=outbox)
        self.seen: list[str] = []
        self.queue = self.app.queue("raw")

        @self.app.task(name="pack")
        def pack(order: str) -> str:
            self.seen.append(f"task {order}")
            return f"packed {order}"

        @self.queue.consumer()
        def taken(body: dict[str, str]) -> None:
            self.seen.append(f"queue {body['order']}")

        @self.app.subscribe(Ordered, group="stock")
        def heard(event: Ordered) -> None:
            self.seen.append(f"event {event.id}")

        self.pack = pack


@pytest.fixture
def keeper(engine_url: str, shop: Shop) -> Any:
    keeper = Shopkeeper(engine_url, shop.url)
    with keeper.app:
        yield keeper


def test_each_verb_leaves_when_the_transaction_is_committed(keeper: Shopkeeper, shop: Shop) -> None:
    connection, face = shop.open()
    outbox = keeper.app.outbox(connection)
    with keeper.app.worker(threads=1):
        shop.order(face, "1")
        result = outbox.delay(keeper.pack, "1")
        outbox.put(keeper.queue, {"order": "1"})
        outbox.put("raw", {"order": "2"})
        outbox.publish(Ordered(id="1"))
        assert result.status().state == "PENDING"
        assert keeper.seen == [] and shop.orders() == []
        face.commit()
        assert result.get(timeout=RELAYED_S) == "packed 1"
        until(lambda: len(keeper.seen) == 4, "all four are handled")
    assert sorted(keeper.seen) == ["event 1", "queue 1", "queue 2", "task 1"]
    until(lambda: shop.waiting() == 0, "nothing waits")


def test_in_its_block_the_apps_own_verbs_go_there(keeper: Shopkeeper, shop: Shop) -> None:
    connection, face = shop.open()
    with keeper.app.outbox(connection):
        result = keeper.pack.delay("1")
        keeper.queue.put({"order": "1"})
        keeper.app.publish(Ordered(id="1"))
        keeper.app.send_many([keeper.pack.s("2"), keeper.pack.s("3")])
    face.commit()
    assert shop.waiting() == 5
    keeper.pack.delay("now")
    assert shop.waiting() == 5
    with keeper.app.worker(threads=1):
        assert result.get(timeout=RELAYED_S) == "packed 1"
        until(lambda: len(keeper.seen) == 6, "all six are handled")


def test_rolled_back_it_never_was(keeper: Shopkeeper, shop: Shop, bench: Bench) -> None:
    connection, face = shop.open()
    with keeper.app.outbox(connection):
        shop.order(face, "1")
        keeper.pack.delay("1")
        keeper.app.publish(Ordered(id="1"))
    face.rollback()
    assert shop.orders() == [] and shop.waiting() == 0
    assert bench.relay(shop.url) == 0


def test_a_result_that_was_rolled_back_is_not_waited_for(
    keeper: Shopkeeper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroad.app.outboxes.PENDING_S", 0.3)
    connection, face = shop.open()
    result = keeper.app.outbox(connection).delay(keeper.pack, "1")
    assert result.status().state == "PENDING"
    face.rollback()
    with pytest.raises(errors.NotFound):
        result.get(timeout=RELAYED_S)


def test_another_thread_is_not_in_the_block(app: App, empty_shop: Shop) -> None:
    queue = app.queue("raw")
    connection, face = empty_shop.make().open()
    with app.outbox(connection):
        other = threading.Thread(target=queue.put, args=({},))
        other.start()
        other.join()
    face.commit()
    assert empty_shop.waiting() == 0 and queue.depth() == 1


def test_a_coroutine_that_outlives_the_block_sends_as_ever(app: App, empty_shop: Shop) -> None:
    queue = app.queue("raw")
    connection, face = empty_shop.make().open()

    async def late(over: asyncio.Event) -> None:
        await over.wait()
        await queue.aput({})

    async def main() -> None:
        over = asyncio.Event()
        with app.outbox(connection):
            task = asyncio.create_task(late(over))
            await asyncio.sleep(0)
            await queue.aput({"in": "side"})
        over.set()
        await task

    asyncio.run(main())
    face.commit()
    assert empty_shop.waiting() == 1 and queue.depth() == 1


def test_middleware_sees_what_goes_there(app: App, empty_shop: Shop) -> None:
    class Seeing(Middleware):
        def __init__(self) -> None:
            self.ids: list[str] = []

        def before_send(self, send: Send) -> Send:
            self.ids.append(send.message.id)
            return send

    seeing, queue = Seeing(), app.queue("raw")
    app.use(seeing)
    connection, face = empty_shop.make().open()
    id = app.outbox(connection).put(queue, {})
    face.commit()
    assert seeing.ids == [id]


def test_an_option_that_means_nothing_there_is_refused(app: App, empty_shop: Shop) -> None:
    queue = app.queue("raw")
    connection, face = empty_shop.make().open()
    with pytest.raises(errors.UsageError, match="send_now=True"):
        app.outbox(connection).put(queue, {}, send_now=True)
    with pytest.raises(errors.UsageError, match="timeout="):
        app.outbox(connection).put(queue, {}, timeout=5)
    face.commit()
    assert empty_shop.waiting() == 0


def test_an_id_in_the_inbox_comes_first_once(app: App, shop: Shop) -> None:
    connection, face = shop.open()
    inbox = app.inbox(connection)
    assert inbox.first("a") and not inbox.first("a")
    assert inbox.first("a", scope="another group")
    face.rollback()
    assert inbox.first("a")
    face.commit()
    other, _face = shop.open()
    assert not app.inbox(other).first("a") and app.inbox(other).first("b")


def test_two_groups_of_one_event_each_see_it_first(engine_url: str, empty_shop: Shop) -> None:
    app, effects = App(engine_url), []
    empty_shop.make()

    def effect(group: str, event: Ordered) -> None:
        from postroad import current

        connection, face = empty_shop.open()
        if app.inbox(connection).first(current.message.id):
            effects.append(f"{group} {event.id}")
        face.commit()

    for group in ("stock", "billing"):
        app.subscribe(Ordered, group=group)(named(group, effect))
    with app, app.worker(threads=1):
        app.publish(Ordered(id="1"))
        until(lambda: len(effects) == 2, "both groups")
    assert sorted(effects) == ["billing 1", "stock 1"]


def work() -> None: ...


def named(group: str, effect: Any) -> Any:
    def handler(event: Ordered) -> None:
        effect(group, event)

    handler.__qualname__ = handler.__name__ = group
    return handler


def test_a_session_that_is_awaited(app: App, tmp_path: Path, postgres_url: str) -> None:
    queue, task = app.queue("raw"), app.task(name="work")(work)

    async def written(url: str) -> list[int]:
        engine = create_async_engine(url)
        async with AsyncSession(engine) as session:
            outbox, inbox = app.outbox(session), app.inbox(session)
            await outbox.aput(queue, {"a": 1})
            await outbox.adelay(task)
            await outbox.asend(send("c"))
            assert await inbox.afirst("a") and not await inbox.afirst("a")
            with pytest.raises(errors.UsageError, match="is awaited"):
                outbox.put(queue, {})
            with pytest.raises(errors.UsageError, match="is awaited"):
                inbox.first("b")
            await session.commit()
            await outbox.aput(queue, {"a": 1})
            await session.rollback()
            rows = await session.execute(text("SELECT COUNT(*) FROM postroad_outbox"))
            counts = [int(rows.scalar_one())]
        await engine.dispose()
        return counts

    made_at(f"sqlite:///{tmp_path / 'shop.db'}")
    made_at(postgres_url)
    assert asyncio.run(written(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")) == [3]
    assert asyncio.run(written(postgres_url.replace("postgresql://", "postgresql+psycopg://"))) == [3]


def made_at(url: str) -> None:
    from postroad.reliability import ledger
    from postroad.reliability.origins import by_url

    face = by_url(url, make=True).open()
    ledger.make_tables(face)
    face.close()


def test_a_scoped_session_is_its_session(app: App, tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    made_at(f"sqlite:///{tmp_path / 'shop.db'}")
    session = scoped_session(sessionmaker(create_engine(f"sqlite:///{tmp_path / 'shop.db'}")))
    app.outbox(session).send(send("a"))
    assert session.execute(text("SELECT COUNT(*) FROM postroad_outbox")).scalar_one() == 1
    session.remove()
