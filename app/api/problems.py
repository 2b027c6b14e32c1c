"""A page for each problem."""

from html import escape

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.problems import TABLE, documented
from core.errors import NotFoundError

router = APIRouter(prefix="/problems", tags=["problems"])
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 system-ui; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }}</style>
<h1>{title}</h1>
<p><code>{code}</code>, HTTP status {status}</p>
<p>{about}</p>
</html>
"""


@router.get("/{code}", response_class=HTMLResponse, responses=documented("not-found"))
def get_problem(code: str) -> HTMLResponse:
    """What a problem means, and how to mend it."""
    if code not in TABLE:
        raise NotFoundError(f"There is no problem {code!a}.")
    entry = TABLE[code]
    return HTMLResponse(
        _PAGE.format(code=code, status=entry.status, title=escape(entry.title), about=escape(entry.about))
    )
