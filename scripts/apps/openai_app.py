"""An app of the demo: OpenAI's own package with its default URL, https://api.openai.com/v1."""

import openai
from openai.types.chat import ChatCompletionToolParam

client = openai.OpenAI(api_key="sk-the-key-of-this-app", max_retries=0)

print("whole:     ", end="")
whole = client.chat.completions.create(
    model="gpt-4o", messages=[{"role": "user", "content": "Good morning!"}]
)
print(whole.choices[0].message.content)

print("streamed:  ", end="")
for chunk in client.chat.completions.create(
    model="gpt-4o",
    messages=[{"role": "user", "content": "Tell me a story, word by word."}],
    stream=True,
):
    for choice in chunk.choices:
        print(choice.delta.content or "", end="|", flush=True)
print()

print("tool call: ", end="")
weather: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "Oslo"]}},
            "required": ["city"],
        },
    },
}
called = client.chat.completions.create(
    model="gpt-4o",
    messages=[{"role": "user", "content": "What is the weather in Paris?"}],
    tools=[weather],
)
for call in called.choices[0].message.tool_calls or []:
    if call.type == "function":
        print(f"{call.function.name}({call.function.arguments})")

print("responses: ", end="")
first = client.responses.create(model="gpt-5", input="Good evening!")
print(first.output_text)

print("  goes on: ", end="")
with client.responses.stream(
    model="gpt-5", input="And now word by word.", previous_response_id=first.id
) as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="|", flush=True)
print()

print("image:     ", end="")
try:
    client.chat.completions.create(
        model="gpt-4o",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
                ],
            }
        ],
    )
except openai.BadRequestError as error:
    print(f"{type(error).__name__}, code {error.code}, param {error.param}")

print("search:    ", end="")
question = "Which train leaves next?"
texts = ["The bread needs flour and salt.", "A train leaves every hour.", "The river is high."]
try:
    answer = client.embeddings.create(model="text-embedding-3-small", input=[question, *texts])
except openai.NotFoundError as error:  # Vast's OpenAI interface, unlike its workers, has none
    print(f"{type(error).__name__}, code {error.code}")
else:
    asked, *found = (item.embedding for item in answer.data)
    nearness = [sum(a * b for a, b in zip(asked, each, strict=True)) for each in found]
    print(texts[nearness.index(max(nearness))])
