"""Everything that decides how one network is trained."""

from data_contracts.spec import Spec
from models.data.panel import InputSpec
from models.networks.recurrent import RecurrentSpec
from models.training.fit import TrainingSpec


class Recipe(Spec):
    """All that decides what a network learns from given windows."""

    model: RecurrentSpec
    training: TrainingSpec
    quantiles: tuple[float, ...]
    view: InputSpec
