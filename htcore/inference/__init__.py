"""From prepared input to a calibrated risk."""

from htcore.inference.calibrate import estimate_risk, fit_calibration
from htcore.inference.device import choose_device
from htcore.inference.predict import NetworkResult, predict

__all__ = [
    "NetworkResult",
    "choose_device",
    "estimate_risk",
    "fit_calibration",
    "predict",
]
