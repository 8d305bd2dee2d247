"""Payments from elsewhere, some of them twice: each is booked once, also when the worker dies at the worst moment."""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from postroad import App

app = App("sqlite:///idempotent-consumer.db")
payments = app.queue("payments", key="payment_id")


@dataclass
class Payment:
    payment_id: str
    cents: int


def ledger() -> sqlite3.Connection:
    """A database of our own; it knows nothing of queues."""
    connection = sqlite3.connect("ledger.sqlite3", timeout=30)
    connection.execute("CREATE TABLE IF NOT EXISTS booked (payment_id TEXT PRIMARY KEY, cents INTEGER)")
    return connection


@payments.consumer(inbox="payment_id")
def book(payment: Payment) -> None:
    connection = ledger()
    with connection:
        row = (payment.payment_id, payment.cents)
        added = connection.execute("INSERT OR IGNORE INTO booked VALUES (?, ?)", row).rowcount
    connection.close()
    with Path("runs.txt").open("a") as file:
        file.write(f"{payment.payment_id} {'booked' if added else 'was booked'}\n")
    if payment.cents == 13_00 and added:
        os._exit(1)  # the power fails between the booking and the end of the message
