"""Dead letters, as an app's users see them: of one source, or of all."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import msgspec

from postroad.core.codec import checked_headers
from postroad.core.durations import Duration, seconds
from postroad.engine.asking import Question, aask, ask, inspectable, operable
from postroad.engine.bodies import encoded
from postroad.engine.checks import checked_count, timestamp
from postroad.engine.errortypes import qualified_name
from postroad.engine.letterfile import read_letters, written
from postroad.engine.rates import per_second
from postroad.engine.route import Owner
from postroad.errors import InvalidOption, NotFound
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Driver, Redriven
from postroad.ports.store import Store

T = TypeVar("T")

PAGE = 500
CHUNK = 10_000

Moment = datetime | Duration
"""A moment, or how long ago: "1h" is an hour ago."""


class Choice(TypedDict, total=False):
    """Which letters: see DeadLetters."""

    error_type: type[BaseException] | str | None
    fingerprint: str | None
    reason: str | None
    id: str | None
    number: int | None
    since: Moment | None
    until: Moment | None


class DeadLetterGroup(msgspec.Struct, frozen=True):
    """Letters that died of the same thing in the same source. ``reason``: of the newest. Times are wall-clock seconds."""

    fingerprint: str
    source: str
    error_type: str
    reason: str
    count: int
    first_at: float
    last_at: float


class DeadLetters:
    """Those of one source (``q.dead_letters``, ``task.dead_letters``), or all of an app (``app.dead_letters()``).

    The choices that several verbs take: ``error_type`` (an exception type or its qualified name), ``fingerprint`` (or the
    beginning of one), ``reason`` (a part of it), ``id`` (of the message), ``number`` (of the letter), and when it died:
    ``since`` and ``until``, datetimes or how long ago ("1h").
    """

    def __init__(self, owner: Callable[[], Owner], of: DeadLetterFilter) -> None:
        self.owner = owner
        self.of = of

    def peek(self, n: int = 10, **choice: Unpack[Choice]) -> list[DeadLetterRecord]:
        """The ``n`` that died last. They stay where they are. ``choice``: see DeadLetters."""
        return ask(self.owner(), newest(self.which(choice), n), "dead_letters.peek", "dead_letters.apeek(...)")

    async def apeek(self, n: int = 10, **choice: Unpack[Choice]) -> list[DeadLetterRecord]:
        """The ``n`` that died last. They stay where they are. ``choice``: see DeadLetters."""
        return await aask(self.owner(), newest(self.which(choice), n))

    def redrive(
        self, limit: int | None = None, *, rate: str | float | None = None, dry_run: bool = False, **choice: Unpack[Choice]
    ) -> Redriven:
        """Send them back to their queues, oldest first, as if new, bytes unchanged; what dies meanwhile stays dead.

        ``limit``: at most so many. ``rate``: they become ready no faster, as "100/s". ``dry_run``: only count. ``choice``: see
        DeadLetters. The answer's ``refused`` says why it stopped early: a queue is full, or gone.
        """
        act = redrive(self.which(choice), most(limit), per_second(rate), dry_run)
        return ask(self.owner(), act, "dead_letters.redrive", "dead_letters.aredrive(...)")

    async def aredrive(
        self, limit: int | None = None, *, rate: str | float | None = None, dry_run: bool = False, **choice: Unpack[Choice]
    ) -> Redriven:
        """Send them back to their queues, oldest first, as if new, bytes unchanged; what dies meanwhile stays dead.

        ``limit``: at most so many. ``rate``: they become ready no faster, as "100/s". ``dry_run``: only count. ``choice``: see
        DeadLetters. The answer's ``refused`` says why it stopped early: a queue is full, or gone.
        """
        act = redrive(self.which(choice), most(limit), per_second(rate), dry_run)
        return await aask(self.owner(), act)

    def purge(self, limit: int | None = None, *, dry_run: bool = False, **choice: Unpack[Choice]) -> int:
        """Delete them, oldest first; answers how many. ``dry_run``: only count. ``choice``: see DeadLetters."""
        act = purge(self.which(choice), most(limit), dry_run)
        return ask(self.owner(), act, "dead_letters.purge", "dead_letters.apurge(...)")

    async def apurge(self, limit: int | None = None, *, dry_run: bool = False, **choice: Unpack[Choice]) -> int:
        """Delete them, oldest first; answers how many. ``dry_run``: only count. ``choice``: see DeadLetters."""
        return await aask(self.owner(), purge(self.which(choice), most(limit), dry_run))

    def count(self, **choice: Unpack[Choice]) -> int:
        """How many there are."""
        which = self.which(choice)
        return self.ask(lambda driver: inspectable(driver).count_dead(which), "count")

    def groups(self, **choice: Unpack[Choice]) -> list[DeadLetterGroup]:
        """What they died of, most frequent first."""
        return self.ask(grouped(self.which(choice)), "groups")

    def show(self, number: int) -> DeadLetterRecord:
        """One of them, whole: its body to the byte, its attempts, its tracebacks. Raises NotFound."""
        return self.ask(only(self.which({"number": number})), "show")

    def edit(self, number: int, *, body: Any = None, headers: Mapping[str, str] | None = None) -> DeadLetterRecord:
        """Change a letter before it is redriven; what it was is kept with it. ``body``: bytes as they are, else anything with
        a JSON form. ``headers``: instead of all it had; the engine's own stay. Raises NotFound.
        """
        if body is None and headers is None:
            raise InvalidOption("edit(...): say what is to change, body= or headers=.")
        content = None if body is None else encoded(body, "The body", self.owner().body_bytes_max)[0]
        changed = None if headers is None else checked_headers(headers)
        return self.ask(edit(self.which({"number": number}), content, changed), "edit")

    def export(self, path: str | Path, **choice: Unpack[Choice]) -> int:
        """Write them to a file, one JSON object a line, oldest first; they stay where they are. Answers how many."""
        return self.ask(export(self.which(choice), Path(path)), "export")

    def import_(self, path: str | Path) -> int:
        """Take in letters that `export` wrote, also elsewhere; those that are here already are not taken again. Answers how
        many were taken. Raises Undecodable, naming the line, and NotFound for a source that is not declared here.
        """
        return self.ask(take_in(Path(path)), "import_")

    def ask(self, question: Question[T], verb: str) -> T:
        return ask(self.owner(), question, f"dead_letters.{verb}", f"asyncio.to_thread(letters.{verb}, ...)")

    def which(self, choice: Choice) -> DeadLetterFilter:
        """The choice within what this object is about. Raises InvalidOption."""
        for name in choice:
            if name not in Choice.__annotations__:
                raise InvalidOption(f"{name}=: letters are chosen by {', '.join(Choice.__annotations__)}.")
        said: dict[str, Any] = {name: value for name, value in choice.items() if value is not None}
        if isinstance(said.get("error_type"), type):
            said["error_type"] = qualified_name(said["error_type"])
        for name in ("since", "until"):
            if name in said:
                said[name] = moment(said[name], name, self.owner())
        return msgspec.structs.replace(self.of, **said)

    def __repr__(self) -> str:
        said = {name: value for name in self.of.__struct_fields__ if (value := getattr(self.of, name)) is not None}
        return f"<DeadLetters {said or 'of all sources'}>"


def moment(value: Any, option: str, owner: Owner) -> float:
    """Wall-clock seconds."""
    if isinstance(value, datetime):
        return timestamp(value, owner.tzinfo)
    if isinstance(value, str | timedelta | int | float):
        return time.time() - seconds(value, option)
    raise InvalidOption(f"{option}={value!r}: write a datetime, or how long ago, as '1h'.")


def most(limit: int | None) -> int | None:
    return None if limit is None else checked_count("limit", limit)


def newest(which: DeadLetterFilter, n: int) -> Question[list[DeadLetterRecord]]:
    limit = checked_count("n", n)

    async def question(driver: Driver) -> list[DeadLetterRecord]:
        return list(await inspectable(driver).dead_letters(which, limit))

    return question


def redrive(which: DeadLetterFilter, limit: int | None, rate_per_s: float | None, dry_run: bool) -> Question[Redriven]:
    """In chunks, so that nobody waits long for the engine; with a rate, which spans all of them, at once."""

    async def question(driver: Driver) -> Redriven:
        there = await inspectable(driver).count_dead(which)
        wanted = there if limit is None else min(limit, there)
        if dry_run or not wanted:
            return Redriven(wanted)
        before = dead_by(which, driver.now() if isinstance(driver, Store) else time.time())
        if rate_per_s is not None:
            return await operable(driver).redrive(before, wanted, rate_per_s=rate_per_s)
        return await in_chunks(driver, before, wanted)

    return question


async def in_chunks(driver: Driver, which: DeadLetterFilter, wanted: int) -> Redriven:
    count = 0
    while count < wanted:
        part = await operable(driver).redrive(which, min(CHUNK, wanted - count))
        count += part.count
        if part.refused or not part.count:
            return Redriven(count, part.refused)
    return Redriven(count)


def dead_by(which: DeadLetterFilter, now: float) -> DeadLetterFilter:
    """Not those that die again while it goes on."""
    after = math.nextafter(now, math.inf)
    return msgspec.structs.replace(which, until=after if which.until is None else min(which.until, after))


def purge(which: DeadLetterFilter, limit: int | None, dry_run: bool) -> Question[int]:
    async def question(driver: Driver) -> int:
        there = await inspectable(driver).count_dead(which)
        wanted = there if limit is None else min(limit, there)
        if dry_run:
            return wanted
        count = 0
        while count < wanted:
            deleted = await operable(driver).delete_dead(which, min(CHUNK, wanted - count))
            count += deleted
            if not deleted:
                break
        return count

    return question


def only(which: DeadLetterFilter) -> Question[DeadLetterRecord]:
    async def question(driver: Driver) -> DeadLetterRecord:
        for letter in await inspectable(driver).dead_letters(which, 1):
            return letter
        where = f" of {which.source}" if which.source else ""
        raise NotFound(f"There is no dead letter {which.number}{where}: it was redriven or deleted, or never was. See peek().")

    return question


def edit(which: DeadLetterFilter, body: bytes | None, headers: dict[str, str] | None) -> Question[DeadLetterRecord]:
    async def question(driver: Driver) -> DeadLetterRecord:
        letter = await only(which)(driver)
        return await operable(driver).edit_dead(letter.number, body, merged(letter, headers))

    return question


def merged(letter: DeadLetterRecord, headers: dict[str, str] | None) -> dict[str, str] | None:
    """Without the engine's own headers nobody would know what to do with it."""
    if headers is None:
        return None
    own = {name: value for name, value in letter.message.headers.items() if name.startswith("postroad-")}
    return own | headers


async def pages(driver: Driver, which: DeadLetterFilter) -> AsyncIterator[Sequence[DeadLetterRecord]]:
    """All of them, newest first."""
    before: int | None = None
    while page := await inspectable(driver).dead_letters(which, PAGE, before):
        yield page
        before = page[-1].number


def grouped(which: DeadLetterFilter) -> Question[list[DeadLetterGroup]]:
    async def question(driver: Driver) -> list[DeadLetterGroup]:
        found: dict[str, DeadLetterGroup] = {}
        async for page in pages(driver, which):
            for letter in page:
                found[letter.fingerprint] = enlarged(found.get(letter.fingerprint), letter)
        return sorted(found.values(), key=lambda group: -group.count)

    return question


def enlarged(group: DeadLetterGroup | None, letter: DeadLetterRecord) -> DeadLetterGroup:
    if group is None:
        died = letter.died_at
        return DeadLetterGroup(letter.fingerprint, letter.source, letter.error_type, letter.reason, 1, died, died)
    return msgspec.structs.replace(group, count=group.count + 1, first_at=letter.died_at)


def export(which: DeadLetterFilter, path: Path) -> Question[int]:
    """Oldest first, so that an import keeps their order: the pages are found newest first, and written from the last."""

    async def question(driver: Driver) -> int:
        starts = [page[0].number + 1 async for page in pages(driver, which)]
        count = 0
        with path.open("wb") as file:
            for before in reversed(starts):
                page = await inspectable(driver).dead_letters(which, PAGE, before)
                file.writelines(map(written, reversed(page)))
                count += len(page)
        return count

    return question


def take_in(path: Path) -> Question[int]:
    async def question(driver: Driver) -> int:
        count = 0
        for letters in read_letters(path, PAGE):
            count += await operable(driver).import_dead(letters)
        return count

    return question
