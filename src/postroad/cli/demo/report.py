"""What the demo says at its end, and whether it is verified."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from postroad.cli.demo.conductor import Conducted
from postroad.cli.demo.heard import Heard
from postroad.cli.demo.totals import Totals
from postroad.cli.output import several

SUMMED = ("files", "lines", "words", "functions", "classes")
COUNTED = (*SUMMED, "modules", "repeats")


class Row(msgspec.Struct, frozen=True):
    """One total, counted three times. ``catalogue``: only what is in there. ``to ...``: files a group of subscribers heard of."""

    name: str
    tasks: int
    catalogue: int | None
    one_process: int
    agrees: bool


class Report(msgspec.Struct, frozen=True):
    """Everything the demo found. ``verified``: every total agrees."""

    root: str
    rows: tuple[Row, ...]
    conducted: Conducted
    recount_seconds: float
    verified: bool


def made(root: Path, conducted: Conducted, recount: Totals, recount_seconds: float) -> Report:
    rows = tuple(row(name, conducted, recount) for name in COUNTED)
    same_files = conducted.kept.totals.undecodable == recount.undecodable
    undecodable = Row("undecodable", len(conducted.kept.totals.undecodable), None, len(recount.undecodable), same_files)
    rows = (*rows, undecodable, *(heard_row(group, found, recount) for group, found in conducted.heard.items()))
    return Report(str(root), rows, conducted, recount_seconds, all(one.agrees for one in rows))


def row(name: str, conducted: Conducted, recount: Totals) -> Row:
    """The engine's counters belong to this run alone only if the engine was empty before."""
    by_tasks, by_one = getattr(conducted.kept.totals, name), getattr(recount, name)
    in_catalogue = conducted.catalogue[SUMMED.index(name)] if name in SUMMED else None
    comparable = name != "repeats" or conducted.fresh
    agrees = not comparable or (by_tasks == by_one and in_catalogue in (None, by_one))
    return Row(name, by_tasks, in_catalogue, by_one, agrees)


def heard_row(group: str, found: Heard, recount: Totals) -> Row:
    """Every file that was indexed was told to the group, and no other; its lines prove that it was these."""
    agrees = (found.files, found.lines) == (recount.files, recount.lines)
    return Row(f"to {group.removeprefix('demo-')}", found.files, None, recount.files, agrees)


def lines(report: Report) -> list[str]:
    """For people."""
    conducted = report.conducted
    kill, kept = conducted.kill, conducted.kept
    done = ", ".join(f"{name} {count:,}" for name, count in kept.done.items())
    back = "" if kill.back_after_s is None else f", back at work after {kill.back_after_s:.1f} s"
    return [
        "",
        f"tasks         {sum(kept.done.values()):,} done: {done}",
        f"events        {told(conducted.heard)}",
        f"killed        {kill.processes} processes at {kill.files_done:,} files, while {several(kill.running, 'task')} ran",
        f"restarts      1{back}",
        f"retries       {kept.retries:,} (the catalogue was locked by another task)",
        f"repeats       {kept.totals.repeats:,} sends recognised by the inbox",
        f"dead letters  {len(kept.letters):,}",
        *reasons(report),
        "",
        *table(report),
        "",
        f"{conducted.seconds:.1f} s by tasks in 2 children, with a kill; {report.recount_seconds:.1f} s in one process",
        verdict(report),
    ]


def told(heard: dict[str, Heard]) -> str:
    groups = " and ".join(f"{name.removeprefix('demo-')} ({found.files:,})" for name, found in heard.items())
    longest = max(heard.values(), key=lambda found: found.largest_lines)
    return f"file.indexed to the groups {groups}; the longest file: {longest.largest}, {longest.largest_lines:,} lines"


def reasons(report: Report) -> list[str]:
    letters = report.conducted.kept.letters
    return [
        f"  {count:>4,} x {reason}" for reason, count in Counter(letter.reason for letter in letters).most_common(10)
    ]


def table(report: Report) -> list[str]:
    head = f"{'':<12} {'by tasks':>12} {'catalogue':>12} {'one process':>12}"
    return [head, *(table_row(row) for row in report.rows)]


def table_row(row: Row) -> str:
    catalogue = "" if row.catalogue is None else f"{row.catalogue:,}"
    mark = "equal" if row.agrees else "DIFFERENT"
    return f"{row.name:<12} {row.tasks:>12,} {catalogue:>12} {row.one_process:>12,}  {mark}"


def verdict(report: Report) -> str:
    if report.verified:
        return (
            "verified: tasks and subscribers counted what one process counts; nothing was lost, nothing counted twice"
        )
    wrong = ", ".join(row.name for row in report.rows if not row.agrees)
    return f"NOT VERIFIED: {wrong} differ"
