"""Answers a question from notes: finds the notes that are nearest to it, and chats with them."""

import math
import sys

import openai

NOTES = [
    "The office is closed on public holidays and on the first Monday of May.",
    "Invoices are paid within thirty days; the accounting department knows about late ones.",
    "The printer on the second floor takes A3 paper from the lower tray.",
]

client = openai.OpenAI()


def embed(texts: list[str]) -> list[list[float]]:
    answer = client.embeddings.create(model="text-embedding-3-small", input=texts)
    return [each.embedding for each in answer.data]


def cosine(one: list[float], other: list[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other))


question = sys.argv[1]
vectors = embed(NOTES)
(asked,) = embed([question])
ranked = sorted(zip(NOTES, vectors, strict=True), key=lambda note: cosine(note[1], asked))
found = [ranked[-1][0]]
answer = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[
        {"role": "system", "content": "Answer from these notes:\n" + "\n".join(found)},
        {"role": "user", "content": question},
    ],
)
print("Found:", *found)
print("Answer:", answer.choices[0].message.content)
