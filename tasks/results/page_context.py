"""What the morning page shows besides the results of the steps: units, the next night, links, retractions."""

from datetime import datetime

from data_contracts.spec import Spec


class PageContext(Spec):
    """Facts for the page that no step computes. They depend on spec, environment and retractions: a rerun has the same.

    `unit` is the unit of the target by the contract. Links are empty if no address is known.
    `retracted` has a sentence for each vintage that was taken back since the night before.
    """

    unit: str = ""
    next_night: datetime | None = None
    prefect_url: str = ""
    mlflow_url: str = ""
    retracted: tuple[str, ...] = ()
