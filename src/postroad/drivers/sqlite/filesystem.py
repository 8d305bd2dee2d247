"""Where the file lies: network file systems are refused, for their locks do not hold."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from postroad.errors import EngineUnavailable, NetworkFileSystem, ReadOnlyEngine

logger = logging.getLogger("postroad.engine")

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "sshfs", "fuse.sshfs"}
)
WARNED = ("fuse", "virtiofs", "vboxsf")


def kind_of(path: str, mounts: str) -> str:
    """The file system type of an absolute path, from the text of a mountinfo file; "" when it does not say."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields, _dash, rest = line.partition(" - ")
        point = fields.split(" ")[4].encode().decode("unicode_escape") if fields.count(" ") >= 4 else ""
        if point and is_under(path, point) and len(point) >= len(best):
            best, kind = point, rest.split(" ")[0]
    return kind


def is_under(path: str, point: str) -> bool:
    return point == "/" or path == point or path.startswith(point + "/")


def check(path: str) -> None:
    """Raises NetworkFileSystem where locks do not hold; warns where they may not."""
    kind = kind_of(path, MOUNTS.read_text()) if MOUNTS.exists() else ""
    if kind in NETWORK:
        raise NetworkFileSystem(
            f"{path} lies on a network file system ({kind}), where file locks do not hold and messages would be lost: "
            "put the file on a local disk, or use a network engine."
        )
    if kind.startswith(WARNED):
        logger.warning("%s lies on %s: Postroad relies on its file locks and cannot prove them.", path, kind)


def check_folder(path: Path) -> None:
    """Raises EngineUnavailable for a folder that is not there, ReadOnlyEngine for one that cannot be written."""
    folder = path.parent
    if not folder.is_dir():
        raise EngineUnavailable(
            f"The folder {folder} for the engine's file {path.name} does not exist: create it, or name another."
        )
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise ReadOnlyEngine(
            f"{path} cannot be written by this user: the engine needs to write the file and its folder."
        )
    if path.is_symlink():
        raise EngineUnavailable(
            f"{path} is a symbolic link: locks beside the link would not guard the file. Name {path.resolve()}."
        )


def allocate(fd: int, size_bytes: int) -> None:
    """Make the file at least this long, its blocks taken: writing to a mapped hole on a full disk kills the process (SIGBUS)."""
    while (present := os.fstat(fd).st_size) < size_bytes:
        os.pwrite(fd, bytes(size_bytes - present), present)


def private_folder(path: Path) -> Path:
    """The folder, made with mode 0700. Raises EngineUnavailable when it is a link or another user's."""
    path.mkdir(mode=0o700, exist_ok=True)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in (os.getuid(), 0):
        raise EngineUnavailable(
            f"{path} is not a folder of this user: remove it, it would let others reach the engine's locks."
        )
    return path
