// Asks with got, and prints the body as it comes.

import got from "got";

const [mode, gate] = process.argv.slice(2);
const body = { model: "gpt-4o", messages: [{ role: "user", content: "hello there" }] };
if (mode === "stream") Object.assign(body, { stream: true, standin: { gate } });

const answer = got.stream.post("https://api.openai.com/v1/chat/completions", {
  json: body,
  headers: { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
});
for await (const piece of answer) process.stdout.write(piece);
