"""Which driver a URL means. Reads no file and opens nothing."""

from __future__ import annotations

import difflib
import importlib.util
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from postroad.errors import InvalidURL, MissingExtra, NotSupported
from postroad.ports.driver import Driver, Seat

BUILT = ("sqlite", "memory")
PLANNED = {
    "amqp": "pika",
    "amqps": "pika",
    "redis": "redis",
    "rediss": "redis",
    "kafka": "confluent_kafka",
    "sqs": "boto3",
}
EXTRAS = {"amqp": "rabbitmq", "amqps": "rabbitmq", "redis": "redis", "rediss": "redis", "kafka": "kafka", "sqs": "sqs"}
SCHEMES = (*BUILT, *PLANNED)
EXAMPLES = "sqlite:///relative.db, sqlite:////absolute.db, memory://"


class EngineURL(msgspec.Struct, frozen=True):
    """A URL taken apart. ``path``: the file of an embedded engine, as written (relative or absolute)."""

    scheme: str
    path: str
    options: dict[str, str] = {}


def parse(url: str) -> EngineURL:
    """The parts. Raises InvalidURL, naming the nearest scheme."""
    scheme, separator, _rest = url.partition("://")
    if not separator:
        raise InvalidURL(f"{redacted(url)!r} is no engine URL: it has no scheme. Write one of {EXAMPLES}.")
    if scheme.lower() not in SCHEMES:
        raise InvalidURL(
            f"{redacted(url)!r}: the scheme {scheme!r} is not known{nearest(scheme)}. Known: {', '.join(SCHEMES)}."
        )
    parts = urlsplit(url)
    path = unquote((parts.netloc and scheme not in BUILT and parts.path) or parts.path)
    return EngineURL(
        scheme.lower(), checked_path(url, scheme.lower(), parts.netloc, path), dict(parse_qsl(parts.query))
    )


def checked_path(url: str, scheme: str, host: str, path: str) -> str:
    if scheme != "sqlite":
        return path
    if host:
        raise InvalidURL(
            f"{redacted(url)!r} has two slashes too few: write sqlite:///{host}{path} (relative) or sqlite:////{host}{path}."
        )
    if path in ("", "/"):
        raise InvalidURL(f"{redacted(url)!r} names no file: write sqlite:///postroad.db, or memory:// for none.")
    return path[1:]


def nearest(scheme: str) -> str:
    close = difflib.get_close_matches(scheme.lower(), SCHEMES, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}://?" if close else ""


def redacted(url: str) -> str:
    """The URL without its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":***@", 1)


def open_driver(url: str, *, seat: Seat | None = None, worker: str = "") -> Driver:
    """A driver for this URL, not yet open: ``async with`` opens it.

    Raises InvalidURL, MissingExtra (with the pip command) or NotSupported (not built yet).
    """
    engine = parse(url)
    if engine.scheme in PLANNED:
        raise unavailable(engine.scheme)
    from postroad.drivers.sqlite.driver import SqliteDriver

    return SqliteDriver(
        None if engine.scheme == "memory" else engine.path, seat=seat, worker=worker, options=engine.options
    )


def unavailable(scheme: str) -> MissingExtra | NotSupported:
    if importlib.util.find_spec(PLANNED[scheme]) is None:
        extra = EXTRAS[scheme]
        return MissingExtra(
            f"{scheme}:// needs the {extra} client, which is not installed: pip install 'postroad[{extra}]'. "
            f"(In this version the {scheme} engine is not built yet; sqlite:/// and memory:// are.)"
        )
    return NotSupported(
        f"{scheme}://: not built yet. Use sqlite:///postroad.db (one machine, no server) or memory:// (tests)."
    )
