// Asks with axios, and prints the body as it comes.

import axios from "axios";

const [mode, gate] = process.argv.slice(2);
const body = { model: "gpt-4o", messages: [{ role: "user", content: "hello there" }] };
if (mode === "stream") Object.assign(body, { stream: true, standin: { gate } });

const answer = await axios.post("https://api.openai.com/v1/chat/completions", body, {
  headers: { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` },
  responseType: "stream",
});
for await (const piece of answer.data) process.stdout.write(piece);
