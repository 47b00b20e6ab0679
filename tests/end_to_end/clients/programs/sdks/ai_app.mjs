// Vercel's AI SDK with OpenAI's provider: a stream, with a tool.

import { openai } from "@ai-sdk/openai";
import { isStepCount, streamText, tool } from "ai";
import { z } from "zod";

const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `It is sunny in ${city}.`,
});
const stream = streamText({
  model: openai("gpt-5.5"),
  prompt: "What is the weather in Paris?",
  tools: { get_weather: weather },
  stopWhen: isStepCount(5),
});
for await (const piece of stream.textStream) console.log(JSON.stringify(piece));
const { inputTokens, outputTokens } = await stream.totalUsage;
console.log(JSON.stringify([await stream.finishReason, inputTokens > 0, outputTokens > 0]));
