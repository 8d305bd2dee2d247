"""Commands that look: queues, tasks, workers; and sending by name."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Shop
from tests.cli.terminal import Terminal, until

from postroad.errors import NotFound

EVIL = "a\x1b[31mred\x1b[0m \x9b2Jgone\x07 \u202etfel\r\nINFO forged"


def test_queues_say_how_much_waits_where(shop: Shop, terminal: Terminal) -> None:
    shop.resize.delay("cat.png")
    shop.resize.options(countdown=3600).delay("dog.png")
    media = terminal.run("queues", "-o", "json").expect(0).json[1]
    assert {name: media[name] for name in ("queue", "ready", "delayed", "in_flight", "dead")} == {
        "queue": "media",
        "ready": 1,
        "delayed": 1,
        "in_flight": 0,
        "dead": 0,
    }
    assert 0 <= media["oldest_age_s"] < 60
    text = terminal.run("queues").expect(0).out.splitlines()
    head = ["QUEUE", "CARRIES", "READY", "DELAYED", "IN", "FLIGHT", "DEAD", "OLDEST", "MAX", "CONSUMERS", "PUBLISHED"]
    assert text[0].split() == head
    assert text[2].split()[:6] == ["media", "tasks", "1", "1", "0", "0"]
    assert text[2].split()[7:] == ["-", "0", "2"]


def test_every_output_says_the_same(shop: Shop, terminal: Terminal) -> None:
    shop.resize.delay("cat.png")
    shop.add.delay(1, 2)
    in_json = terminal.run("tasks", "-o", "json").expect(0).json
    assert in_json == terminal.run("tasks", "list", "-o", "jsonl").expect(0).lines
    assert [task["task"] for task in in_json] == ["shop.add", "shop.resize"]
    text = terminal.run("tasks").expect(0).out
    assert all(task["id"] in text for task in in_json)


def test_tasks_are_found_by_state_queue_and_name(shop: Shop, terminal: Terminal) -> None:
    waiting, done = shop.resize.delay("cat.png"), shop.add.delay(1, 2)
    later = shop.resize.options(countdown=3600).delay("dog.png")
    shop.work_off(done, shop.add.delay(3, 4))
    shop.fail_with("no")
    for state, count in {"PENDING": 1, "SUCCEEDED": 2, "FAILED": 1, "SCHEDULED": 1}.items():
        found = terminal.run("tasks", "--state", state.lower(), "-o", "jsonl").expect(0).lines
        assert len(found) == count and {task["state"] for task in found} == {state}
    assert done.id in terminal.run("tasks", "--state", "SUCCEEDED").out
    assert later.id in terminal.run("tasks", "--queue", "media", "--state", "SCHEDULED").out
    assert len(terminal.run("tasks", "--name", "shop.add", "-o", "jsonl").lines) == 2
    assert len(terminal.run("tasks", "--limit", "2", "-o", "jsonl").lines) == 2
    assert terminal.run("tasks", "--name", "shop.nothing").expect(0).out == "No such tasks.\n"
    assert waiting.id in terminal.run("tasks", "--queue", "media", "--state", "PENDING").out


def test_a_task_is_shown_wherever_it_is(shop: Shop, terminal: Terminal) -> None:
    done, waiting = shop.add.delay(1, 2), shop.add.options(countdown=3600, headers={"who": "ada"}).delay(3, 4)
    shop.work_off(done)
    (dead,) = shop.fail_with("no such cat")
    shown = {id: terminal.run("tasks", "show", id, "-o", "json").expect(0).json for id in (done.id, waiting.id, dead)}
    assert (shown[done.id]["state"], shown[done.id]["result"]) == ("SUCCEEDED", 3)
    assert (shown[waiting.id]["state"], shown[waiting.id]["body"]) == ("SCHEDULED", "[[3,4],{}]")
    assert shown[waiting.id]["headers"]["who"] == "ada"
    assert (shown[dead]["state"], shown[dead]["error_type"]) == ("FAILED", "ValueError")
    assert shown[dead]["dead_letter"] == 1
    assert "raise ValueError(text)" in terminal.run("tasks", "show", dead).expect(0).out


def test_several_of_which_some_are_not_there(shop: Shop, terminal: Terminal) -> None:
    here = shop.resize.delay("cat.png")
    said = terminal.run("tasks", "show", here.id, "nowhere", "-o", "jsonl").expect(3)
    assert [task["id"] for task in said.lines] == [here.id]
    assert "No task nowhere" in said.err
    assert terminal.run("tasks", "show", "nowhere").expect(5).out == ""


def test_results(shop: Shop, terminal: Terminal) -> None:
    done, waiting = shop.add.delay(1, 2), shop.resize.delay("cat.png")
    (failed,) = shop.fail_with("no such cat")
    shop.work_off(done)
    assert terminal.run("tasks", "result", done.id).expect(0).json == 3
    said = terminal.run("tasks", "result", failed).expect(1)
    assert "ended as FAILED: ValueError: no such cat" in said.err and not said.out
    assert "not ended within 0.1 s" in terminal.run("tasks", "result", waiting.id, "--wait", "0.1s").expect(7).err
    assert "No task nowhere" in terminal.run("tasks", "result", "nowhere").expect(5).err


def test_send_by_name_needs_no_code_of_the_user(shop: Shop, terminal: Terminal) -> None:
    shop.work_off(shop.add.delay(0, 0))
    words = ("send", "shop.add", "--kwargs", '{"y": 5}', "2", "--priority", "9", "--key", "k", "-o", "json")
    sent = terminal.run(*words).expect(0).json
    shown = terminal.run("tasks", "show", sent["id"], "-o", "json").json
    assert (shown["body"], shown["priority"], shown["key"]) == ('[[2], {"y": 5}]', 9, "k")
    shop.work_off(shop.app.result(sent["id"]))
    assert shop.app.result(sent["id"]).get(timeout=10) == 7


def test_send_takes_json_and_text(shop: Shop, terminal: Terminal) -> None:
    shop.resize.delay("cat.png")
    sent = terminal.run("send", "shop.x", "5", "true", '"5"', "five", "NaN", "[1]", "--queue", "media", "-o", "json")
    shown = terminal.run("tasks", "show", sent.expect(0).json["id"], "-o", "json").json
    assert shown["body"] == '[[5, true, "5", "five", "NaN", [1]], {}]'


def test_send_later(shop: Shop, terminal: Terminal) -> None:
    shop.resize.delay("cat.png")
    sent = terminal.run("send", "shop.x", "--queue", "media", "--countdown", "5m", "-o", "json").expect(0).json
    assert terminal.run("tasks", "show", sent["id"], "-o", "json").json["state"] == "SCHEDULED"


def test_send_to_a_queue_that_is_not_there(shop: Shop, terminal: Terminal) -> None:
    shop.resize.delay("cat.png")
    said = terminal.run("send", "shop.x", "--queue", "meda").expect(5)
    assert "did you mean 'media'?" in said.err


def test_send_and_wait(shop: Shop, terminal: Terminal) -> None:
    shop.work_off(shop.add.delay(0, 0))
    assert terminal.run("send", "shop.add", "1", "2", "--wait", "0.2").expect(7).out == ""
    with shop.app.worker():
        assert terminal.run("send", "shop.add", "20", "3", "--wait", "20s").expect(0).json == 23
        assert "ValueError: 7" in terminal.run("send", "shop.fail", '"7"', "--wait", "20s").expect(1).err


def test_text_is_stripped_of_what_acts_on_a_terminal(shop: Shop, terminal: Terminal) -> None:
    (dead,) = shop.fail_with(EVIL)
    waiting = shop.resize.options(headers={"evil": EVIL}, key=EVIL).delay(EVIL)
    for words in (
        ("tasks",),
        ("tasks", "show", dead, waiting.id),
        ("dead-letters",),
        ("dead-letters", "--group"),
        ("dead-letters", "show", dead),
        ("doctor",),
    ):
        said = terminal.run(*words)
        found = {character for character in said.out + said.err if character in "\x1b\x07\x9b\r\u202e"}
        assert not found, (words, found)
    assert "\nINFO forged" not in terminal.run("dead-letters").out


def test_json_escapes_what_acts_on_a_terminal_and_loses_nothing(shop: Shop, terminal: Terminal) -> None:
    (dead,) = shop.fail_with(EVIL)
    said = terminal.run("dead-letters", "show", dead, "-o", "json").expect(0)
    assert not {character for character in said.out if character in "\x1b\x07\x9b\r\u202e"}
    assert said.json["history"][0]["error"] == EVIL


def test_workers(shop: Shop, terminal: Terminal) -> None:
    shop.resize.delay("cat.png")
    assert "No workers" in terminal.run("workers").expect(0).out
    with shop.app.worker():
        (worker,) = until(lambda: terminal.run("workers", "-o", "json").expect(0).json)
        assert worker["state"] == "alive" and worker["in_flight"] == 0


def test_the_app_looks_the_same_way(shop: Shop) -> None:
    shop.add.options(countdown=3600).delay(1, 2)
    shop.resize.delay("cat.png")
    assert [queue.queue for queue in shop.app.inspect.queues()] == ["default", "media"]
    assert [task.state for task in shop.app.inspect.scheduled()] == ["SCHEDULED"]
    assert shop.app.inspect.active() == []
    assert shop.app.inspect.workers() == []
    stats = shop.app.inspect.stats()
    assert (stats.queues, stats.ready, stats.delayed, stats.counters["published"]) == (2, 1, 1, 2)


def test_an_id_nobody_knows(shop: Shop) -> None:
    shop.resize.delay("cat.png")
    with pytest.raises(NotFound):
        shop.app.result("nowhere").status()
