"""The recipe: all settings that decide how one network is trained."""

from data_contracts.spec import Spec
from models.data.panel import InputSpec
from models.networks.architecture import RecurrentSpec
from models.training.training_spec import TrainingSpec


class Recipe(Spec):
    """Architecture, training, quantiles and inputs. With the windows, a recipe determines the trained network."""

    model: RecurrentSpec
    training: TrainingSpec
    quantiles: tuple[float, ...]
    view: InputSpec
