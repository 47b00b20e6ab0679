// Asks with undici's own client, and prints the body as it comes.

import { request } from "undici";

const [mode, gate] = process.argv.slice(2);
const body = { model: "gpt-4o", messages: [{ role: "user", content: "hello there" }] };
if (mode === "stream") Object.assign(body, { stream: true, standin: { gate } });

const answer = await request("https://api.openai.com/v1/chat/completions", {
  method: "POST",
  headers: {
    "Content-Type": "application/json",
    Authorization: `Bearer ${process.env.OPENAI_API_KEY}`,
  },
  body: JSON.stringify(body),
});
if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}`);
for await (const piece of answer.body) process.stdout.write(piece);
