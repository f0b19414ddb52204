"""An MCP client of its own, in the environment of the service.

    python mcp_client.py URL < {"token": ..., "calls": [[tool, arguments], ...]}

Prints the names of the tools, and for each call whether it failed and the text of its answer. It fails if the server
offers a prompt or a resource.
"""

import asyncio
import json
import sys
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def main(url: str, token: str, calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """The answers."""
    transport = StreamableHttpTransport(url, headers={"Authorization": f"Bearer {token}"})
    async with Client(transport, log_handler=_ignore) as client:
        assert not await client.list_prompts()
        assert not await client.list_resources()
        answers = [await client.call_tool(name, arguments, raise_on_error=False) for name, arguments in calls]
        names = sorted(tool.name for tool in await client.list_tools())
    return [names, *([answer.is_error, answer.content[0].text] for answer in answers)]


async def _ignore(_message: object) -> None:
    pass


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], **json.load(sys.stdin)))))
