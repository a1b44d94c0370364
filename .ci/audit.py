"""`make audit`: known vulnerabilities of the locked packages, their hashes, and the SBOM, with a summary of all three.

Usage: audit.py REPORT SBOM HASHES, or audit.py --write-hashes HASHES VERSIONS LOCK
    REPORT  pip-audit's JSON for constraints.txt
    SBOM    CycloneDX JSON of the environment
    HASHES  pip's JSON report of a dry run that resolves constraints.txt

Exit code 1 for a known vulnerability or a file that is not the locked one. Packages that could not be looked up, as
without a network, are counted and named: they are neither safe nor unsafe.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "constraints.txt"
LOCKED = re.compile(r"^(?P<name>[\w.\-]+)==(?P<version>\S+)(?:\s+# sha256:(?P<hash>[0-9a-f]{64}))?$", re.MULTILINE)
ACCEPTED: dict[str, str] = {}  # id of a vulnerability: why this product is not affected


def read_json(file: str) -> Any:
    """Return the JSON document; None if the tool wrote none, as without a network."""
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def canonical(name: str) -> str:
    """Return the normal form of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def report_vulnerabilities(report: Any) -> int:
    """Print the known vulnerabilities; return how many are not accepted."""
    packages = report["dependencies"] if report else []
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    found = [(package, flaw) for package in packages for flaw in package.get("vulns", ())]
    open_flaws = [(package, flaw) for package, flaw in found if flaw["id"] not in ACCEPTED]
    sys.stdout.write(f"vulnerabilities: {len(found)} known in {len(packages) - len(skipped)} packages looked up\n")
    if skipped or not packages:
        sys.stdout.write(
            f"  NOT looked up: {len(skipped) or 'all'} packages (no answer of the database of vulnerabilities)\n"
        )
    for package, flaw in found:
        reason = ACCEPTED.get(flaw["id"], f"fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}")
        sys.stdout.write(f"  {package['name']} {package['version']}: {flaw['id']}: {reason}\n")
    return len(open_flaws)


def report_hashes(resolved: Any) -> int:
    """Compare the files that the index offers with the locked hashes; return how many differ."""
    locked = {canonical(match["name"]): match["hash"] for match in LOCKED.finditer(LOCK.read_text(encoding="utf-8"))}
    offered = offered_hashes(resolved)
    known = {name: value for name, value in locked.items() if value and name in offered}
    differing = [name for name, value in known.items() if offered[name] != value]
    sys.stdout.write(f"hashes: {len(known) - len(differing)} of {len(locked)} locked files are those of the index\n")
    for name in differing:
        sys.stdout.write(f"  {name}: locked {known[name][:12]}…, the index has {offered[name][:12]}…\n")
    if missing := sorted(name for name in locked if name not in known):
        sys.stdout.write(f"  NOT compared: {', '.join(missing[:10])}{' …' if len(missing) > 10 else ''}\n")
    return len(differing)


def offered_hashes(resolved: Any) -> dict[str, str]:
    """Return the SHA-256 of each file that pip would install, by package."""
    files = ((item["metadata"]["name"], item["download_info"]) for item in (resolved or {}).get("install", ()))
    hashes = {canonical(name): info.get("archive_info", {}).get("hashes", {}).get("sha256") for name, info in files}
    return {name: value for name, value in hashes.items() if value}


def write_hashes(resolved: Any, versions: Path, lock: Path) -> None:
    """Write `lock`: each version of `versions` with the hash of its file behind it (`make lock`)."""
    offered = offered_hashes(resolved)

    def line(match: re.Match[str]) -> str:
        value = None if canonical(match["name"]) == "torch" else offered.get(canonical(match["name"]))  # a local file
        return f"{match['name']}=={match['version']}" + (f"  # sha256:{value}" if value else "")

    lock.write_text(LOCKED.sub(line, versions.read_text(encoding="utf-8")), encoding="utf-8")


def main() -> int:
    """Print the summary; return the exit code."""
    if sys.argv[1] == "--write-hashes":
        write_hashes(read_json(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
        return 0
    report, sbom, resolved = (read_json(file) for file in sys.argv[1:4])
    wrong = report_vulnerabilities(report) + report_hashes(resolved)
    components = sbom.get("components", []) if sbom else []
    licensed = sum(bool(component.get("licenses")) for component in components)
    sys.stdout.write(f"SBOM: {len(components)} components, {licensed} with a licence, in {sys.argv[2]}\n")
    return 1 if wrong or not components else 0


if __name__ == "__main__":
    sys.exit(main())
