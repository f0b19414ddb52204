"""Serves Superset's MCP tools on 127.0.0.1, to an assistant that reads what a viewer sees.

    python assistant.py FOLDER PORT       (FOLDER is the service's own, and tells its process from others)

The environment is that of superset_config.py, with ASSISTANT_KEY, which signs the tokens of clients, and
ASSISTANT_DASHBOARDS, the address of the dashboards.

Superset's own command serves everybody if it finds no key, and offers every tool. This server has the tools of `TOOLS`,
no prompts and no resources, and does not start without a key.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path

from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier

ISSUER, AUDIENCE = "oceanrecords", "assistant"  # as in pipeline/services/assistant.py
TOOLS = ("list_datasets", "get_dataset_info", "list_charts", "read_chart")
INSTRUCTIONS = """
Figures of an online shop, as its company dashboard shows them. list_charts names the charts, and list_datasets the
datasets behind them. get_dataset_info says what each metric means. read_chart reads the figures of a chart.
No other figures can be read. Money is in the shop's currency.
"""


def main(port: int) -> None:
    """Serves until the process is stopped."""
    login = JWTVerifier(public_key=os.environ["ASSISTANT_KEY"], algorithm="HS256", issuer=ISSUER, audience=AUDIENCE)
    os.environ.setdefault("SUPERSET_CONFIG_PATH", str(Path(__file__).with_name("superset_config.py")))
    from superset.mcp_service.flask_singleton import get_flask_app

    app = get_flask_app()
    app.config["WEBDRIVER_BASEURL_USER_FRIENDLY"] = os.environ["ASSISTANT_DASHBOARDS"]  # before the path of a chart
    with app.app_context():
        asyncio.run(_serve(login, port))


async def _serve(login: JWTVerifier, port: int) -> None:
    import assistant_tools  # noqa: F401 makes read_chart known
    import log_bound
    from superset.mcp_service.app import mcp as every
    from superset.mcp_service.middleware import LoggingMiddleware, create_response_size_guard_middleware

    size = create_response_size_guard_middleware()
    server = FastMCP(
        "OceanRecords",
        instructions=INSTRUCTIONS,
        auth=login,
        middleware=[LoggingMiddleware(), *([size] if size else [])],
        mask_error_details=True,
    )
    for name in TOOLS:
        tool = await every.get_tool(name)
        if tool is None:
            sys.exit(f"cannot serve the assistant, because this Superset has no tool {name}; correct TOOLS")
        server.add_tool(tool)
    log_bound.install(logging.getLogger("fastmcp"))
    await server.run_http_async(
        show_banner=False,
        host="127.0.0.1",
        port=port,
        stateless_http=True,
        log_level="warning",
        # Without a set-up of its own it writes to Superset's log, which has a limit.
        uvicorn_config={"log_config": None, "access_log": False},
    )


if __name__ == "__main__":
    main(int(sys.argv[2]))
