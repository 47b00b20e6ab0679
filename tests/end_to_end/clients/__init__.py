"""Real clients of many languages, unchanged, with https://api.openai.com/v1 in them."""
