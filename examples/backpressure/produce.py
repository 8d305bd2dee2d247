"""400 messages as fast as they go into `patient`; 60 into each of the others, whose consumers are not started."""

from app import app, latest, patient, strict
from postroad.errors import QueueFull

with app:
    for number in range(60):
        latest.put(number)
    refused = 0
    for number in range(60):
        try:
            strict.put(number)
        except QueueFull:
            refused += 1
    print(f"strict refused {refused}; latest gave up {app.dead_letters(source=latest).count()}")
    deepest = 0
    for number in range(400):
        patient.put(number)
        deepest = max(deepest, patient.depth())
    print(f"patient took 400 and never held more than {deepest}")
