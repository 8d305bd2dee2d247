"""Events of a shop, for several tests."""

from __future__ import annotations

from dataclasses import dataclass

from postroad import Event


class OrderCreated(Event, type="order.created", key="order_id"):
    order_id: str
    lines: int = 0


class OrderPaid(Event, type="order.paid", key="order_id"):
    order_id: str
    amount: float


class StockLow(Event, type="stock.low"):
    item: str


@dataclass
class Undeclared:
    item: str
