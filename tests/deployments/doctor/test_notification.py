"""`nightcast doctor --notify`: new problems, reminders and the end of problems are sent, also without a server."""

import json
import pathlib
import stat
from datetime import UTC, datetime, timedelta

import pytest
from prefect.blocks.abstract import NotificationBlock

from deployments.doctor import notification
from deployments.doctor.notification import notify_changes

NOW = datetime(2024, 2, 1, 6, tzinfo=UTC)
MISSED = {"part": "ports", "state": "bad", "told": "3 nights were missed", "step": "nightcast backfill ports"}
OLD = {"part": "ports", "state": "bad", "told": "newest forecasts are 29 h old", "step": "Find out why"}
GOOD = {"part": "disk", "state": "good", "told": "free", "step": ""}


class Pager(NotificationBlock):
    """A block of a user; `fails` makes it refuse."""

    _block_type_slug = "test-pager"
    fails: bool = False
    sent: str

    async def notify(self, body: str, subject: str | None = None) -> None:
        if self.fails:
            raise ConnectionError("no route to pager, token=s3cret-Token-99")
        with pathlib.Path(self.sent).open("a", encoding="utf-8") as file:
            file.write(f"{subject}|{body}\n")


@pytest.fixture(autouse=True)
def _no_server(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@pytest.fixture
def home(tmp_path):
    return tmp_path / ".prefect"


def notices(home):
    return (home / "notices.log").read_text().splitlines()


def use_pager(home, tmp_path, **data):
    notification._write_json(
        home / "notify-block.json", {"slug": "test-pager", "data": {"sent": str(tmp_path / "pages"), **data}}
    )


def test_new_problem_is_written_to_the_local_file_without_a_block(home):
    delivery = notify_changes([GOOD, MISSED], home, NOW)
    assert delivery.subject == "Nightcast: 1 problem"
    (line,) = notices(home)
    assert line.endswith("Nightcast: 1 problem · ports: 3 nights were missed. nightcast backfill ports")


def test_same_problem_is_sent_once_a_day(home):
    notify_changes([MISSED], home, NOW)
    assert notify_changes([MISSED], home, NOW + timedelta(hours=23)).text == "nothing to notify: no problem is new"
    assert notify_changes([MISSED], home, NOW + timedelta(hours=24)).subject == "Nightcast: 1 problem"
    assert len(notices(home)) == 2


def test_another_problem_is_sent_at_once_and_so_is_the_end(home):
    notify_changes([MISSED], home, NOW)
    assert notify_changes([MISSED, OLD], home, NOW + timedelta(minutes=15)).subject == "Nightcast: 2 problems"
    assert notify_changes([GOOD], home, NOW + timedelta(minutes=30)).subject == "Nightcast: healthy again"
    assert notify_changes([GOOD], home, NOW + timedelta(minutes=45)).subject == ""


def test_healthy_first_check_sends_nothing(home):
    assert notify_changes([GOOD], home, NOW).subject == ""
    assert not (home / "notices.log").exists()


def test_problems_of_two_pipelines_with_one_step_are_two(home):
    late = {"part": "worker", "state": "bad", "step": "No worker takes them: start nightcast up."}
    notify_changes([late | {"told": "2 runs of nightly/ports are late"}], home, NOW)
    both = [late | {"told": "3 runs of nightly/ports are late"}, late | {"told": "1 runs of nightly/shops are late"}]
    assert notify_changes(both[:1], home, NOW + timedelta(minutes=15)).subject == ""
    assert notify_changes(both, home, NOW + timedelta(minutes=30)).subject == "Nightcast: 2 problems"


def test_checks_of_other_pipelines_have_a_state_of_their_own(home):
    notify_changes([MISSED], home, NOW, "ports")
    assert notify_changes([GOOD], home, NOW, "shops").subject == ""
    assert notify_changes([MISSED], home, NOW + timedelta(minutes=15), "ports").subject == ""


def test_home_that_cannot_be_written_is_an_error_and_not_an_exception(tmp_path):
    (tmp_path / "file").write_text("")
    delivery = notify_changes([MISSED], tmp_path / "file", NOW)
    assert "cannot be written" in delivery.error


@pytest.mark.usefixtures("prefect_server")
def test_copy_of_a_deleted_block_is_forgotten(home, tmp_path, monkeypatch):
    from prefect.settings import PREFECT_API_URL

    use_pager(home, tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
    assert notify_changes([MISSED], home, NOW).recipient == str(home / "notices.log")
    assert not (home / "notify-block.json").exists()


def test_age_in_a_message_does_not_make_a_problem_new(home):
    notify_changes([OLD], home, NOW)
    older = OLD | {"told": "newest forecasts are 30 h old"}
    assert notify_changes([older], home, NOW + timedelta(hours=1)).subject == ""


def test_copy_of_the_block_is_used_while_the_server_is_down(home, tmp_path, monkeypatch):
    use_pager(home, tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    delivery = notify_changes([MISSED], home, NOW)
    assert delivery.recipient == "block nightcast-notify (test-pager)"
    assert (tmp_path / "pages").read_text().startswith("Nightcast: 1 problem|ports: 3 nights were missed")


def test_block_that_refuses_costs_no_message_and_is_tried_again(home, tmp_path):
    use_pager(home, tmp_path, fails=True)
    delivery = notify_changes([MISSED], home, NOW)
    assert "ConnectionError" in delivery.error
    assert "s3cret" not in delivery.text
    assert len(notices(home)) == 1
    use_pager(home, tmp_path)
    assert notify_changes([MISSED], home, NOW + timedelta(minutes=15)).error == ""
    assert (tmp_path / "pages").exists()


def test_files_of_the_watcher_are_private(home, tmp_path):
    use_pager(home, tmp_path)
    notify_changes([MISSED], home, NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert modes == {"notify-block.json": 0o600, "doctor.json": 0o600}


@pytest.mark.parametrize("text", ["{torn", "[]", '{"all": {"problems": 3, "sent": "yesterday"}}', '{"all": 1}'])
def test_damaged_state_counts_as_none(home, text):
    home.mkdir()
    (home / "doctor.json").write_text(text)
    assert notify_changes([MISSED], home, NOW).subject == "Nightcast: 1 problem"
    (problem,) = json.loads((home / "doctor.json").read_text())["all"]["problems"]
    assert problem == "ports: # nights were missed nightcast backfill ports"


@pytest.mark.usefixtures("prefect_server")
def test_block_of_the_server_is_used_and_copied(home, tmp_path, monkeypatch):
    from prefect.settings import PREFECT_API_URL

    Pager(sent=str(tmp_path / "pages")).save("nightcast-notify", overwrite=True)
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
    delivery = notify_changes([MISSED], home, NOW)
    assert (delivery.recipient, delivery.error) == ("block nightcast-notify (test-pager)", "")
    assert json.loads((home / "notify-block.json").read_text())["slug"] == "test-pager"
    assert (tmp_path / "pages").exists()
