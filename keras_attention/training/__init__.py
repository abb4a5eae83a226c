"""Around `compile` and `fit`: losses, schedules, exact resuming."""

from keras_attention.models.saving.weights import load_weights, save_weights
from keras_attention.training.adam_memory import check_adam_memory
from keras_attention.training.averages import average_weights
from keras_attention.training.best_weights import BestWeights
from keras_attention.training.checkpoint import Checkpoint, Position
from keras_attention.training.checkpoint_description import CheckpointError
from keras_attention.training.last_weights import LastWeights
from keras_attention.training.layerwise import LayerwiseAdamW, adamw_for
from keras_attention.training.logs import CSVLog, RunHistory
from keras_attention.training.losses import LabelSmoothedCrossentropy
from keras_attention.training.metrics import (
    Perplexity,
    TokenAccuracy,
    TokenCount,
)
from keras_attention.training.progress import Progress
from keras_attention.training.resume import resume_fit
from keras_attention.training.schedules import (
    InverseSquareRootSchedule,
    LinearSchedule,
)
from keras_attention.training.throughput import TokensPerSecond
from keras_attention.training.trained_weights import load_trained, save_trained

__all__ = [
    "BestWeights",
    "CSVLog",
    "Checkpoint",
    "CheckpointError",
    "InverseSquareRootSchedule",
    "LabelSmoothedCrossentropy",
    "LastWeights",
    "LayerwiseAdamW",
    "LinearSchedule",
    "Perplexity",
    "Position",
    "Progress",
    "RunHistory",
    "TokenAccuracy",
    "TokenCount",
    "TokensPerSecond",
    "adamw_for",
    "average_weights",
    "check_adam_memory",
    "load_trained",
    "load_weights",
    "resume_fit",
    "save_trained",
    "save_weights",
]
