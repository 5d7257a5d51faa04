"""Errors as OpenAI's API writes them."""

from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lilm.errors import LilmError
from lilm.llamacpp.chat import Unanswerable


class ApiError(Exception):
    """A request that is not answered. param: the key of its body that it is about."""

    def __init__(self, message: str, param: str | None = None, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.message, self.param, self.status = message, param, int(status)


def status_of(error: Exception) -> int:
    """Of the caller's mistakes, 400 and so on; 500 of ours and the child's."""
    if isinstance(error, ApiError | HTTPException):
        return error.status if isinstance(error, ApiError) else error.status_code
    return HTTPStatus.BAD_REQUEST if isinstance(error, Unanswerable) else HTTPStatus.INTERNAL_SERVER_ERROR


def error_body(error: Exception) -> dict[str, Any]:
    """{"error": {"message", "type", "param", "code"}}. A bug tells its caller no more than that it is one."""
    if isinstance(error, ApiError):
        message = error.message
    elif isinstance(error, HTTPException):
        message = error.detail
    elif isinstance(error, LilmError):
        message = error.what + (f" — {error.remedy}" if error.remedy else "")
    else:
        message = "the server failed; its terminal says why"
    kind = "invalid_request_error" if status_of(error) < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    param = error.param if isinstance(error, ApiError) else None
    return {"error": {"message": message, "type": kind, "param": param, "code": None}}


async def error_response(request: Request, error: Exception) -> Response:
    """For Starlette's exception handlers."""
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse(error_body(error), status_of(error), headers)
