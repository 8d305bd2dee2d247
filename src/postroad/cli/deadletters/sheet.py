"""One dead letter, whole, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postroad.cli.output import as_json, moment

if TYPE_CHECKING:
    from postroad.observe.views import DeadLetterView


def fields(letter: DeadLetterView) -> list[tuple[str, str | None]]:
    """What the sheet of one dead letter shows."""
    attempts = "\n".join(
        f"{number}. {moment(ended.ended_at)} {ended.kind} {ended.error_type}: {ended.error} ({ended.worker})"
        for number, ended in enumerate(letter.history, 1)
    )
    return [
        ("number", str(letter.number)),
        ("id", letter.id),
        ("task", letter.task),
        ("queue", letter.source),
        ("reason", letter.reason),
        ("error", letter.error_type),
        ("kind", letter.fingerprint),
        ("sent", moment(letter.queued_at)),
        ("died", moment(letter.died_at)),
        ("attempt", str(letter.attempt)),
        ("deaths", str(letter.deaths) if letter.deaths > 1 else None),
        ("edited", "yes: its history says what and when" if letter.edited else None),
        ("crashes", str(letter.crashes) if letter.crashes else None),
        ("worker", letter.worker),
        ("priority", str(letter.priority)),
        ("key", letter.key),
        ("headers", as_json(letter.headers, indent=0) if letter.headers else None),
        ("body", letter.body if letter.body_base64 is None else f"base64 {letter.body_base64}"),
        ("attempts", attempts + "\n" if attempts else None),
        ("traceback", letter.history[-1].traceback if letter.history else None),
    ]
