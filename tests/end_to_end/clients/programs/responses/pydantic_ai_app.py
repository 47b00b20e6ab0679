"""Has an agent of pydantic-ai use a tool, whole and streamed, and answer with a type."""

import json

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput


class City(BaseModel):
    name: str
    people: int


agent = Agent("openai:gpt-5.5", instructions="Be brief.")


@agent.tool_plain
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


print(agent.run_sync("hello there").output, flush=True)
for piece in agent.run_stream_sync("hello there").stream_text(delta=True, debounce_by=None):
    print(json.dumps(piece), flush=True)
# By a tool of its own, by the schema of a text.
for output_type in (City, NativeOutput(City)):
    typed = Agent("openai:gpt-5.5", output_type=output_type)
    print(typed.run_sync("hello there").output.model_dump_json(), flush=True)
