"""Account movements: of one account strictly in order, of different accounts side by side."""

from dataclasses import dataclass
from pathlib import Path

from postroad import App

app = App("sqlite:///ordered.db")
by_key = app.queue("by-key")
by_number = app.queue("by-number")


@dataclass
class Movement:
    account: str
    number: int
    cents: int


def book(file: str, movement: Movement) -> None:
    with Path(file).open("a") as opened:
        opened.write(f"{movement.account} {movement.number} {movement.cents}\n")


@by_key.consumer()
def book_in_order(movement: Movement) -> None:
    """Our own producer puts them in order, with key=: that is the order in which they are handled."""
    book("by-key.txt", movement)


@by_number.consumer(sequence="number", gap_timeout="2s")
def book_by_number(movement: Movement) -> None:
    """A foreign producer numbers them, and they arrive in any order, or twice."""
    book("by-number.txt", movement)
