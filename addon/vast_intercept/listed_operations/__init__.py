"""Operations that an endpoint serves if its `serves` lists them: embeddings, speech, images, ...

Pure. `listed.py` says what such a call is: a request that was read, what Vast gets of it, and what
the app gets of the answer. Each other module knows one operation, or two that are alike.
`reading.py` finds the module for a call, and `upload.py` reads those that upload files. The relay
runs the calls. This package imports only `bridges` (for events), `vast_api` and `openai_api`.
"""
