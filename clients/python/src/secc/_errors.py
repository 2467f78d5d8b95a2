"""What can go wrong, by kind: the exit codes of the commands."""

from __future__ import annotations

from typing import Optional


class SeccError(Exception):
    """Any failure. `code` is the exit code that the command would have given, `hint` a way out."""

    code = 1

    def __init__(self, message: str, hint: Optional[str] = None):
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]} ({self.hint})" if self.hint else str(self.args[0])


class InputError(SeccError):
    """The input, a file or an option cannot be used."""

    code = 2


class MismatchError(SeccError):
    """The model's plan is not the one that was seen before."""

    code = 5


class NetworkError(SeccError):
    """The service cannot be reached, or went away."""

    code = 6


class BusyError(NetworkError):
    """The service has no room now; try again later."""


class AuthError(SeccError):
    """One side does not accept who the other is."""

    code = 7


class ViolationError(SeccError):
    """The service sent what the protocol does not allow."""

    code = 8


class ResourceError(SeccError):
    """Memory or disk do not suffice."""

    code = 9


_KINDS = {k.code: k for k in (InputError, MismatchError, NetworkError, AuthError, ViolationError, ResourceError)}


def error_of(code: int, message: str, hint: Optional[str] = None, status: int = 0) -> SeccError:
    """The exception for an exit code, or for the HTTP status of the local endpoint."""
    if status == 503:
        return BusyError(message, hint)
    return _KINDS.get(code, SeccError)(message, hint)
