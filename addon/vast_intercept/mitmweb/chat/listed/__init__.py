"""Calls of listed operations in the chat view: embeddings, rankings, speech, images, uploads.

Pure, and never fails. `views.py` finds what shows a call's request or answer by its operation. The
view itself imports nothing else of this package. Each other module knows one kind of call. They
show what a person can read: of a vector its length and first numbers, of an image or audio what
its headers say.
"""
