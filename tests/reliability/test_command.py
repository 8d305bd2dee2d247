"""`postroad outbox`, on both kinds of database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.reliability.engines import Bench, send, until
from tests.reliability.shops import Shop
from tests.reliability.test_relay import write


def postroad(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "postroad", "outbox", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env={**os.environ, **(env or {})}
    )


@pytest.mark.parametrize("library", ["sqlite3", "psycopg"], indirect=True)
def test_init_makes_what_it_prints(empty_shop: Shop, engine_url: str) -> None:
    printed = postroad("init", "--print", "--database", empty_shop.url)
    assert printed.returncode == 0 and printed.stdout.count("CREATE TABLE") == 2
    for _again in range(2):
        done = postroad("init", "--database", empty_shop.url, "--url", engine_url)
        assert done.returncode == 0, done.stderr
    assert empty_shop.waiting() == 0


def test_status_and_relay(either: Shop, bench: Bench) -> None:
    bench.run(lambda driver: driver.topology())
    _connection, face = either.open()
    write(face, [send("1"), send("2", "key", to="nowhere")])
    said = {"POSTROAD_OUTBOX": either.url, "POSTROAD_URL": bench.url}
    assert "2 rows waiting" in postroad("status", env=said).stdout
    once = postroad("relay", "--once", env=said)
    assert once.returncode == 0 and "2 rows relayed or set aside" in once.stdout, once.stderr
    shown = postroad("-o", "json", env=said)
    found = json.loads(shown.stdout)
    assert shown.returncode == 1 and found["waiting"] == 0 and found["failed_count"] == 1
    assert found["failed"][0]["routing_key"] == "nowhere" and "nowhere" in found["failed"][0]["failed_reason"]
    text = postroad("status", env=said)
    assert "1 set aside" in text.stdout and "UPDATE postroad_outbox" in text.stderr
    assert bench.bodies() == ["1"]


def test_relay_until_ctrl_c(either: Shop, bench: Bench, tmp_path: Path) -> None:
    bench.run(lambda driver: driver.topology())
    words = [sys.executable, "-m", "postroad", "outbox", "relay", "--database", either.url, "--url", bench.url]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        _connection, face = either.open()
        write(face, [send("1")])
        until(lambda: either.waiting() == 0, "it is relayed")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        process.kill()
        process.communicate()
    assert bench.relay(either.url) == 0, "the lease was given back"


def test_which_database(engine_url: str) -> None:
    assert postroad("status", "--url", engine_url).returncode == 2
    unknown = postroad("status", "--database", "mysql://a:secret@b/c", "--url", engine_url)
    assert unknown.returncode == 2 and "secret" not in unknown.stderr
    away = postroad("status", "--database", "postgresql://a:secret@127.0.0.1:1/c", "--url", engine_url)
    assert away.returncode == 6 and "secret" not in away.stderr
