"""An order and the message about it are one transaction of the shop's own database."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from postroad import App

app = App("sqlite:///outbox.db", outbox="sqlite:///shop.sqlite3")
invoices = app.queue("invoices")


@dataclass
class Order:
    number: int
    item: str


def place(connection: sqlite3.Connection, order: Order) -> None:
    """In the caller's transaction: both, or neither."""
    connection.execute("INSERT INTO orders VALUES (?, ?)", (order.number, order.item))
    app.outbox(connection).put(invoices, order)


@invoices.consumer
def write_invoice(order: Order) -> None:
    with Path("invoices.txt").open("a") as file:
        file.write(f"{order.number} {order.item}\n")
