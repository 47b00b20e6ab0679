// Asks with OpenAI's own package.

import OpenAI from "openai";

const [mode, gate] = process.argv.slice(2);
const client = new OpenAI();
const question = { model: "gpt-4o", messages: [{ role: "user", content: "hello there" }] };

if (mode === "stream") {
  const stream = await client.chat.completions.create({
    ...question,
    stream: true,
    standin: { gate },
  });
  for await (const chunk of stream) {
    for (const choice of chunk.choices) {
      if (choice.delta.content) console.log(JSON.stringify(choice.delta.content));
    }
  }
} else {
  const answer = await client.chat.completions.create(question);
  console.log(answer.choices[0].message.content);
}
