"""Searches with LlamaIndex, and asks about what it found."""

import json

from llama_index.core import Document, VectorStoreIndex
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI

TEXTS = ["The cat sleeps on the sofa.", "The train leaves at nine."]

index = VectorStoreIndex.from_documents(
    [Document(text=text) for text in TEXTS], embed_model=OpenAIEmbedding()
)
engine = index.as_query_engine(llm=OpenAI(model="gpt-4o"), similarity_top_k=1)
answer = engine.query("Where is the cat?")
print(json.dumps([answer.source_nodes[0].text, TEXTS[0] in str(answer)]), flush=True)
