"""An app whose base URL can be changed."""

import openai

client = openai.OpenAI(api_key="sk-anything", max_retries=0)
answer = client.chat.completions.create(
    model="gpt-3.5-turbo", messages=[{"role": "user", "content": "hello there"}]
)
print(answer.choices[0].message.content)
