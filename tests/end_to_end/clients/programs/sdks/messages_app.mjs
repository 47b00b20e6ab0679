// Asks with Anthropic's own package, in the way that it is told.

import Anthropic from "@anthropic-ai/sdk";

const asked = {
  model: "claude-opus-5-5",
  max_tokens: 100,
  messages: [{ role: "user", content: "hello there" }],
};
const client = new Anthropic();
const weather = {
  name: "get_weather",
  description: "The weather in a city",
  input_schema: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
  },
};
const forecast = ({ city }) => `It is sunny in ${city}.`;

const ways = {
  async create() {
    const message = await client.messages.create({ ...asked, system: "Be brief." });
    const { type, role, stop_reason, content, usage } = message;
    return { type, role, stop_reason, content, counted: usage.output_tokens > 0 };
  },

  async stream() {
    const stream = client.messages.stream(asked);
    const types = [];
    const pieces = [];
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === "content_block_delta") pieces.push(event.delta.text);
    }
    const { stop_reason, content } = await stream.finalMessage();
    return { types, pieces, stop_reason, content };
  },

  async tools() {
    const messages = [{ role: "user", content: "What is the weather in Paris?" }];
    const stops = [];
    for (;;) {
      const stream = client.messages.stream({ ...asked, messages, tools: [weather] });
      const message = await stream.finalMessage();
      stops.push(message.stop_reason);
      if (message.stop_reason !== "tool_use") return { stops, content: message.content };
      const results = message.content
        .filter((block) => block.type === "tool_use")
        .map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: forecast(input) }));
      messages.push({ role: "assistant", content: message.content });
      messages.push({ role: "user", content: results });
    }
  },

  // Asks the provider to hold the conversation, unless it says that it cannot.
  async runner() {
    const runnable = { ...weather, run: async (input) => forecast(input), parse: (input) => input };
    const runner = client.beta.messages.toolRunner({ ...asked, tools: [runnable] });
    const message = await runner.runUntilDone();
    return { stop_reason: message.stop_reason, content: message.content };
  },

  async counted() {
    const { model, messages } = asked;
    const counted = await client.messages.countTokens({ model, messages });
    return counted.input_tokens > 0;
  },

  async errors() {
    const image = { type: "image", source: { type: "url", url: "https://example.com/cat.png" } };
    const error = await client.messages
      .create({ ...asked, messages: [{ role: "user", content: [image] }] })
      .catch((error) => error);
    return [error.constructor.name, error.status, error.type];
  },
};

console.log(JSON.stringify(await ways[process.argv[2]]()));
