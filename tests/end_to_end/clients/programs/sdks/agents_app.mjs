// OpenAI's agents, with a tool: whole and streamed. Sends a trace of it to OpenAI when it ends.

import { Agent, run, tool } from "@openai/agents";
import { z } from "zod";

const weather = tool({
  name: "get_weather",
  description: "The weather in a city",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `It is sunny in ${city}.`,
});
const agent = new Agent({ name: "Forecaster", instructions: "Be brief.", tools: [weather] });

const whole = await run(agent, "What is the weather in Paris?");
console.log(whole.finalOutput);

const stream = await run(agent, "And in Paris again?", { stream: true });
let text = "";
for await (const piece of stream.toTextStream()) text += piece;
await stream.completed;
console.log(text);
console.log(stream.finalOutput);
