"""The routing key is the line's level; a level that nobody bound goes to nobody, and that is told."""

from app import Line, app, logs
from postroad.errors import Unroutable

LINES = [Line("info", "started"), Line("warning", "slow"), Line("error", "down"), Line("debug", "x = 3")]

with app:
    for line in LINES:
        try:
            logs.publish(line, routing_key=line.level, mandatory=True)
        except Unroutable:
            print(f"nobody takes {line.level!r}")
