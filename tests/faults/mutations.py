"""Seeded mutations of inputs: of bytes, of the text of tables, and of the values of documents."""

import io
import json
import math
import random
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import pandas as pd
import yaml

Mutation = Callable[[bytes, random.Random], bytes]
# fmt: off
CHUNKS = (
    b"\0", b"\xff\xfe", b"\x80", b"\n", b"\r\n", b'"', b"'", b",", b";", b"\t", b"{", b"}", b"[", b": ",
    b"\xef\xbb\xbf", b"\0" * 5000, b"9" * 400, b"A" * 70_000, b"[" * 3000, b'{"a":' * 3000, b"\n" * 2000,
    b"PK\x03\x04", b"PAR1", b"-",
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7, 2**31, 2**63, 10**30, -(10**30), 0.5, 1e308, 5e-324, math.inf, -math.inf,
    math.nan, "", " ", "a", "y", "0", "-1", "nan", "inf", "1e400", "true", "NaT", "2024-02-30", "2024-01-01",
    "24:00", "12/31/99",
    "/dev/zero", "/", "**", "../../x", "${HOME}", "${GONE}", "s3://x/y", "http://127.0.0.1:1/x", "x" * 3000, "a\nb",
    "h", "1ns", "99999999D", "D", "MS", "W-MON", "Europe/Berlin", "UTC", "é", "🙂", "\u202e", "<script>", "=1+1",
    "%s", "{x}", [], {}, [[]], [None], ["a", "a"], [1, "a"], {"a": 1}, {"": None}, {"kind": "csv"}, [{}],
    [0.1, 0.9], list(range(300)),
    date(1, 1, 1), date(9999, 12, 31), datetime(2024, 3, 10, 2, 30),  # noqa: DTZ001 - YAML's times have no zone
)
CELLS = (
    "", " ", "NA", "nan", "inf", "-inf", "1e308", "1e400", "-1", "1,5", "1.234,5", "5 %", "€ 7", "0x1f", "١٢",
    "true", "007", "1900-01-01", "9999-12-31", "0001-01-01", "2024-02-30", "2024-03-31 02:30", "24:00",
    "2024-W07", "202401", "31/12/2024", "2262-04-12", "1e18", "a/b", "../x", "a\0b", "x" * 600, "é", "é", "🙂",
    "\u202eabc", "=cmd|'/c calc'!A1", "<script>", '"', '"a', 'a"b', "a\nb", "a,b", "\ufeff", "\u2028", "NULL",
    "-0", "+5", "--5", "1_000", "Infinity", "2024-01-01T00:00:00Z",
)
# fmt: on


def mutate_bytes(data: bytes, draw: random.Random) -> bytes:
    """Flip, cut, repeat, move or insert bytes, one to four times."""
    result = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        size = len(result)
        start = draw.randrange(size + 1)
        end = min(size, start + draw.choice((1, 2, 8, 64, 1000)))
        match draw.randrange(7):
            case 0 if size:
                for _ in range(draw.choice((1, 4, 40))):
                    result[draw.randrange(size)] ^= 1 << draw.randrange(8)
            case 1:
                del result[start:]
            case 2:
                del result[start:end]
            case 3:
                result[start:start] = result[start:end] * draw.choice((1, 3, 50))
            case 4:
                result[start:start] = draw.choice(CHUNKS)
            case 5:
                result[start:end] = draw.randbytes(end - start)
            case _:
                moved = result[start:end]
                del result[start:end]
                at = draw.randrange(len(result) + 1)
                result[at:at] = moved
    return bytes(result)


def mutate_rows(frame: pd.DataFrame, draw: random.Random) -> pd.DataFrame:
    """Change cells, columns or rows of a table, one to four times."""
    result = frame.astype(object)
    for _ in range(draw.randint(1, 4)):
        rows, columns = result.shape
        name = draw.randrange(columns) if columns else 0
        match draw.randrange(8) if rows and columns else 7:
            case 0:
                for _ in range(draw.choice((1, 5, 60))):
                    result.iat[draw.randrange(rows), draw.randrange(columns)] = draw.choice(CELLS)
            case 1:
                result.isetitem(name, [draw.choice(CELLS)] * rows)
            case 2:
                result = result.drop(columns=result.columns[name])
            case 3:
                result.columns = [
                    draw.choice(CELLS) if index == name else old for index, old in enumerate(result.columns)
                ]
            case 4:
                result = result.sample(n=draw.choice((0, 1, rows // 2, rows)), random_state=draw.randrange(2**32))
            case 5:
                result = pd.concat([result, result.iloc[: draw.choice((1, rows))]])
            case 6:
                order = draw.sample(range(columns), columns)
                result = result.iloc[:, order]
            case _:
                result.insert(0, draw.choice(CELLS), draw.choice(CELLS), allow_duplicates=True)
    return result


def mutate_values(document: Any, draw: random.Random) -> Any:
    """Replace, delete, rename, wrap, repeat or add values of a document, one to three times."""
    result = json.loads(json.dumps(document, default=str))
    for _ in range(draw.randint(1, 3)):
        containers = [item for item in _containers(result) if item]
        if not containers:
            return draw.choice(VALUES)
        target = draw.choice(containers)
        key: Any = draw.choice(list(target)) if isinstance(target, dict) else draw.randrange(len(target))
        match draw.randrange(8):
            case 0 | 1 | 2 | 3:
                target[key] = draw.choice(VALUES)
            case 4:
                del target[key]
            case 5 if isinstance(target, dict):
                target[draw.choice(("", "a", "kind", "name", f"{key}s", "x" * 100, "<b>"))] = target.pop(key)
            case 6:
                target[key] = draw.choice(([target[key]], {"a": target[key]}, [target[key]] * 50, str(target[key])))
            case _ if isinstance(target, dict):
                target[draw.choice(("extra", "name", "query", "table", "hidden", "kind"))] = draw.choice(VALUES)
    return result


def _containers(document: Any) -> Iterator[Any]:
    """Yield every mapping and list of a document."""
    if isinstance(document, dict | list):
        yield document
        for value in document.values() if isinstance(document, dict) else document:
            yield from _containers(value)


def mutate_yaml(data: bytes, draw: random.Random) -> bytes:
    """Change values of a YAML document, or its text."""
    match draw.randrange(8):
        case 0:
            return mutate_bytes(data, draw)
        case 1:
            lines = data.splitlines(keepends=True)
            index = draw.randrange(len(lines))
            return b"".join([*lines[: index + 1], *lines[index : index + draw.randint(1, 3)], *lines[index + 1 :]])
        case _:
            changed = mutate_values(yaml.safe_load(data), draw)
            return yaml.safe_dump(changed, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")


def mutate_json(data: bytes, draw: random.Random) -> bytes:
    """Change values of a JSON document, or its bytes."""
    if draw.randrange(4) == 0:
        return mutate_bytes(data, draw)
    return json.dumps(mutate_values(json.loads(data), draw), default=str).encode()


def table_mutation(write: Callable[[pd.DataFrame], bytes]) -> Mutation:
    """Return a mutation of a Parquet file in the format of `write`: of its rows, or of its bytes."""

    def mutate(data: bytes, draw: random.Random) -> bytes:
        frame = pd.read_parquet(io.BytesIO(data))
        if draw.randrange(3) == 0:
            return mutate_bytes(write(frame), draw)
        changed = mutate_rows(frame, draw)
        try:
            return write(changed)
        except Exception:  # noqa: BLE001 - the writer refuses such a table: nobody can have it in this format
            return mutate_bytes(write(frame), draw)

    return mutate


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV."""
    return frame.to_csv(index=False).encode("utf-8", "surrogatepass")


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Return a table as Parquet; a column of several types is text."""
    plain = frame.set_axis([str(name) for name in frame.columns], axis=1).infer_objects()
    mixed = [index for index, dtype in enumerate(plain.dtypes) if pd.api.types.is_object_dtype(dtype)]
    for index in mixed:
        plain.isetitem(index, [None if pd.isna(value) else str(value) for value in plain.iloc[:, index]])
    return plain.to_parquet(index=False)


def to_json(frame: pd.DataFrame) -> bytes:
    """Return a table as JSON lines."""
    rows = frame.astype(object).to_dict("records")
    return "\n".join(json.dumps(row, default=str) for row in rows).encode("utf-8", "surrogatepass")


def to_excel(frame: pd.DataFrame) -> bytes:
    """Return a table as a workbook."""
    sink = io.BytesIO()
    frame.map(lambda value: value.tz_localize(None) if isinstance(value, pd.Timestamp) else value).to_excel(
        sink, index=False
    )
    return sink.getvalue()
