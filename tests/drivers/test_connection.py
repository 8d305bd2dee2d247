"""The file is opened with the settings that the promises rest on."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroad.drivers.sqlite.connection import connect

SETTINGS = {
    "auto_vacuum": 2,  # incremental
    "journal_mode": "wal",
    "synchronous": 2,  # full
    "fullfsync": 1,
    "wal_autocheckpoint": 1000,
    "mmap_size": 0,
    "secure_delete": 0,
    "temp_store": 2,  # memory
    "cache_size": -8000,
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_writing_connection_has_every_setting(setting: str, tmp_path: Path) -> None:
    connection = connect(str(tmp_path / "app.db"), writes=True)
    ((value,),) = connection.execute(f"PRAGMA {setting}")
    connection.close()
    assert value == SETTINGS[setting]


def test_a_looking_connection_cannot_write(tmp_path: Path) -> None:
    path = str(tmp_path / "app.db")
    connect(path, writes=True).close()
    connection = connect(path, writes=False)
    assert next(connection.execute("PRAGMA query_only")) == (1,)
    connection.close()
