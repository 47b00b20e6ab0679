"""Does with OpenAI's package of 2023 what needs no chat.

Its arguments are the files of a sound and of a picture.
"""

import json
import sys
from pathlib import Path

import openai

SOUND, PICTURE = map(Path, sys.argv[1:])

answer = openai.Embedding.create(model="text-embedding-ada-002", input=["a cat", "a train"])
print(json.dumps([len(each["embedding"]) for each in answer["data"]]), flush=True)
with SOUND.open("rb") as file:
    print(json.dumps(openai.Audio.transcribe("whisper-1", file)["text"]), flush=True)
with SOUND.open("rb") as file:
    print(json.dumps(openai.Audio.translate("whisper-1", file)["text"]), flush=True)
made = openai.Image.create(prompt="a red square", n=1, size="256x256")
print(json.dumps(made["data"][0]["url"][:22]), flush=True)
with PICTURE.open("rb") as file:
    made = openai.Image.create_edit(image=file, prompt="a blue one", response_format="b64_json")
print(json.dumps(made["data"][0]["b64_json"][:8]), flush=True)
