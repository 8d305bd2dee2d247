"""A good payment, and one for each way to fail; the last is no payment at all."""

from app import Payment, app, payments

with app:
    for order, card in enumerate(["good", "declined", "down", "cancelled"], 1):
        payments.put(Payment(order, card))
    payments.put({"order": "five"})
    print("5 messages put")
