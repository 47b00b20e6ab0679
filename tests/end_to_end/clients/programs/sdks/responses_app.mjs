// Asks with OpenAI's own package through the Responses API, in the way that it is told.

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const model = "gpt-5.5";
const client = new OpenAI();
const tools = [
  {
    type: "function",
    name: "get_weather",
    description: "The weather in a city",
    strict: true,
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
];

const outputs = (response) =>
  response.output
    .filter((item) => item.type === "function_call")
    .map((call) => ({
      type: "function_call_output",
      call_id: call.call_id,
      output: `It is sunny in ${JSON.parse(call.arguments).city}.`,
    }));

const ways = {
  async create() {
    const response = await client.responses.create({ model, input: "hello there" });
    const { status, output_text, usage, store } = response;
    return { status, output_text, store, counted: usage.output_tokens > 0 };
  },

  async stream() {
    const stream = client.responses.stream({ model, input: "hello there" });
    const types = [];
    const pieces = [];
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === "response.output_text.delta") pieces.push(event.delta);
    }
    const { status, output_text } = await stream.finalResponse();
    return { types, pieces, status, output_text };
  },

  async parse() {
    const city = z.object({ city: z.string(), sunny: z.boolean() });
    const response = await client.responses.parse({
      model,
      input: "What is the weather in Paris?",
      text: { format: zodTextFormat(city, "weather") },
    });
    return response.output_parsed;
  },

  // The provider remembers the conversation.
  async remembered() {
    const texts = [];
    let input = "What is the weather in Paris?";
    let previous_response_id;
    for (let turn = 0; turn < 3; turn++) {
      const response = await client.responses.create({ model, input, tools, previous_response_id });
      previous_response_id = response.id;
      texts.push(response.output_text);
      const results = outputs(response);
      input = results.length ? results : "And tomorrow?";
    }
    return texts;
  },

  // The app remembers it, and with it reasoning that it cannot read.
  async stateless() {
    const texts = [];
    const types = [];
    let input = [{ role: "user", content: "What is the weather in Paris?" }];
    for (let turn = 0; turn < 3; turn++) {
      const include = ["reasoning.encrypted_content"];
      const response = await client.responses.create({ model, input, tools, store: false, include });
      texts.push(response.output_text);
      types.push(response.output.map((item) => item.type));
      const results = outputs(response);
      const next = results.length ? results : [{ role: "user", content: "And tomorrow?" }];
      input = [...input, ...response.output, ...next];
    }
    return { texts, types };
  },

  async errors() {
    const asked = [
      { model, input: [{ type: "unheard_of" }] },
      { model, input: "hello there", background: true },
      { model, input: "hello there", previous_response_id: "resp_unknown" },
    ];
    const errors = [];
    for (const body of asked) {
      const error = await client.responses.create(body).catch((error) => error);
      errors.push([error.constructor.name, error.status, error.param, error.code]);
    }
    return errors;
  },
};

console.log(JSON.stringify(await ways[process.argv[2]]()));
