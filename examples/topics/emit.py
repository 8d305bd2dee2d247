"""kern.critical matches all three patterns, and goes to each queue once."""

from app import Line, app, logs

with app:
    for key in ("kern.info", "kern.critical", "cron.critical", "cron.info", "auth"):
        logs.publish(Line(key), routing_key=key)
    print("5 lines published")
