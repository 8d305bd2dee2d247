"""Every contestant, and the commands that start its workers."""

from __future__ import annotations

from benchmarks.contestant import BINDINGS_VARIABLE, KIND_VARIABLE, RESULTS_VARIABLE, Commands, Contestant, python

BARE_BATCH = 400
KEEP = {RESULTS_VARIABLE: "1"}
FEW, MANY = 10, 10_000
DRAMATIQ_PREFETCH = {"dramatiq_queue_prefetch": "100"}


def _postroad(processes: int, threads: int) -> Commands:
    return [python("postroad", "worker", "benchmarks.apps.postroad_app:app", "-p", processes, "-t", threads)]


def _postroad_events(processes: int, threads: int) -> Commands:
    return [python("postroad", "worker", "benchmarks.apps.postroad_events_app:app", "-p", processes, "-t", threads)]


def _faststream(processes: int, threads: int) -> Commands:
    """faststream's handlers are coroutines: `threads` has no meaning for them."""
    return [python("benchmarks.apps.faststream_app")] * processes


def _nobody(processes: int, threads: int) -> Commands:
    """Only the producer is measured."""
    return []


def _bare(processes: int, threads: int) -> Commands:
    return [python("benchmarks.bare.worker", processes, threads, BARE_BATCH)]


def _dramatiq(processes: int, threads: int) -> Commands:
    return [python("dramatiq", "benchmarks.apps.dramatiq_app", "-p", processes, "-t", threads)]


def _huey(processes: int, threads: int) -> Commands:
    one = python("huey.bin.huey_consumer", "benchmarks.apps.huey_app.huey", "-w", threads, "-k", "thread", "-q")
    return [one] * processes


def _celery(processes: int, threads: int) -> Commands:
    """Celery's pool is of processes or of threads: here of processes, one task each."""
    tuning = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")
    return [python("celery", "-A", "benchmarks.apps.celery_app", "worker", "-P", "prefork", "-c", processes, *tuning)]


def _taskiq(processes: int, threads: int) -> Commands:
    """taskiq's handlers are coroutines: `threads` has no meaning for them."""
    tuning = ("--log-level", "WARNING")
    return [python("taskiq", "worker", "benchmarks.apps.taskiq_app:broker", "-w", processes, *tuning)]


_CONTESTANTS = (
    Contestant("postroad", "postroad_app", ("postroad",), _postroad),
    Contestant("postroad-results", "postroad_app", ("postroad",), _postroad, 0.5, environment=KEEP),
    Contestant("postroad-async", "postroad_app", ("postroad",), _postroad, environment={KIND_VARIABLE: "async"}),
    Contestant(
        "postroad-no-statistics", "postroad_app", ("postroad",), _postroad, environment={"POSTROAD_STATISTICS": "off"}
    ),
    Contestant("postroad-events", "postroad_events_app", ("postroad",), _postroad_events, 0.15),
    Contestant("faststream", "faststream_app", ("faststream", "redis"), _faststream, 0.05, True),
    Contestant(
        "postroad-topics-few", "postroad_topics_app", ("postroad",), _nobody, environment={BINDINGS_VARIABLE: str(FEW)}
    ),
    Contestant(
        "postroad-topics-many", "postroad_topics_app", ("postroad",), _nobody, environment={BINDINGS_VARIABLE: str(MANY)}
    ),
    Contestant("bare", "bare_app", ("apsw", "msgspec"), _bare),
    Contestant("dramatiq", "dramatiq_app", ("dramatiq", "redis"), _dramatiq, 0.1, True, DRAMATIQ_PREFETCH),
    Contestant(
        "dramatiq-results",
        "dramatiq_app",
        ("dramatiq", "redis"),
        _dramatiq,
        0.1,
        True,
        {**DRAMATIQ_PREFETCH, **KEEP},
    ),
    Contestant("huey", "huey_app", ("huey",), _huey, 0.1),
    Contestant("huey-results", "huey_app", ("huey",), _huey, 0.1, environment=KEEP),
    Contestant("celery", "celery_app", ("celery", "redis"), _celery, 0.05, True),
    Contestant("celery-results", "celery_app", ("celery", "redis"), _celery, 0.05, True, KEEP),
    Contestant("taskiq", "taskiq_app", ("taskiq", "taskiq-redis"), _taskiq, 0.1, True),
)
ROSTER = {contestant.name: contestant for contestant in _CONTESTANTS}
