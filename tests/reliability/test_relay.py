"""The relay: in order, each once, past what can never go, and not past a full queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.reliability.engines import QUEUE, Bench, auntil, bodies, send
from tests.reliability.shops import Shop

from postroad import App, errors
from postroad.core.message import BODY_BYTES_MAX, Address, Message, Send
from postroad.core.routing import EVENTS
from postroad.core.topology import Binding, Exchange, Queue
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.reliability import ledger, tables
from postroad.reliability.databases import Database
from postroad.reliability.lease import Lease
from postroad.reliability.ledger import BATCH
from postroad.reliability.origins import Origin, by_url
from postroad.reliability.outbox import OutboxWriter
from postroad.reliability.relay import Relay
from postroad.reliability.rows import rows_of
from postroad.reliability.waves import waves


def write(face: Database, sends: Sequence[Send], *, commit: bool = True) -> None:
    OutboxWriter(face, None).write(face, sends)
    if commit:
        face.commit()


def failed(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.ask("SELECT seq, failed_reason FROM postroad_outbox WHERE failed_at IS NOT NULL ORDER BY seq")


def test_more_than_a_batch_in_order(either: Shop, bench: Bench) -> None:
    _connection, face = either.open()
    count = 2 * BATCH + 7
    write(face, [send(str(number), f"key {number % 10}") for number in range(count)])
    assert bench.relay(either.url) == count
    by_key: dict[int, list[int]] = {}
    for body in bench.bodies():
        by_key.setdefault(int(body) % 10, []).append(int(body))
    assert by_key == {key: list(range(key, count, 10)) for key in range(10)}
    assert either.waiting() == 0 and bench.relay(either.url) == 0


def test_a_batch_is_bounded_in_bytes(either: Shop, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    _connection, face = either.open()
    write(face, [send("x" * 20_000) for _ in range(10)])
    monkeypatch.setattr(tables, "READ_BYTES_MAX", 60_000)
    assert len(ledger.read(face)) == 3
    assert bench.relay(either.url) == 10


def test_a_number_seen_late_is_relayed_and_what_follows_a_commit_follows_it(postgres_url: str, bench: Bench) -> None:
    """Two transactions at once: the lower number is committed after the higher one. Of one key, whoever writes after
    another's commit is relayed after it."""
    from tests.reliability.shops import psycopg_shop

    shop = psycopg_shop(postgres_url).make()
    (_one, slow), (_two, quick), (_three, later) = shop.open(), shop.open(), shop.open()
    write(slow, [send("slow", "a")], commit=False)
    write(quick, [send("quick", "b")])
    assert bench.relay(shop.url) == 1
    slow.commit()
    write(later, [send("later", "a"), send("latest", "b")])
    assert bench.relay(shop.url) == 3
    assert bench.bodies() == ["quick", "slow", "later", "latest"]
    shop.close()


class DyingAtDelete:
    """The user's database, whose connection breaks when the relay, having published, deletes for the ``at``-th time."""

    def __init__(self, inside: Database, at: int) -> None:
        self.inside = inside
        self.at = at

    def execute(self, sql: str, rows: Sequence[Any]) -> int:
        if sql.startswith("DELETE"):
            self.at -= 1
            if not self.at:
                raise ConnectionError("the connection broke")
        return self.inside.execute(sql, rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inside, name)


class Broken(Origin, frozen=True):
    """Opens connections that break."""

    wrap: Callable[[Database], Any] = DyingAtDelete

    def open(self) -> Database:
        opened: Database = self.wrap(super().open())
        return opened


@pytest.mark.parametrize("at", [1, 2, 3])
def test_dying_between_publishing_and_deleting_repeats_nothing(either: Shop, bench: Bench, at: int) -> None:
    _connection, face = either.open()
    count = 2 * BATCH + 100
    write(face, [send(str(number), "key") for number in range(count)])
    whole = by_url(either.url)
    with pytest.raises(ConnectionError):
        bench.relay(Broken(whole.name, whole.connect, whole.file, lambda inside: DyingAtDelete(inside, at)))
    assert either.waiting() == count - (at - 1) * BATCH
    assert bench.relay(either.url) == count - (at - 1) * BATCH
    assert bench.bodies() == [str(number) for number in range(count)]


def test_what_can_never_go_is_set_aside_and_blocks_nobody(either: Shop, bench: Bench) -> None:
    _connection, face = either.open()
    write(face, [send("1", "key"), send("2", "key", to="nowhere"), send("3", "key")])
    (row,) = rows_of([send("4")], BODY_BYTES_MAX)
    garbage = [
        "no JSON",
        '{"to": 1}',
        row["payload"].replace('"priority":4', '"priority":400'),
        row["payload"].replace('"headers":{}', '"headers":{"a":"%s"}' % ("x" * 70_000)),
        row["payload"].replace('"body":"', '"body":"not base64'),
    ]
    face.execute(tables.INSERT, [{**row, "payload": payload} for payload in garbage])
    huge = Send(Address(QUEUE), Message("huge", b"x" * (BODY_BYTES_MAX + 1)))
    face.execute(tables.INSERT, [{**row, "payload": rows_of([huge], BODY_BYTES_MAX + 1)[0]["payload"]}])
    face.commit()
    write(face, [send("5")])
    assert bench.relay(either.url) == 10
    assert bench.bodies() == ["1", "3", "5"]
    reasons = [reason for _seq, reason in failed(either)]
    assert len(reasons) == 7 and either.waiting() == 0
    assert "nowhere" in reasons[0] and "over the limit" in reasons[4] and "over the limit" in reasons[6]


def test_set_aside_can_be_sent_again(either: Shop, bench: Bench) -> None:
    _connection, face = either.open()
    write(face, [send("1", to="later")])
    assert bench.relay(either.url) == 1 and len(failed(either)) == 1
    face.execute("UPDATE postroad_outbox SET failed_at = NULL", [{}])
    face.commit()
    assert bench.relay(either.url, Queue("later")) == 1
    assert bench.bodies("later") == ["1"] and failed(either) == []


@pytest.mark.parametrize("overflow", ["block", "reject"])
def test_a_full_queue_waits_and_its_keys_with_it(either: Shop, bench: Bench, overflow: str) -> None:
    """Both keys have something for the full queue, then for the other one, where it must not overtake."""
    queues = (Queue("small", max_length=2, overflow=overflow), Queue("wide"))
    _connection, face = either.open()
    write(face, [send(str(number), "a", to="small") for number in range(3)])
    write(face, [send("wide a", "a", to="wide"), send("wide b", "b", to="wide"), send("no key", to="wide")])
    assert bench.relay(either.url, *queues) == 4
    assert either.waiting() == 2
    assert bench.bodies("small") == ["0", "1"] and sorted(bench.bodies("wide")) == ["no key", "wide b"]
    assert bench.run(lambda driver: driver.purge("small")) == 2
    assert bench.relay(either.url, *queues) == 2
    assert bench.bodies("small") == ["2"]
    assert [body for body in bench.bodies("wide") if body.endswith("a")] == ["wide a"]


def test_to_an_exchange_each_queue_once(either: Shop, bench: Bench) -> None:
    async def declared(driver: SqliteDriver) -> None:
        from postroad.core.topology import Topology

        topology = Topology(
            (Queue("one"), Queue("two")),
            (Exchange(EVENTS, "topic"),),
            (Binding(EVENTS, "one", "order.*"), Binding(EVENTS, "two", "#")),
        )
        await driver.apply(await driver.plan(topology))

    bench.run(declared)
    _connection, face = either.open()
    event = Send(Address("order.made", EVENTS), Message("e1", b'"e1"', key="k"))
    nobody = Send(Address("order.made", EVENTS), Message("e2", b'"e2"'), mandatory=True)
    write(face, [event, nobody, event])
    assert bench.relay(either.url) == 3
    assert bench.bodies("one") == ["e1", "e2"] and bench.bodies("two") == ["e1", "e2"]


def test_one_relay_at_a_time_and_the_next_at_once_when_it_ends(either: Shop, bench: Bench) -> None:
    async def scenario(driver: SqliteDriver) -> None:
        first, second = (Relay(by_url(either.url), lambda: bench.file) for _ in range(2))
        running = asyncio.create_task(first(driver))
        await auntil(lambda: driver.get("lease", [f"outbox:{first.origin.name}"]), "the first leads")
        with pytest.raises(errors.NotSupported, match="Another relay"):
            await second.drain(driver)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await second.drain(driver) == 0

    bench.run(scenario)


def test_a_lease_that_is_not_renewed_goes_to_the_next(bench: Bench) -> None:
    async def scenario(driver: SqliteDriver) -> None:
        short, other = Lease(driver, "x", lease_s=0.2, renew_s=0.05), Lease(driver, "x")
        assert await short.take() and not await other.take()
        assert await short.keep() and short.held
        await auntil(other.take, "the other has it")
        assert not short.held and not await short.keep() and not await short.take()
        await short.give_back()
        assert await other.keep() and other.held
        await other.give_back()
        assert await short.take()

    bench.run(scenario)


def test_a_database_that_is_away_is_asked_again(
    either: Shop, bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the lease is given back meanwhile, for a worker that can reach it."""
    from postroad.reliability import relay

    monkeypatch.setattr(relay, "FAILURE_REST_S", 0.05)
    whole, tries = by_url(either.url), iter(range(100))

    class Away(Origin, frozen=True):
        def open(self) -> Database:
            if next(tries) < 3:
                raise ConnectionError("no route to host")
            return super().open()

    async def scenario(driver: SqliteDriver) -> None:
        one = Relay(Away(whole.name, whole.connect, whole.file), lambda: None)
        running = asyncio.create_task(one(driver))
        await auntil(lambda: bodies(driver), "it is relayed")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    _connection, face = either.open()
    write(face, [send("1")])
    bench.run(scenario)
    assert "no route to host" in caplog.text and "its rows stay" in caplog.text


def test_portions_keep_a_keys_addresses_apart() -> None:
    sends = [send("1", "a"), send("2", "a"), send("3", "a", "other"), send("4", "b"), send("5"), send("6", "a")]
    found = [[one[0] for one in portion] for portion in waves(enumerate(sends, 1))]
    assert found == [[1, 2, 4, 5], [3], [6]]


def test_a_worker_whose_outbox_would_be_the_engines_file_does_not_start(engine_url: str) -> None:
    app = App(engine_url, outbox=engine_url)

    @app.task(name="work")
    def work() -> None: ...

    with app, pytest.raises(errors.SecondSQLite, match="a file of their own"), app.worker():
        pass


@pytest.mark.parametrize(
    "wrong", ["mysql://x", "sqlite://", "sqlite:///", "shop.db", 5, [], ["sqlite:///a.db", "sqlite:///a.db"], [None]]
)
def test_what_is_no_outbox(wrong: Any) -> None:
    with pytest.raises(errors.ConfigurationError):
        App("memory://", outbox=wrong)


def test_an_outbox_by_a_function(either: Shop, engine_url: str) -> None:
    with App(engine_url, outbox=either.connect) as app:
        queue, seen = app.queue("raw"), []

        @queue.consumer()
        def taken(body: int) -> None:
            seen.append(body)

        connection, face = either.open()
        app.outbox(connection).put(queue, 1)
        face.commit()
        with app.worker(threads=1):
            asyncio.run(auntil(lambda: answered(seen), "handled"))
    assert seen == [1]


async def answered(value: Any) -> Any:
    return value
