"""From prepared input to a calibrated risk."""

from htcore.inference.calibrate import estimate_risk, fit_calibration
from htcore.inference.device import choose_device
from htcore.inference.predict import NetworkResult, or_fall_back, predict, predict_or_fall_back

__all__ = [
    "NetworkResult",
    "choose_device",
    "estimate_risk",
    "fit_calibration",
    "or_fall_back",
    "predict",
    "predict_or_fall_back",
]
