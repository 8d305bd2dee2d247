"""Bad input to the engine: its URL, its file, its folder, its disk."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from pathlib import Path

import pytest
from tests.bad_input.support import (
    altered,
    engine,
    everything_in,
    intact,
    mounting,
    postroad,
    put,
    python,
    says,
    taken,
    waiting,
    written,
)

from postroad.drivers.registry import open_driver
from postroad.drivers.sqlite import filesystem
from postroad.drivers.sqlite.schema import VERSION
from postroad.errors import (
    CorruptEngine,
    InvalidURL,
    MissingExtra,
    NetworkFileSystem,
    NewerSchema,
    NotADatabase,
)

pytestmark = pytest.mark.bad_input

PAGE = 4096


def test_bad_url(tmp_path: Path) -> None:
    with pytest.raises(InvalidURL) as unknown:
        open_driver("sqlit:///app.db")
    says(unknown.value, "sqlit:///app.db", "'sqlit' is not known", "did you mean sqlite://?", "Known: sqlite, memory")
    with pytest.raises(InvalidURL) as bare:
        open_driver("app.db")
    says(bare.value, "it has no scheme", "sqlite:///relative.db", "memory://")
    with pytest.raises(InvalidURL) as host:
        open_driver("sqlite://app.db")
    says(host.value, "sqlite:///app.db (relative)", "sqlite:////app.db")
    with pytest.raises(InvalidURL) as secret:
        open_driver("rabbitmq://ada:s3cret@host/")
    says(secret.value, "ada:***@host")
    assert "s3cret" not in str(secret.value)

    said = postroad("queues", "--url", "sqlit:///app.db", cwd=tmp_path)
    assert said.returncode == 2
    says(said.stderr, "did you mean sqlite://?")
    assert everything_in(tmp_path) == {}


def test_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {
        "redis://localhost/0": ("redis", "postroad[redis]"),
        "amqp://localhost/": ("pika", "postroad[rabbitmq]"),
        "kafka://localhost:9092": ("confluent_kafka", "postroad[kafka]"),
        "sqs://": ("boto3", "postroad[sqs]"),
    }
    for url, (library, extra) in wanted.items():
        monkeypatch.setitem(sys.modules, library, None)  # Python's own way to say: this cannot be imported
        with pytest.raises(MissingExtra) as missing:
            open_driver(url)
        says(missing.value, url.partition(":")[0], "not installed", f"pip install '{extra}'", "not built yet")


def test_file_that_is_no_database(tmp_path: Path) -> None:
    letter, ledger = tmp_path / "letter.db", tmp_path / "ledger.db"
    letter.write_text("Dear Ada,\n" * 1000)
    altered(ledger, "CREATE TABLE account(number INTEGER)")
    before = everything_in(tmp_path)

    with pytest.raises(NotADatabase) as text, engine(letter):
        pass
    says(text.value, str(letter), "is no SQLite database", "Name another file, or move this one away")
    with pytest.raises(NotADatabase) as foreign, engine(ledger):
        pass
    says(foreign.value, str(ledger), "another program's SQLite database", "Name another file")
    assert everything_in(tmp_path) == before
    assert not list(tmp_path.glob("*-run"))

    said = postroad("queues", "--url", f"sqlite:///{letter}", cwd=tmp_path)
    assert said.returncode != 0
    says(said.stderr, "is no SQLite database")
    assert everything_in(tmp_path) == before


def test_newer_schema(tmp_path: Path) -> None:
    file = tmp_path / "app.db"
    put(file, 3)
    altered(file, "PRAGMA user_version=999")
    before = file.read_bytes()

    with pytest.raises(NewerSchema) as newer, engine(file):
        pass
    says(newer.value, str(file), "schema version 999", f"this Postroad knows up to {VERSION}", "upgrade Postroad")
    assert file.read_bytes() == before

    altered(file, f"PRAGMA user_version={VERSION}")
    assert waiting(file) == 3
    assert intact(file)


READ_ONLY = """
import json, os, sys
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.errors import ReadOnlyEngine

def refused(file):
    try:
        SqliteDriver(file).open()
    except ReadOnlyEngine as error:
        return str(error)

if os.getuid() == 0:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
print(json.dumps([refused(file) for file in sys.argv[1:]]))
"""


def test_read_only_folder(open_folder: Path) -> None:
    folder = open_folder / "engine"
    folder.mkdir()
    file = folder / "app.db"
    put(file, 3)
    before = everything_in(folder)
    (open_folder / "closed").mkdir(mode=0o700)

    folder.chmod(0o555)
    file.chmod(0o644)
    (open_folder / "closed").chmod(0o000)
    try:
        old, new, locked = python(READ_ONLY, file, folder / "new.db", open_folder / "closed" / "app.db")
    finally:
        folder.chmod(0o755)
        (open_folder / "closed").chmod(0o755)
    says(old, str(file), "cannot be written by this user", "needs to write the file and its folder")
    says(new, "new.db", "cannot be written by this user")
    says(locked, str(open_folder / "closed"), "this user")

    assert everything_in(folder) == before
    assert waiting(file) == 3
    assert intact(file)


FULL_DISK = """
import json, logging, subprocess, sys, threading
from pathlib import Path
from postroad import App
from postroad.errors import EngineFull
from tests.bad_input.support import intact, small_disk, until

disk = small_disk(Path(sys.argv[1]), sys.argv[2])
app = App(f"sqlite:///{disk.folder}/app.db")
gate, ran, said = threading.Event(), [], []

class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

logging.getLogger("postroad").addHandler(Said())

@app.task(name="shop.hold")
def hold(number: int) -> int:
    ran.append(number)
    gate.wait(10)
    return number

@app.task(name="shop.pack", queue="parcels")
def pack(text: str) -> None:
    ...

def refusal(text):
    try:
        parcels.append(pack.delay(text))
    except EngineFull as error:
        return str(error)

def pack_until_full(size):
    return until(lambda: refusal("x" * size), "the disk is full")

parcels = []
with app.worker(threads=2, queues=["default"]):
    held = [hold.delay(number) for number in range(2)]
    until(lambda: len(ran) == 2, "both run")
    pack_until_full(30_000)
    pack_until_full(10)
    disk.fill()
    gate.set()
    until(lambda: any("disk is full" in line for line in said), "the worker says why it cannot settle")
    words = refusal("x")
    elsewhere = disk.others()
    states = [parcel.status().state for parcel in parcels]
    disk.free()
    values = [result.get(timeout=10) for result in held]
    parcels.append(pack.delay("after"))
packed = {queue.queue: queue.ready for queue in app.ask(lambda driver: driver.queues())}
app.close()
print(json.dumps({
    "words": words, "accepted": len(parcels), "states": sorted(set(states)), "packed": packed["parcels"], "ran": sorted(ran),
    "values": values, "intact": intact(Path(f"{disk.folder}/app.db")), "elsewhere": elsewhere, "said": said,
}))
"""


HOLDS = """
import time
from pathlib import Path
from postroad import App
app = App("sqlite:///disk/app.db")

@app.task
def hold(name: str) -> str:
    Path("began").touch()
    while not Path(name).exists():
        time.sleep(0.01)
    return name
"""

WORKER_ON_A_FULL_DISK = """
import json, signal, sys
from pathlib import Path
sys.path.insert(0, "")
from holds import app, hold
from tests.bad_input.support import small_disk, until
from tests.worker.tree import Tree, kill

disk = small_disk(Path("disk"), "mount")
tree = Tree(Path.cwd(), app="holds:app", threads=2).ready()
try:
    held = hold.delay("go on")
    until(Path("began").exists, "running")
    disk.fill()
    kill(tree.children()[0])
    until(lambda: "cannot be seated yet" in tree.log, "a new child waits for room")
    Path("go on").touch()
    disk.free()
    value = held.get(timeout=10)
    tree.signal(signal.SIGTERM)
    print(json.dumps([value, tree.wait(), tree.log]))
finally:
    tree.stop()
"""


def test_full_disk(tmp_path: Path) -> None:
    way = mounting()
    disk = tmp_path / "disk"
    disk.mkdir()
    seen = python(FULL_DISK, disk, "mount" if way else "files", within=way or ())
    says(seen["words"], "app.db", "the disk is full", "Nothing of this operation was kept", "free space and repeat it")
    says("\n".join(seen["said"]), "settlements, which are kept and tried again", "the disk is full")
    assert seen["states"] == ["PENDING"]
    assert seen["packed"] == seen["accepted"] > 10, "what was accepted is there, and nothing else"
    assert (seen["ran"], seen["values"]) == ([0, 1], [0, 1]), "each ran once, and its end was not lost"
    assert seen["intact"]
    for code, words in seen["elsewhere"]:
        assert code >= 0, f"a process died of the full disk: signal {-code}"
        assert code == 0 or "the disk is full" in words, words

    if way:
        written(tmp_path / "holds.py", HOLDS)
        value, exit_code, log = python(WORKER_ON_A_FULL_DISK, within=way, cwd=tmp_path)
        assert (value, exit_code) == ("go on", 0), "what the dead child held is done when there is room"
        says(log, "what a dead child held cannot be given back yet", "the disk is full")


def test_corrupt_page(tmp_path: Path) -> None:
    file = tmp_path / "app.db"
    ids = put(file, 400, size_bytes=900)
    altered(file, "PRAGMA wal_checkpoint(TRUNCATE)")
    healthy = file.read_bytes()
    pages = slice(30 * PAGE, 60 * PAGE)
    damaged = bytearray(healthy)
    damaged[pages] = random.Random(7).randbytes(30 * PAGE)
    file.write_bytes(damaged)
    assert not intact(file)

    with engine(file) as driver:
        for _twice in range(2):  # the second try must not be luckier than the first
            with pytest.raises(CorruptEngine) as corrupt:
                asyncio.run(taken(driver, 400))
            says(corrupt.value, str(file), "damaged pages", "Stop all workers", "restore the newest backup")

    altered(file, "PRAGMA wal_checkpoint(TRUNCATE)")
    mended = bytearray(file.read_bytes())
    mended[pages] = healthy[pages]
    file.write_bytes(mended)
    assert intact(file)
    with engine(file) as driver:
        assert {delivery.message.id for delivery in asyncio.run(taken(driver, 400))} == set(ids)


def test_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    mounts = tmp_path / "mountinfo"
    local = tmp_path / "local disk"
    share = local / "share"
    share.mkdir(parents=True)
    monkeypatch.setattr(filesystem, "MOUNTS", mounts)

    def mounted(kind: str) -> None:
        escaped = str(share).replace(" ", "\\040")
        mounts.write_text(
            f"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n36 22 0:31 / {escaped} rw,relatime shared:1 - {kind} host:/x rw\n"
        )

    for kind in ("nfs4", "nfs", "cifs", "smb3", "9p", "fuse.sshfs"):
        mounted(kind)
        with pytest.raises(NetworkFileSystem) as refused, engine(share / "app.db"):
            pass
        says(refused.value, str(share / "app.db"), f"network file system ({kind})", "locks do not hold", "local disk")
    assert everything_in(share) == {}
    put(local / "app.db", 1)

    mounted("virtiofs")
    with caplog.at_level(logging.WARNING, "postroad.engine"):
        put(share / "app.db", 1)
    says(caplog.text, str(share / "app.db"), "lies on virtiofs", "cannot prove")
    assert waiting(share / "app.db") == 1
