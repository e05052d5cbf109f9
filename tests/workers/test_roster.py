from pathlib import Path

from workers import roster


def test_a_folder_with_an_app_is_a_worker_and_no_other_is(tmp_path: Path) -> None:
    for name in ("loyalty_points/app.py", "loyalty_points/event.py", "half_written/event.py", "app.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert roster.found(tmp_path) == {"loyalty-points": "workers.loyalty_points.app"}


def test_the_four_concerns_are_in_the_fleet_and_each_goes_by_its_folders_name() -> None:
    assert roster.WORKERS.keys() >= {"audit-archive", "reminder-dispatch", "upload-notification", "webhook-delivery"}
    assert all(roster.app(name).name == name for name in roster.WORKERS)
