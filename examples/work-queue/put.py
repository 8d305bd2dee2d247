"""One long job in front of ten short ones."""

from app import Job, app, jobs

with app:
    jobs.put(Job("the long one", 3.0))
    for number in range(1, 11):
        jobs.put(Job(f"short {number}", 0.05))
    print("11 jobs are on disk")
