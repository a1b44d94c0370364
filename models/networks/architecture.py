"""The architecture of a recurrent network as settings: cell, readout, decoder, head, and the sizes that data decide.

No torch here: a server that runs an exported network reads these settings and loads no PyTorch.
"""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from data_contracts.spec import SettingsSpec, Spec
from models.data.scaling import Normalisation
from models.data.windows import MAX_WINDOW_STEPS

CellName = Literal["rnn", "lstm", "gru"]
Decoding = Literal["direct", "segment", "recurrent"]
ReadoutName = Literal["last", "attention"]
AttentionScore = Literal["additive", "dot"]
HeadName = Literal["quantiles", "mae", "mse", "huber", "student_t", "negative_binomial"]
POINT_HEADS = ("mae", "mse", "huber")
LEVEL_WIDTH = 3  # columns of WindowArrays.level
# fields that RecurrentSpec.name writes in a form of its own
SPELLED_FIELDS = {"cell", "hidden", "layers", "segment", "bidirectional", "readout"}


class RecurrentSpec(SettingsSpec):
    """The architecture of a network. `make bench-ablation` shows what each option gains; one without gain is off."""

    cell: CellName
    hidden: PositiveInt = Field(64, le=16_384)
    layers: PositiveInt = Field(1, le=64)
    bidirectional: bool = Field(False, description="the encoder reads the lookback in both directions")
    readout: ReadoutName = "last"
    attention: AttentionScore = "additive"
    decoding: Decoding = "direct"
    teacher_forcing: float = Field(
        0.5, ge=0, le=1, description="share of segments that read the actual values in training"
    )
    segment: PositiveInt | None = Field(
        None,
        le=MAX_WINDOW_STEPS,
        description="steps that are read and decoded at a time (SegRNN, arXiv 2308.11200); default: a day if the "
        "lookback holds four days, else one step",
    )
    normalisation: Normalisation = "standard"
    cycle: NonNegativeInt = Field(
        0,
        le=MAX_WINDOW_STEPS,
        description="steps of a learned cycle that is subtracted (CycleNet, arXiv 2409.18479); 0: no cycle",
    )
    skip: bool = Field(True, description="a linear map from lookback to horizon; the network learns the residual")
    blend: bool = Field(
        True,
        description="mix in a closed-form linear map, the last value and the median of earlier seasons, with shares "
        "set on the validation part",
    )
    level: bool = Field(True, description="the network reads the location and scale that normalisation removed")
    seasons: bool = Field(True, description="each step of the horizon reads the values one day, one week … before it")
    head: HeadName = "quantiles"
    dropout: float = Field(0.1, ge=0, lt=1)

    def with_default_segment(self, day: int, lookback: int) -> "RecurrentSpec":
        """Fill in the default segment: `day` steps if the lookback holds four of them, else one step."""
        default = day if lookback >= 4 * day else 1
        return self.model_copy(update={"segment": self.segment or default})

    @property
    def name(self) -> str:
        """Short name, unique among settings that differ in kind: gru-64, lstm-64x2, gru-64-s24, lstm-64-bi-att."""
        parts = [self.cell, f"{self.hidden}x{self.layers}" if self.layers > 1 else str(self.hidden)]
        parts += [f"s{self.segment}"] if self.segment and self.segment > 1 else []
        parts += ["bi"] if self.bidirectional else []
        parts += ["att"] if self.readout == "attention" else []
        for field, info in type(self).model_fields.items():
            value = getattr(self, field)
            if field not in SPELLED_FIELDS and value != info.default:
                parts.append(_name_part(field, value))
        return "-".join(parts)


def _name_part(field: str, value: object) -> str:
    if field == "dropout" and isinstance(value, float):
        return f"d{round(100 * value)}"
    if isinstance(value, bool):
        return field if value else f"no_{field}"
    return value if isinstance(value, str) else f"{field}_{value}"


def state_shape(spec: RecurrentSpec) -> tuple[int, int, int]:
    """Return (k, l, hidden) of an encoder's state: tensors of the cell, layers with both directions, units."""
    return (2 if spec.cell == "lstm" else 1), spec.layers * (2 if spec.bidirectional else 1), spec.hidden


class NetworkShape(Spec):
    """Sizes of a network that depend on the data: steps, features and codes."""

    lookback: int
    horizon: int
    past: int
    """Features of each step of the lookback (P)."""
    future: int
    """Features of each step of the horizon (F)."""
    statics: tuple[int, ...]
    """Number of codes of each static covariate, the unknown value included."""
    quantiles: tuple[float, ...]
    season: int
    echoes: int = 0
    """Number of seasonal lags; the last 2 × echoes features of the horizon are their values and masks."""
