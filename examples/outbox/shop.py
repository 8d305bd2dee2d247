"""Three orders; the second one is rolled back, with its message."""

import sqlite3

from app import Order, place

connection = sqlite3.connect("shop.sqlite3")
connection.execute("CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, item TEXT)")

for order in (Order(1, "lamp"), Order(2, "nothing"), Order(3, "chair")):
    try:
        with connection:
            place(connection, order)
            if order.item == "nothing":
                raise ValueError("we do not sell this")
    except ValueError as error:
        print(f"order {order.number}: {error}")

print(f"{connection.execute('SELECT count(*) FROM orders').fetchone()[0]} orders")
