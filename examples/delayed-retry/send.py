"""One that fails twice, one that is told when to come back, one that never works, and ten that do."""

from app import Call, app, calls

with app:
    calls.put(Call("flaky", fails=2))
    calls.put(Call("busy", busy_s=0.5))
    calls.put(Call("gone", fails=9))
    for number in range(10):
        calls.put(Call(f"fine-{number}"))
    print("13 calls put")
