"""Five payments. The sender is not sure that they arrived, and sends all of them three times."""

from app import Payment, app, payments

with app:
    for _ in range(3):
        for number in range(1, 6):
            payments.put(Payment(f"payment-{number}", 10_00 + number * 1_00))
    for _ in range(3):
        payments.put(Payment("payment-6", 6_00), id="our own id")
    print("18 messages sent, for 6 payments")
