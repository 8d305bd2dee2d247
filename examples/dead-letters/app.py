"""Payments fail in different ways, and each way has its own end."""

from dataclasses import dataclass
from pathlib import Path

from postroad import App, DeadLetter, DeadLetterRecord, Drop, Retry

app = App("sqlite:///dead-letters.db")
payments = app.queue("payments")


class Declined(Exception):
    """The bank says no; asking again will not help."""


class GatewayDown(Exception):
    """Nobody answers; later somebody may."""


class Outdated(Exception):
    """The order was cancelled meanwhile."""


@dataclass
class Payment:
    order: int
    card: str


@payments.consumer(
    retry=Retry(max=2, base=0.1, on=(GatewayDown,)),
    on_error={Declined: DeadLetter("the bank declined"), Outdated: Drop("the order was cancelled")},
)
def charge(payment: Payment) -> None:
    if payment.card == "declined":
        raise Declined(payment.order)
    if payment.card == "cancelled":
        raise Outdated(payment.order)
    if payment.card == "down" and not Path("gateway-is-up").exists():
        raise GatewayDown("connection refused")
    with Path("charged.txt").open("a") as file:
        file.write(f"{payment.order}\n")


@app.on_dead_letter(source=payments, error=Declined)
def tell_customer(letter: DeadLetterRecord) -> None:
    with Path("mails.txt").open("a") as file:
        file.write(f"{letter.reason}: {letter.message.body.decode()}\n")
