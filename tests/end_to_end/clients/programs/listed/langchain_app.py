"""Searches with LangChain, which sends texts as lists of tokens unless it is told not to."""

import json
import math

from langchain_openai import OpenAIEmbeddings

TEXTS = ["The train leaves at nine.", "The cat sleeps on the sofa."]

for told in ({}, {"check_embedding_ctx_length": False}):
    embeddings = OpenAIEmbeddings(model="text-embedding-3-small", **told)
    vectors = embeddings.embed_documents(TEXTS)
    asked = embeddings.embed_query("Where is the cat?")
    near = [math.sumprod(vector, asked) for vector in vectors]
    print(json.dumps([len(asked), TEXTS[near.index(max(near))]]), flush=True)
