"""What died, and why; `look.py redrive` sends those again that the gateway failed."""

import sys

from app import GatewayDown, app, payments

with app:
    letters = app.dead_letters(source=payments)
    for letter in letters.peek(10):
        print(f"{letter.message.body.decode()} | {letter.reason}")
    if sys.argv[1:] == ["redrive"]:
        print(f"{letters.redrive(limit=100, error_type=GatewayDown).count} sent again")
