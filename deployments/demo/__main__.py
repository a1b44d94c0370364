"""`make demo`: three nights of Thanksgiving week 2013 on real flights, then their results."""

import sys
import time

from deployments.process_environment import configure

PIPELINE = "nyc-delays"
NIGHTS = ("2013-11-28", "2013-11-29", "2013-11-30")
NEXT_STEPS = """
Try next:
  .venv/bin/nightcast show nyc-delays --series LGA-all
  .venv/bin/python -c "import duckdb; print(duckdb.sql(\\"select vintage, count(*) as rows, avg(y_hat) as y_hat from \
'{store}/forecasts/*/*/*.parquet' group by vintage order by vintage\\"))"
  .venv/bin/nightcast nightly nyc-delays --as-of 2013-12-01
"""


def main() -> None:
    """Run the three nights in one process, then print the leaderboard, one series, the paths and next steps."""
    started = time.perf_counter()
    configure(run=True)
    sys.stderr.write("Nightcast demo: three nights over 27 series of late departures from New York, 2013.\n")
    sys.stderr.write("Starting Prefect for this process …\n")
    from deployments.commands.run_flow import call_flow
    from deployments.commands.show import newest_forecasts
    from flows.nightly import nightly
    from flows.settings import Settings

    for night in NIGHTS:
        sys.stderr.write(f"\nThe night of {night}\n")
        outcome = call_flow(nightly, {"pipeline": PIPELINE, "as_of": night})
        sys.stderr.write("".join(f"  {line}\n" for line in outcome.lines))
    text = newest_forecasts(PIPELINE, "JFK-all")[1]
    sys.stdout.write(f"\n{text}\n{NEXT_STEPS.format(store=Settings().store)}")
    sys.stderr.write(f"\nThree nights in {time.perf_counter() - started:.0f} s.\n")


if __name__ == "__main__":
    main()
