"""The two tables in the user's database, and what is said to them. Parameters are written ``:name``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postroad.errors import ConfigurationError

OUTBOX = "postroad_outbox"
INBOX = "postroad_inbox"
SQLITE = "sqlite"
POSTGRESQL = "postgresql"

TABLES = {
    SQLITE: (
        f"""CREATE TABLE IF NOT EXISTS {OUTBOX} (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  exchange TEXT NOT NULL,
  routing_key TEXT NOT NULL,
  "key" TEXT,
  payload TEXT NOT NULL,
  created_at REAL NOT NULL,
  failed_at REAL,
  failed_reason TEXT
)""",
        f"""CREATE TABLE IF NOT EXISTS {INBOX} (
  scope TEXT NOT NULL,
  id TEXT NOT NULL,
  seen_at REAL NOT NULL,
  PRIMARY KEY (scope, id)
)""",
    ),
    POSTGRESQL: (
        f"""CREATE TABLE IF NOT EXISTS {OUTBOX} (
  seq BIGSERIAL PRIMARY KEY,
  id TEXT NOT NULL,
  exchange TEXT NOT NULL,
  routing_key TEXT NOT NULL,
  "key" TEXT,
  payload TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  failed_at DOUBLE PRECISION,
  failed_reason TEXT
)""",
        f"""CREATE TABLE IF NOT EXISTS {INBOX} (
  scope TEXT NOT NULL,
  id TEXT NOT NULL,
  seen_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (scope, id)
)""",
    ),
}

INSERT = (
    f'INSERT INTO {OUTBOX}(id, exchange, routing_key, "key", payload, created_at) '
    "VALUES (:id, :exchange, :routing_key, :key, :payload, :created_at)"
)
READ_BYTES_MAX = 16 * 1024 * 1024
READ = f"""
SELECT seq, payload FROM (
  SELECT seq, payload, SUM(LENGTH(payload)) OVER (ORDER BY seq) - LENGTH(payload) AS bytes_before
  FROM (SELECT seq, payload FROM {OUTBOX} WHERE failed_at IS NULL ORDER BY seq LIMIT :limit) AS oldest
) AS summed WHERE bytes_before < :bytes_max ORDER BY seq
"""
SET_ASIDE = f"UPDATE {OUTBOX} SET failed_at = :failed_at, failed_reason = :failed_reason WHERE seq = :seq"
WAITING = f"SELECT COUNT(*), MIN(created_at) FROM {OUTBOX} WHERE failed_at IS NULL"
FAILED_COUNT = f"SELECT COUNT(*) FROM {OUTBOX} WHERE failed_at IS NOT NULL"
FAILED = f"""
SELECT seq, id, exchange, routing_key, "key", created_at, failed_at, failed_reason FROM {OUTBOX}
WHERE failed_at IS NOT NULL ORDER BY seq LIMIT :limit
"""
FIRST = f"INSERT INTO {INBOX}(scope, id, seen_at) VALUES (:scope, :id, :seen_at) ON CONFLICT DO NOTHING"

IN_ONE_STATEMENT = 1_000


def delete(seqs: Sequence[int]) -> Iterator[str]:
    """Statements that delete these rows. The numbers are written out: no two libraries take a list alike."""
    for at in range(0, len(seqs), IN_ONE_STATEMENT):
        yield f"DELETE FROM {OUTBOX} WHERE seq IN ({', '.join(str(int(seq)) for seq in seqs[at : at + IN_ONE_STATEMENT])})"


def checked_dialect(dialect: str) -> str:
    """Raises ConfigurationError for a database that these tables are not written for."""
    if dialect not in TABLES:
        raise ConfigurationError(
            f"The outbox and the inbox are tables in SQLite or PostgreSQL, and this connection is to {dialect!r}: "
            "nothing was tried there."
        )
    return dialect


def script(dialect: str) -> str:
    """The SQL that makes both tables."""
    return "".join(f"{statement};\n" for statement in TABLES[checked_dialect(dialect)])


def is_missing_table(error: BaseException) -> bool:
    """Whether a library's error says that the table is not there."""
    cause = getattr(error, "orig", None) or error
    words = str(cause)
    return (
        getattr(cause, "sqlstate", None) == "42P01"
        or "42P01" in words
        or f"no such table: {OUTBOX}" in words
        or (f"no such table: {INBOX}" in words)
        or ("does not exist" in words and ('"postroad_' in words))
    )


def missing_table(dialect: str) -> ConfigurationError:
    """What to do about it."""
    where = "sqlite:///shop.db" if dialect == SQLITE else "postgresql://user@host/shop"
    return ConfigurationError(
        f"The tables {OUTBOX} and {INBOX} are not in this database, so nothing was written. Make them once, with\n\n"
        f"    postroad outbox init --database {where}\n\n"
        f"or by your own migrations (the same with --print shows this SQL):\n\n{script(dialect)}"
    )
