"""`${NAME}` in a source is resolved from the environment, and its value is in no message, dump or artifact."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import NightcastError, SourceUnreadable, SpecError
from flows.pipeline.spec import PipelineSpec
from tasks.ingestion import ingest
from tasks.sources.databases import sql_reader
from tasks.sources.dataset import DatasetSpec
from tasks.sources.read import read_source
from tasks.sources.secrets import Secrets, resolve_secrets
from tasks.sources.spec import SourceSpec
from tasks.storage.store import Store

AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)


def test_variable_is_resolved_when_the_source_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.csv").write_text("sku\na\n")
    monkeypatch.setenv("SHOP_DATA", str(tmp_path))
    source = SourceSpec(kind="csv", path="${SHOP_DATA}/s.csv")
    assert read_source(source)["sku"].to_pylist() == ["a"]
    assert source.path == source.label == "${SHOP_DATA}/s.csv"


def test_nested_variables_are_resolved_and_two_dollars_escape_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "abc")
    arguments = {"outer": [{"inner": "x${KEY}y"}, 3, "$${KEY}", "$KEY", "5 $"]}
    source = SourceSpec(kind="python", callable="m:f", arguments=arguments)
    assert resolve_secrets(source)[0].arguments == {"outer": [{"inner": "xabcy"}, 3, "${KEY}", "$KEY", "5 $"]}


@pytest.mark.parametrize("written", ["${NOT_SET_ANYWHERE}", "${not-a-name}", "${", "${}"])
def test_unset_or_malformed_variable_is_a_spec_error(written: str) -> None:
    with pytest.raises(SpecError, match=r"\$\{") as refused:
        read_source(SourceSpec(kind="csv", path=f"/data/{written}"))
    assert written in str(refused.value)


@pytest.mark.parametrize("secret", ["hunter2", "p@ss/w:rd", "a b%c", "7", "*.(", "pass\\word"])
def test_message_shows_the_variable_instead_of_its_value(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", secret)
    _, secrets = resolve_secrets(SourceSpec(kind="python", callable="m:f", arguments={"password": "${PW}"}))
    assert secrets.redact(f"login with {secret} failed, {secret!r}") in (
        "login with ${PW} failed, '${PW}'",
        'login with ${PW} failed, "${PW}"',
    )


def test_password_inside_secret_url_is_hidden_decoded_and_encoded() -> None:
    secrets = Secrets()
    secrets.keep_url("postgresql://bob:p%40ss@host/d", "${URL}")
    assert secrets.redact("user bob, password p@ss, p%40ss") == "user bob, password ${URL}, ${URL}"


def test_short_secret_is_replaced_as_a_word_only() -> None:
    secrets = Secrets()
    secrets.keep("a", "${A}")
    assert secrets.redact("a table says a") == "${A} table says ${A}"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"kind": "sql", "url": "postgresql://bob:hunter2@host/d", "table": "t"}, "postgresql://…@host/d"),
        ({"kind": "sql", "url": "postgresql://bob:hun/ter2@x@host/d?password=hunter2", "table": "t"}, "//…@host/d"),
        ({"kind": "sql", "url": "postgresql://bob:${PW}@host/d", "table": "t"}, "postgresql://…@host/d"),
        ({"kind": "sql", "url": "${URL}", "table": "t"}, "${URL}"),
        ({"kind": "csv", "path": "ftp://bob:hunter2@host/s.csv"}, "ftp://…@host/s.csv"),
        ({"kind": "csv", "path": "s3://b/s.csv", "storage": {"secret": "hunter2", "key": "${K}"}}, "${K}"),
        ({"kind": "csv", "path": "s3://b/s", "storage": {"client_kwargs": {"aws_secret_key": "hunter2"}}}, "…"),
        ({"kind": "python", "callable": "m:f", "arguments": {"token": "hunter2", "rows": 3}}, "…"),
        ({"kind": "python", "callable": "m:f", "arguments": {"auth": {"user": "x", "value": ["hunter2"]}}}, "…"),
        ({"kind": "python", "callable": "m:f", "arguments": {"url": "https://h/x?Signature=hunter2"}}, "https://h/x"),
        ({"kind": "csv", "path": "https://h/s.csv?X-Amz-Signature=hunter2&X-Amz-Date=1"}, "https://h/s.csv"),
        ({"kind": "csv", "path": "abfs://c/s.csv", "storage": {"sas": "hunter2", "api-key": "hunter2"}}, "…"),
        ({"kind": "sql", "url": "sqlite:///x.db", "query": "SELECT dblink('password=hunter2 host=h')"}, "password=…"),
    ],
)
def test_dump_and_repr_of_source_hide_secrets(fields: dict[str, Any], shown: str) -> None:
    source = SourceSpec.model_validate(fields)
    for seen in (json.dumps(source.model_dump(mode="json"), ensure_ascii=False), repr(source), str(source)):
        assert "hunter2" not in seen
        assert "ter2" not in seen
        assert shown in seen
    assert "hunter2" not in source.label


PRESIGNED = "https://b.example/s.csv?X-Amz-Credential=AKIAhunter2%2Feu&X-Amz-Signature=hunter2ab%2B12&sig=hunter2%3D"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"token": "hunter2"}, "bad token hunter2"),
        ({"pin": {"password": 20131130}}, "login with 20131130"),
        ({"headers": {"Authorization": "Basic hunter2=="}}, "sent Basic hunter2=="),
        ({"headers": {"Authorization": "Bearer hunter2.eyJ"}}, "the token hunter2.eyJ has expired"),
        ({"login": [{"api_key": "hunter2"}]}, "the key hunter2 is wrong"),
        ({"url": PRESIGNED}, f"GET {PRESIGNED} gave 403"),
        ({"url": PRESIGNED}, "the signature hunter2ab+12 of the credential AKIAhunter2/eu or hunter2= is wrong"),
        ({"url": PRESIGNED}, "hunter2ab%2B12"),
        ({"url": "https://ann:hunter2@h/x"}, "the header is YW5uOmh1bnRlcjI="),
        ({"other": 1}, "connect with password=hunter2"),
        ({"other": 1}, "GET https://me:hunter2@h/x failed"),
        ({"other": 1}, f"a page that the source names: {PRESIGNED}"),
        ({"token": 'hun"ter2'}, 'in JSON: "hun\\"ter2"'),
    ],
)
def test_secret_that_is_written_in_the_spec_is_in_no_error(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    (tmp_path / "loader.py").write_text(f"def load(**arguments): raise RuntimeError({message!r})\n")
    source = SourceSpec(kind="python", callable="loader:load", arguments=arguments)
    with pytest.raises(SourceUnreadable) as refused:
        read_source(source.with_resolved_paths(str, tmp_path))
    shown = f"{refused.value}{refused.value.args}{refused.value.findings}"
    for part in ("hunter2", "hun", "20131130", "YW5uOmh1bnRlcjI="):
        assert part not in shown


def test_short_literals_leave_a_message_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "loader.py").write_text("def load(key): raise RuntimeError('no row a of 12')\n")
    source = SourceSpec(kind="python", callable="loader:load", arguments={"key": "a"})
    with pytest.raises(SourceUnreadable, match="no row a of 12"):
        read_source(source.with_resolved_paths(str, tmp_path))


def test_number_is_hidden_under_names_of_secrets_and_shown_as_the_key_of_a_row() -> None:
    arguments = {"password": 20131130, "pin": 1234, "shop_key": 12, "tokens": True, "secret": None}
    source = SourceSpec(kind="python", callable="m:f", arguments=arguments)
    shown = {"password": "…", "pin": "…", "shop_key": 12, "tokens": True, "secret": None}
    assert source.model_dump()["arguments"] == shown


def test_error_has_no_cause_with_the_driver_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_reader, "RETRY_DELAYS_S", ())
    monkeypatch.setenv("PW", "hunter2")
    with pytest.raises(SourceUnreadable) as refused:
        read_source(SourceSpec(kind="sql", url="postgresql://bob:${PW}@127.0.0.1:1/d", table="t"))
    assert (refused.value.__cause__, refused.value.__suppress_context__) == (None, True)


def spec(url: str) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": "shop",
            "source": {"kind": "sql", "url": url, "table": "t"},
            "columns": {"ds": "hour", "y": "sold"},
            "freq": "h",
            "windowing": {"horizon": 3},
        }
    )


def test_password_does_not_change_the_run_id_and_is_not_dumped(store: Store) -> None:
    raw = store.put_bytes(b"", "raw", "parquet")
    urls = ("postgresql://bob:hunter2@h/d", "postgresql://bob:swordfish@h/d", "postgresql://bob:${PW}@h/d")
    assert len({spec(url).run_id("nightly", AS_OF, raw) for url in urls}) == 1
    assert "hunter2" not in spec(urls[0]).model_dump_json() + repr(spec(urls[0]))


def test_night_writes_no_secret(
    postgres: Any, reading: Callable[..., DatasetSpec], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.execute("DROP TABLE IF EXISTS secret_sales", "CREATE TABLE secret_sales (hour timestamptz, sold float8)",
                     "INSERT INTO secret_sales VALUES ('2024-03-01', 1)")  # fmt: skip
    monkeypatch.setenv("PW", "s3cret-Pass%2Fw%40rd")
    url = f"postgresql://night:${{PW}}@127.0.0.1:{postgres.port}/postgres"
    fields = {"columns": {"ds": "hour", "y": "sold"}, "features": {}}
    sound = reading(source={"kind": "sql", "url": url, "table": "secret_sales"}, **fields)
    first = ingest(sound, AS_OF, store)
    monkeypatch.setenv("PW", "s3cret-Pass%2Fw%40rd?application_name=x")
    wrong = reading(source={"kind": "sql", "url": url, "table": "gone"}, **fields)
    with pytest.raises(NightcastError) as refused:
        ingest(wrong, AS_OF, store)
    plain = reading(source={"kind": "sql", "url": postgres.url, "table": "secret_sales"}, **fields)
    assert ingest(plain, AS_OF, store).digest == first.digest
    written = b"".join(path.read_bytes() for path in Path(store.root).rglob("*") if path.is_file())
    assert b"s3cret" not in written
    assert "s3cret" not in f"{refused.value}{refused.value.args}"
