"""Which dead letters died of the same thing."""

from __future__ import annotations

import hashlib
import re

from postroad.core.delivery import Attempt

VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+|'[^']*'|\"[^\"]*\"")
FRAME = re.compile(r'File "([^"]*)", line \d+, in (\S+)')


def fingerprint(source: str, attempt: Attempt, reason: str) -> str:
    """16 hex digits from the queue, the error's type, where it was raised and its words without numbers and quotes."""
    frames = FRAME.findall(attempt.traceback)
    place = "|".join(frames[-1]) if frames else ""
    words = VARYING.sub("*", attempt.error or reason)
    return hashlib.blake2b(f"{source}\0{attempt.error_type}\0{place}\0{words}".encode(), digest_size=8).hexdigest()
