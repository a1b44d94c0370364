"""YAML that a person wrote: plain data or a sentence with file and line, never code and never a guess."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data_contracts.errors import SpecError
from data_contracts.spec import Spec
from data_contracts.yaml_reader import mapping, read_document, spec_error_from

BOMB = "a: &a [1, 1]\nb: &b [*a, *a]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: one\nfreq: h\nname: two\n", r"p\.yaml, line 3: the key 'name' occurs twice"),
        ("outer:\n  a: 1\n  a: 2\n", r"line 3: the key 'a' occurs twice"),
        (BOMB, r"p\.yaml, line 2: anchors and aliases are not supported"),
        ("base: &b {a: 1}\nmore:\n  <<: *b\n", "line 3: anchors and aliases"),
        ("name: !!python/object/apply:os.system ['touch planted']\n", r"p\.yaml is not valid YAML.*line 1"),
        ("name: !!python/name:os.system\n", "is not valid YAML.*python/name"),
        ("name: !secret x\n", "is not valid YAML.*!secret"),
        ("? [a, b]\n: 1\n", "line 1: a field name must be plain text"),
        ("{[a]: 1}\n", "line 1: a field name must be plain text"),
        ("from: !!timestamp 2013-13-45\n", "is not valid YAML: month must be"),
        ("a: 1\n b: 2\n", "is not valid YAML.*line 2"),
        ("a: 1\n---\nb: 2\n", "is not valid YAML.*single document"),
        ("a: [" * 2000, "is not valid YAML"),
        ("a: \x00\n", "is not valid YAML.*special characters"),
        ("- a\n- b\n", r"p\.yaml holds list, not a mapping"),
        ("", "holds nothing, not a mapping"),
        ("just text", "holds str, not a mapping"),
        ("a: " + "x" * 1_000_001, "has more than 1,000,000 bytes"),
        ("a: " + "[" * 51 + "]" * 51, r"p\.yaml is not valid YAML: in line 1, values are nested deeper than 50 levels"),
        ("a: " + "[" * 400_000 + "]" * 400_000, "nested deeper than 50 levels"),
        ("a:\n" + "".join(f"{'  ' * depth}b:\n" for depth in range(1, 60)), "in line 51, .* deeper than 50 levels"),
    ],
)
def test_unsupported_yaml_is_rejected_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=f"(?s){said}"):
        read_document(path)


def test_tag_does_not_run_code(tmp_path: Path) -> None:
    planted, path = tmp_path / "planted", tmp_path / "p.yaml"
    path.write_text(f"a: !!python/object/apply:pathlib.Path.touch [{planted}]\n", encoding="utf-8")
    with pytest.raises(SpecError):
        read_document(path)
    assert not planted.exists()


def test_missing_binary_or_folder_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gone\.yaml does not exist"):
        read_document(tmp_path / "gone.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match=r"binary\.yaml cannot be read as UTF-8"):
        read_document(tmp_path / "binary.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        read_document(tmp_path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file without an end")
def test_endless_file_is_read_up_to_the_limit() -> None:
    with pytest.raises(SpecError, match="has more than 1,000,000 bytes"):
        read_document(Path("/dev/zero"))


def test_fifo_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.yaml")
    with pytest.raises(SpecError, match=r"p\.yaml is a FIFO, not a file\. Give the path of a YAML file\."):
        read_document(tmp_path / "p.yaml")


def test_values_nested_as_deep_as_a_contract_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a: " + "[" * 49 + "]" * 49, encoding="utf-8")
    assert read_document(path)["a"] == eval("[" * 49 + "]" * 49)  # noqa: S307 - a literal


def test_plain_values_keep_their_types(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("name: büro\nn: 3\nshare: 0.5\nwhen: 2013-11-30\nlist: [a, {b: null}]\n", encoding="utf-8")
    document = read_document(path)
    assert document["name"] == "büro"
    assert (document["n"], document["share"], document["list"]) == (3, 0.5, ["a", {"b": None}])
    assert str(document["when"]) == "2013-11-30"


@settings(max_examples=200)
@given(text=st.text(alphabet="ab:[]{}&*!<>?-|'\"#,\n\t 01.%@`~é\x00", max_size=60))
def test_any_text_gives_a_mapping_or_a_spec_error(text: str) -> None:
    try:
        found: object = mapping(text, "p.yaml")
    except SpecError as refused:
        found = str(refused)
    assert isinstance(found, dict) or str(found).startswith("p.yaml")


@pytest.mark.parametrize("text", ['url: "postgresql://me:hunter2@h/d\n', "pw: hunter2: x\n", "{pw: hunter2, @}\n"])
def test_yaml_error_does_not_quote_the_line(text: str) -> None:
    with pytest.raises(SpecError, match=r"p\.yaml is not valid YAML: .* in line \d, column \d+") as refused:
        mapping(text, "p.yaml")
    assert "hunter2" not in str(refused.value)


class Windowing(Spec):
    horizon: int


class Pipeline(Spec):
    name: str
    windowing: Windowing


def test_each_invalid_field_is_one_line() -> None:
    with pytest.raises(ValidationError) as found:
        Pipeline.model_validate({"name": 7, "windowing": {"horizont": 24}, "password": "hunter2"})
    said = str(spec_error_from("p.yaml", found.value))
    assert said.splitlines()[0] == "p.yaml is not a valid document:"
    assert "  - name: needs text, and YAML reads it as a number, 7; put it in quotes" in said
    assert "  - windowing.horizon: Field required" in said
    assert "  - windowing.horizont: Extra inputs are not permitted" in said
    assert "hunter2" not in said


def test_unknown_field_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(ValidationError) as invalid:
        Pipeline.model_validate({"name": "shop", "windowing": {"horizont": 24}, "colour": 1})
    lines = str(spec_error_from("p.yaml", invalid.value, Pipeline)).splitlines()
    assert "  - windowing.horizont: Extra inputs are not permitted; did you mean windowing.horizon?" in lines
    assert "  - colour: Extra inputs are not permitted" in lines


TRUTH = "needs text, and YAML reads yes, no, on, off, true and false as truth values; put it in quotes"


class Fields(Spec):
    text: str = ""
    names: str | tuple[str, ...] = ""
    level: str | float | int | bool | None = None
    steps: int = 1


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ("text: 1.10", "text: needs text, and YAML reads it as a number, 1.1; put it in quotes"),
        ("text: 12:30", "text: needs text, and YAML reads it as a number, 750; put it in quotes"),
        (
            "text: on",
            "text: needs text, and YAML reads yes, no, on, off, true and false as truth values; put it in quotes",
        ),
        ("text:", "text: Input should be a valid string (got None)"),
        ("names: 2024", "names: needs text, and YAML reads it as a number, 2024; put it in quotes"),
        ("names: [a, no]", f"names.1: {TRUTH}"),
        ("names: {a: 1}", "names: Input should be a valid string or a valid list"),
        ("level: [1]", "level: Input should be a valid string or a valid number or a valid integer or a valid boolean"),
        ("steps: many", "steps: Input should be a valid integer, unable to parse string as an integer (got 'many')"),
    ],
)
def test_field_is_one_line_whatever_types_it_may_have(document: str, line: str) -> None:
    with pytest.raises(ValidationError) as found:
        Fields.model_validate(mapping(document, "p.yaml"))
    assert str(spec_error_from("p.yaml", found.value)).splitlines()[1:] == [f"  - {line}"]


@pytest.mark.parametrize("written", ["2026-01-01", "2026-01-01T03:00:00Z", "2026-01-01 03:00:00.50", "2013-13-45"])
def test_date_without_quotes_is_text_as_it_is_written(written: str) -> None:
    fields = Fields.model_validate(mapping(f"text: {written}\nlevel: {written}\nnames: [{written}]", "p.yaml"))
    assert (fields.text, fields.level, fields.names) == (written, written, (written,))


def test_message_lists_twenty_errors() -> None:
    with pytest.raises(ValidationError) as found:
        Pipeline.model_validate(
            {"name": "n", "windowing": {"horizon": 1, **{f"f{number}": 1 for number in range(100)}}}
        )
    lines = str(spec_error_from("p.yaml", found.value)).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  - and 80 more"


@pytest.mark.parametrize(
    ("windowing", "name", "said"),
    [
        ("postgresql://me:hunt@er2@h/d", "n", "windowing: Input should be a mapping of fields"),
        ({"horizon": "postgresql://me:hunt@er2@h/d"}, "n", r"horizon: .* \(got 'postgresql://…@h/d'\)"),
    ],
)
def test_url_in_the_wrong_field_is_redacted(windowing: object, name: str, said: str) -> None:
    with pytest.raises(ValidationError) as found:
        Pipeline.model_validate({"name": name, "windowing": windowing})
    told = str(spec_error_from("p.yaml", found.value))
    assert re.search(said, told)
    assert "er2" not in told


SMUGGLED = ("postgresql://me:hunter2@h/d", "password hunter2", "token=hunter2", "hunter2/K7MDENGbPxRfiCYEXAMPLEKEY")


@pytest.mark.parametrize("name", SMUGGLED)
def test_name_of_a_field_smuggles_no_secret_into_a_message(name: str) -> None:
    with pytest.raises(ValidationError) as found:
        Pipeline.model_validate({"name": "n", "windowing": {"horizon": 3, name: 1}})
    assert "hunter2" not in str(spec_error_from("p.yaml", found.value))
    with pytest.raises(SpecError, match="occurs twice") as twice:
        mapping(f"'{name}': 1\n'{name}': 2\n", "p.yaml")
    assert "hunter2" not in str(twice.value)


def test_value_of_a_field_with_the_name_of_a_secret_is_not_shown() -> None:
    class Login(Spec):
        password: int

    with pytest.raises(ValidationError) as found:
        Login.model_validate({"password": "hunter2"})
    assert "hunter2" not in str(spec_error_from("p.yaml", found.value))


def test_long_value_is_shortened() -> None:
    with pytest.raises(ValidationError) as found:
        Windowing.model_validate({"horizon": "x" * 5000})
    assert len(str(spec_error_from("p.yaml", found.value))) < 300


def test_specs_are_frozen() -> None:
    spec = Windowing(horizon=3)
    with pytest.raises(ValidationError, match="frozen"):
        spec.horizon = 4  # type: ignore[misc]
