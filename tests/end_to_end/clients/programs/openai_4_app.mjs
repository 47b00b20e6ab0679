// Asks with OpenAI's own package as it was until 2025, with its helper for streams.

import OpenAI from "openai-4";

const [mode, gate] = process.argv.slice(2);
const client = new OpenAI();
const question = { model: "gpt-4o", messages: [{ role: "user", content: "hello there" }] };

if (mode === "stream") {
  const stream = client.beta.chat.completions.stream({ ...question, standin: { gate } });
  for await (const chunk of stream) {
    const content = chunk.choices[0]?.delta.content;
    if (content) console.log(JSON.stringify(content));
  }
  const { role, content } = (await stream.finalChatCompletion()).choices[0].message;
  if (role !== "assistant" || content !== "You said: hello there") {
    throw new Error(`put together: ${role}: ${content}`);
  }
} else {
  const answer = await client.chat.completions.create(question);
  console.log(answer.choices[0].message.content);
}
