"""Put movements of three accounts: in order by key; and numbered, but shuffled and some of them twice."""

import random

from app import Movement, app, by_key, by_number

ACCOUNTS = ("anna", "ben", "cleo")

with app:
    for number in range(1, 21):
        for account in ACCOUNTS:
            by_key.put(Movement(account, number, number * 100), key=account)
    arriving = [Movement(account, number, number * 100) for account in ACCOUNTS for number in range(1, 21)]
    arriving += arriving[::7]
    random.Random(3).shuffle(arriving)
    for movement in arriving:
        by_number.put(movement, key=movement.account)
    print(f"{len(arriving)} arrived by number, {len(arriving) - 60} of them twice")
