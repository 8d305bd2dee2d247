"""``postroad torture``: kill workers and producers again and again, and count what is lost."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from postroad.cli import exits, flags

if TYPE_CHECKING:
    from postroad.testing.torture import Verdict


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=flags.count, default=20, metavar="N", help="kills (20)")
    parser.add_argument("--tasks", type=flags.count, default=20_000, metavar="N", help="messages in all (20,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="chooses whom to kill and when (1)")
    parser.add_argument("-p", "--processes", type=flags.count, default=2, metavar="N", help="the worker's children (2)")
    parser.add_argument("-t", "--threads", type=flags.count, default=5, metavar="N", help="threads, a child (5)")
    parser.add_argument("--records", metavar="FOLDER", help="keep the records and the worker's log there")
    flags.engine(parser)
    flags.output(parser)


def run(options: argparse.Namespace) -> int:
    from postroad.app.config import engine_url
    from postroad.testing.torture import Plan, torture

    plan = Plan(
        url=engine_url(options.url),
        rounds=options.rounds,
        tasks=options.tasks,
        seed=options.seed,
        processes=options.processes,
        threads=options.threads,
        folder=options.records,
    )
    verdict = torture(plan, lambda line: print(line, file=sys.stderr, flush=True))
    show(verdict, options.output)
    return exits.FAILED if verdict.faults else exits.OK


def show(verdict: Verdict, form: str) -> None:
    if form == "text":
        print(text(verdict))
    else:
        import msgspec

        print(msgspec.json.encode(facts(verdict)).decode())


def facts(verdict: Verdict) -> dict[str, object]:
    tally, kills = verdict.tally, verdict.kills
    return {
        "rounds": verdict.rounds, "seed": verdict.seed, "seconds": verdict.seconds,
        "attempted": tally.attempted, "confirmed": tally.confirmed, "handled": tally.handled,
        "lost": tally.lost, "duplicated": tally.duplicated, "unexpected": tally.unexpected,
        "depth": verdict.depth, "dead": verdict.dead, "results": len(tally.kept), "results_lost": verdict.results_lost,
        "orphans": verdict.orphans, "kills": kills, "messages": tally.messages, "starts": tally.starts,
        "starts_max": verdict.starts_max, "slots": verdict.slots, "faults": verdict.faults,
    }  # fmt: skip


def text(verdict: Verdict) -> str:
    tally, kills = verdict.tally, verdict.kills
    return "\n".join(
        [
            f"torture: {verdict.rounds} rounds, seed {verdict.seed}, {verdict.seconds:g} s",
            f"attempted={tally.attempted} confirmed={tally.confirmed} handled={tally.handled} (follow-ups among them)",
            f"lost={tally.lost} duplicated={tally.duplicated} unexpected={tally.unexpected} depth={verdict.depth} "
            f"dead={verdict.dead} results={len(tally.kept)} results_lost={verdict.results_lost}",
            f"kills: child={kills.child} supervisor={kills.supervisor} tree={kills.tree} producer={kills.producer}",
            f"starts={tally.starts} <= {verdict.starts_max} = {tally.messages} messages + {kills.children} children x "
            f"{verdict.slots} slots: {'yes' if tally.starts <= verdict.starts_max else 'NO'}",
            f"FAILED: {'; '.join(verdict.faults)}" if verdict.faults else "passed",
        ]
    )
