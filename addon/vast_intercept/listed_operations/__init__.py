"""Operations that an endpoint serves if its `serves` lists them: embeddings, speech, images, ...

Pure: bodies in, what is sent and what the app gets out. `listed_call.py` says what such a call is.
A call in JSON is found by `reading.py`: `embeddings.py`, `pairs.py` (rerank and score), `speech.py`
and `image_generations.py` read one each, with `json_body.py` and `json_call.py`. An upload comes to
`upload_reader.py`: `form_reader.py` parses the form, `file_types.py` and `form_values.py` look into
its parts, `transcription.py` and `image_edit.py` read the call, and `form.py` makes what is sent.
Answers are made by `vectors.py`, `images.py`, `transcript.py`, `transcript_events.py` and
`subtitles.py`; `long_members.py` goes through large ones. `costs.py` has what the router is told.
The relay runs the calls. This package imports only `bridges`, `vast_api` and `openai_api`.
"""
