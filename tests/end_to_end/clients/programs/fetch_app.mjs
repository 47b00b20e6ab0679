// Asks with Node's own fetch.

const [mode, gate] = process.argv.slice(2);
const body = { model: "gpt-4o", messages: [{ role: "user", content: "hello there" }] };
if (mode === "stream") Object.assign(body, { stream: true, standin: { gate } });

const response = await fetch("https://api.openai.com/v1/chat/completions", {
  method: "POST",
  headers: {
    "Content-Type": "application/json",
    Authorization: `Bearer ${process.env.OPENAI_API_KEY}`,
  },
  body: JSON.stringify(body),
});
if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);

if (mode === "stream") {
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      for (const choice of JSON.parse(line.slice("data: ".length)).choices) {
        if (choice.delta.content) console.log(JSON.stringify(choice.delta.content));
      }
    }
  }
} else {
  console.log((await response.json()).choices[0].message.content);
}
