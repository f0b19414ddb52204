"""A session with Superset like a browser's: logged in by the form, with as many connections."""

import json
from dataclasses import dataclass, field
from typing import Any

import urllib3

CONNECTIONS = 6  # a browser opens as many to one host
TIMEOUT = 120  # seconds


@dataclass
class Session:
    """A user who is logged in, with a browser's connections."""

    url: str
    http: urllib3.PoolManager
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, url: str, user: str, password: str) -> "Session":
        """Logs in as a browser does, by the form."""
        # A connection that the server closes while it is idle is opened again, as browsers do.
        retries = urllib3.Retry(2, status=0, allowed_methods=None)
        session = cls(url, urllib3.PoolManager(maxsize=CONNECTIONS, block=True, timeout=TIMEOUT, retries=retries))
        page = session.http.request("GET", f"{url}/login/")
        cookie = _cookie(page)
        token = page.data.decode().partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
        answer = session.http.request(
            "POST",
            f"{url}/login/",
            headers={"Cookie": cookie, "Referer": f"{url}/login/"},
            fields={"username": user, "password": password, "csrf_token": token},
            encode_multipart=False,
            redirect=False,
        )
        session.headers = {"Cookie": _cookie(answer), "Referer": url, "X-CSRFToken": ""}
        status, answer_text = session.ask("GET", "/api/v1/security/csrf_token/")
        if status != 200:
            raise SystemExit(f"cannot log in as {user}: {answer_text[:200]!r}")
        session.headers["X-CSRFToken"] = json.loads(answer_text)["result"]
        return session

    def ask(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and content of an answer. A body that is no text is sent as JSON."""
        data = body if body is None or isinstance(body, str) else json.dumps(body)
        headers = self.headers if data is None else {**self.headers, "Content-Type": content_type}
        answer = self.http.request(method, self.url + path, body=data, headers=headers, redirect=False)
        return answer.status, answer.data


def _cookie(answer: urllib3.BaseHTTPResponse) -> str:
    return "; ".join(value.partition(";")[0] for value in answer.headers.getlist("Set-Cookie"))
