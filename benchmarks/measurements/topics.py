"""What routing by topic costs, by the number of bindings."""

from __future__ import annotations

from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn

COUNT = 50_000


def _topics(turn: Turn) -> Sample:
    count = turn.scaled(COUNT, 2_000)
    return dict(turn.stage.produce("verb", name="route", count=count))


TOPICS = Measurement(
    name="topics",
    title="Routing by topic",
    about=(
        f"One producer publishes {COUNT:,} messages to a topic exchange, no routing key twice; each matches one binding "
        "(`site17.*.temperature`). Nobody consumes."
    ),
    figures=(Figure("route_us", "routing alone, us a message", 2), Figure("rate", "published, messages/s")),
    entrants=(
        Entrant("10 bindings", "postroad-topics-few", "10,000 bindings"),
        Entrant("10,000 bindings", "postroad-topics-many", "10,000 bindings"),
    ),
    measure=_topics,
    ratio_heading="10,000 bindings cost … times this",
    runs_min=3,
)
