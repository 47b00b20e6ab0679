// Reads streams with OpenAI's own package, one after the other, and prints each one's text.

import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });

for (const standin of JSON.parse(process.argv[2])) {
  const stream = await client.chat.completions.create({
    model: "gpt-4o",
    messages: [{ role: "user", content: "hello there" }],
    stream: true,
    stream_options: { include_usage: true },
    standin,
  });
  let text = "";
  for await (const chunk of stream) {
    for (const choice of chunk.choices) text += choice.delta.content ?? "";
  }
  console.log(text);
}
