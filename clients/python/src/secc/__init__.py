"""Ask a neural network that you must not see about data that nobody else may see."""

from ._client import Answer, Client, Finding
from ._errors import (
    AuthError,
    BusyError,
    InputError,
    MismatchError,
    NetworkError,
    ResourceError,
    SeccError,
    ViolationError,
)

__all__ = [
    "Answer", "AuthError", "BusyError", "Client", "Finding", "InputError", "MismatchError",
    "NetworkError", "ResourceError", "SeccError", "ViolationError",
]
