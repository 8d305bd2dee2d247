"""Events inside one process: handlers run at once, in the caller; one that fails is no other's trouble."""

from typing import Any

from postroad import App, Event, current

app = App("memory://", name="shop")


class OrderPlaced(Event, type="order.placed", key="order"):
    order: int
    item: str
    count: int


class StockLow(Event, type="stock.low"):
    item: str
    left: int


stock = {"lamp": 5}


@app.subscribe(OrderPlaced, group="stock")
def take_from_stock(placed: OrderPlaced) -> None:
    stock[placed.item] -= placed.count
    if stock[placed.item] < 3:
        app.publish(StockLow(item=placed.item, left=stock[placed.item]))


@app.subscribe(OrderPlaced, group="mail")
def confirm(placed: OrderPlaced) -> None:
    raise ConnectionError("the mail server is away")


@app.subscribe(StockLow, group="buyers")
def reorder(low: StockLow) -> None:
    print(f"reorder {low.item}: {low.left} left")


@app.subscribe("#", group="audit")
def audit(event: dict[str, Any]) -> None:
    print(f"audit {current.event.type} from {current.event.source}: {event}")


if __name__ == "__main__":
    with app.eager():
        app.publish(OrderPlaced(order=1, item="lamp", count=1))
        app.publish(OrderPlaced(order=2, item="lamp", count=2))
    print(f"stock {stock}")
