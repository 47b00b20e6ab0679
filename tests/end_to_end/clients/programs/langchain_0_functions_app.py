"""Has an agent of LangChain's, as it was in 2023, call a function."""

import sys

from langchain.agents import AgentType, initialize_agent
from langchain.chat_models import ChatOpenAI
from langchain.tools import StructuredTool


def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"hot in {city}"


agent = initialize_agent(
    [StructuredTool.from_function(get_weather)],
    ChatOpenAI(model="gpt-4o", streaming=sys.argv[1] == "stream"),
    agent=AgentType.OPENAI_FUNCTIONS,
)
print(agent.run("Is it warm in Paris?"))
