// Asks with OpenAI's own package as it was until 2023, which left streams to the program.

import { Configuration, OpenAIApi } from "openai-3";

const [mode, gate] = process.argv.slice(2);
const client = new OpenAIApi(new Configuration({ apiKey: process.env.OPENAI_API_KEY }));
const question = { model: "gpt-3.5-turbo", messages: [{ role: "user", content: "hello there" }] };

if (mode === "stream") {
  const response = await client.createChatCompletion(
    { ...question, stream: true, standin: { gate } },
    { responseType: "stream" },
  );
  response.data.on("data", (data) => {
    const lines = data
      .toString()
      .split("\n")
      .filter((line) => line.trim() !== "");
    for (const line of lines) {
      const message = line.replace(/^data: /, "");
      if (message === "[DONE]") return;
      const { content } = JSON.parse(message).choices[0].delta;
      if (content) console.log(JSON.stringify(content));
    }
  });
} else {
  const response = await client.createChatCompletion(question);
  console.log(response.data.choices[0].message.content);
}
