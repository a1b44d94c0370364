"""A contract as a page: what it says is there, in words, and nothing in it can break the page."""

from pathlib import Path
from typing import Any

import yaml

from data_contracts.markdown import render_markdown
from data_contracts.odcs_compiler import ODCS, read_contract


def test_page_of_the_demo_contains_its_contract() -> None:
    page = render_markdown(read_contract(ODCS / "nyc-delays.yaml"))
    assert page.startswith("# Late departures of New York, hour by hour\n\nContract `nyc-delays@1.0.0`.\n")
    assert "| `series` (key) | string |  | never | origin and carrier" in page
    assert "One row for each `series`, `time_hour`." in page
    assert "(`wind_speed`; at most 5 percent violations; stops the night)." in page
    assert "- A row that is not an observation (text for a number" in page


def test_page_contains_units_zones_scopes_and_service_levels(tmp_path: Path) -> None:
    gaps: dict[str, Any] = {"name": "gaps", "metric": "nullValues", "mustBeLessThan": 3}
    gaps["customProperties"] = [{"property": "scope", "value": "series"}]
    columns = [
        {
            "name": "hour",
            "logicalType": "timestamp",
            "logicalTypeOptions": {"defaultTimezone": "Europe/Berlin", "format": "dd/MM/yyyy HH:mm"},
        },
        {
            "name": "wind",
            "logicalType": "number",
            "customProperties": [{"property": "unit", "value": "mph"}],
            "quality": [gaps, {"type": "text", "description": "Measured on the roof."}],
            "examples": [1.5, 2],
            "description": "speed | gusts\nnot <script>alert(1)</script>",
        },
    ]
    document = {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": "wind", "version": "2.0.0", "status": "active",
        "schema": [{"name": "wind", "properties": columns}],
        "slaProperties": [
            {
                "property": "latency",
                "value": 3,
                "unit": "h",
                "customProperties": [{"property": "scope", "value": "series"}],
            },
            {"property": "retention", "value": 2, "unit": "y"},
        ],
    }  # fmt: skip
    path = tmp_path / "wind.odcs.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    page = render_markdown(read_contract(path))
    assert "| `hour` | timestamp, written %d/%m/%Y %H:%M, in Europe/Berlin if it carries no zone |" in page
    assert r"| `wind` | number | mph | may be | speed \| gusts not &lt;script>alert(1)&lt;/script> | 1.5, 2 |" in page
    assert "- gaps (`wind`; less than 3 violations; evaluated for each series; the series is excluded" in page
    assert (
        "- latency: the newest observation of each series is at most 3h old. If it is older: the series is exc" in page
    )
    assert "- retention: 2 y; informal, not evaluated by Nightcast." in page
    assert "## Informal rules (not evaluated)\n\n- Measured on the roof." in page


def test_documented_example_compiles_and_renders(tmp_path: Path) -> None:
    readme = (ODCS.parent / "CONTRACTS.md").read_text(encoding="utf-8")
    path = tmp_path / "sales.odcs.yaml"
    path.write_text(readme.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    page = render_markdown(read_contract(path))
    assert "- table rowCount (more than 1,000 rows; stops the night)." in page
    assert (
        "- few gaps (`sold`; less than 5 percent violations; evaluated for each series; the series is excluded" in page
    )
    assert "- sold is possible (`sold`; the rows go to quarantine, the night continues)." in page
    assert (
        "- size is one of its enum: size must be one of S, M (`size`; evaluated for each series; the series is" in page
    )
    assert "| `day` (key) | timestamp[us, UTC] |  | may be |" in page
