"""Has an agent of OpenAI's Agents SDK use a tool, whole and streamed."""

import asyncio
import json

from agents import Agent, Runner, function_tool


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


agent = Agent(name="Weather", instructions="Be brief.", tools=[get_weather])


async def main() -> None:
    print((await Runner.run(agent, "hello there")).final_output, flush=True)
    run = Runner.run_streamed(agent, "hello there")
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            print(json.dumps(event.data.delta), flush=True)


asyncio.run(main())
