"""Publish a few lines; whoever is bound gets all of them."""

from app import Line, app, logs

with app:
    for number, text in enumerate(["starting", "listening", "ready"], 1):
        logs.publish(Line(number, text))
    print("3 lines published")
