"""What operators do to both, and how both are compared."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import invariant
from tests.model import shapes
from tests.model.machine import ALL, Machine
from tests.model.reference import Entry

from postroad.core.topology import Topology
from postroad.core.writes import Absent, Committed, Condition, Conflict, Delete, Document, Put, Tagged
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.ports.driver import DeadLetterRecord, Located, QueueDepth, Seat


class EngineMachine(Machine):
    """On a file; `MemoryMachine` has one driver for all, and nobody dies."""

    # Routes

    def bind(self, data: st.DataObject) -> None:
        binding = data.draw(shapes.BINDINGS)
        self.run(self.declare(Topology(bindings=(self.declared(binding),))))
        self.reference.bindings.add(binding)

    def unbind(self, data: st.DataObject) -> None:
        binding = data.draw(
            st.one_of(shapes.BINDINGS, st.sampled_from(sorted(self.reference.bindings) or [("f", "", "b")]))
        )
        assert self.run(self.main.unbind(self.declared(binding))) == (binding in self.reference.bindings)
        self.reference.bindings.discard(binding)

    # Messages

    def cancel(self, data: st.DataObject) -> None:
        known = [*sorted({entry.id for entry in self.reference.entries.values()}), "nobody"]
        ids = data.draw(st.sets(st.sampled_from(known), max_size=3))
        assert sorted(self.run(self.main.cancel(sorted(ids), "why"))) == self.reference.cancel(ids)

    def purge(self, data: st.DataObject) -> None:
        queue, limit = data.draw(shapes.TAKEN_FROM), data.draw(st.integers(0, 3))
        assert self.run(self.main.purge(queue, limit)) == self.reference.purge(queue, limit)

    # Dead letters

    def redrive(self, data: st.DataObject) -> None:
        limit = data.draw(st.integers(0, 4))
        redriven = self.run(self.main.redrive(ALL, limit))
        assert (redriven.count, bool(redriven.refused)) == self.reference.redrive(limit)

    def delete_dead(self, data: st.DataObject) -> None:
        limit = data.draw(st.integers(0, 1))
        assert self.run(self.main.delete_dead(ALL, limit)) == len(self.reference.dead[:limit])
        del self.reference.dead[:limit]

    def edit_dead(self, data: st.DataObject) -> None:
        letters = self.letters()
        if letters:
            place = data.draw(st.integers(0, len(letters) - 1))
            body = data.draw(st.sampled_from([b"edited", b"\xff"]))
            self.run(self.main.edit_dead(letters[place].number, body, None))
            entry = self.reference.dead[place]
            entry.edited |= entry.body != body
            entry.body = body

    def carry_dead(self, data: st.DataObject) -> None:
        """The oldest is exported, deleted and taken in again: it is the newest now."""
        letters = self.letters()
        if letters:
            assert self.run(self.main.delete_dead(ALL, 1)) == 1
            assert [self.run(self.main.import_dead(letters[:1])) for _ in range(2)] == [1, 0]
            self.reference.dead.append(self.reference.dead.pop(0))

    def letters(self) -> list[DeadLetterRecord]:
        """Oldest first."""
        return list(self.run(self.main.dead_letters(ALL, 10_000)))[::-1]

    # Documents

    def commit(self, data: st.DataObject) -> None:
        keys = st.sampled_from(["1", "2", "3"])
        expiries = st.sampled_from([None, None, self.reference.now + 1.0, self.reference.now + 5.0])
        put = st.builds(Put, st.just("d"), keys, st.sampled_from(["1", "{}"]), st.sampled_from(["", "T"]), expiries)
        writes = data.draw(st.lists(put | st.builds(Delete, st.just("d"), keys), max_size=3))
        tagged = st.builds(Tagged, st.just("d"), keys, st.sampled_from([("T",), ("", "T"), ("",)]))
        require = data.draw(st.lists(st.builds(Absent, st.just("d"), keys) | tagged, max_size=1))
        broken = [each for each in require if not self.holds(each)]
        assert self.run(self.main.commit(writes, require)) == (Conflict(broken[0]) if broken else Committed())
        for write in [] if broken else writes:
            self.reference.documents.pop(f"d/{write.key}", None)
            if isinstance(write, Put):
                self.reference.documents[f"d/{write.key}"] = (write.tag, write.value, write.expires_at)

    def holds(self, condition: Condition) -> bool:
        present = self.reference.visible().get(f"d/{condition.key}")
        return (
            present is None if isinstance(condition, Absent) else present is not None and present[0] in condition.tags
        )

    # Both must look the same

    @invariant()
    def both_look_the_same(self) -> None:
        if hasattr(self, "main"):
            self.run(self.compare())

    async def compare(self) -> None:
        self.compare_messages(await self.main.list_messages(None, 10_000))
        self.compare_dead(await self.main.dead_letters(ALL, 10_000))
        self.compare_documents([*await self.main.scan("d"), *await self.main.scan("end", limit=10_000)])
        self.compare_depths(await self.main.queues())
        assert (await self.main.counters())["unrouted"] == self.reference.unrouted

    def compare_messages(self, listed: Sequence[Located]) -> None:
        found = {
            (each.queue, each.message.id): (each.place, each.attempt, each.crashes, each.due_at) for each in listed
        }
        assert found == {(entry.queue, entry.id): self.facts(entry) for entry in self.reference.entries.values()}
        assert len(listed) == len(self.reference.entries)

    def facts(self, entry: Entry) -> tuple[str, int, int, float | None]:
        place = entry.place if entry.place in ("held", "delayed") else "ready"
        return (place, entry.attempt, entry.crashes, entry.due_at if place == "delayed" else None)

    def compare_dead(self, letters: Sequence[DeadLetterRecord]) -> None:
        found = [
            (each.source, each.message.id, each.message.body, each.attempt, each.crashes, each.deaths, each.edited)
            for each in letters
        ]
        assert found[::-1] == [
            (entry.queue, entry.id, entry.body, entry.attempt, entry.crashes, entry.deaths, entry.edited)
            for entry in self.reference.dead
        ]

    def compare_documents(self, documents: Sequence[Document]) -> None:
        found = {f"{each.kind}/{each.key}": (each.tag, each.value, each.expires_at) for each in documents}
        assert found == self.reference.visible()

    def compare_depths(self, depths: Sequence[QueueDepth]) -> None:
        for depth in depths:
            places = [self.facts(e)[0] for e in self.reference.entries.values() if e.queue == depth.queue]
            dead = sum(entry.queue == depth.queue for entry in self.reference.dead)
            counted = (depth.ready, depth.delayed, depth.in_flight, depth.dead)
            assert counted == (places.count("ready"), places.count("delayed"), places.count("held"), dead)


class MemoryMachine(EngineMachine):
    """One driver in memory for all: quicker, so there are more examples. Nobody dies, nothing is opened again."""

    acts = st.sampled_from(shapes.LIVING)

    def new_driver(self, seat: Seat | None = None) -> SqliteDriver:
        return SqliteDriver(None, clock=self.clock)

    def join(self) -> None:
        self.take_in(self.main, None)
