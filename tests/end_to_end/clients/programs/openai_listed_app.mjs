// Does with OpenAI's own package what needs no chat. Its arguments are a sound and a picture.

import fs from "node:fs";

import OpenAI from "openai";

const [sound, picture] = process.argv.slice(2);
const client = new OpenAI({ maxRetries: 0 });
const say = (value) => console.log(JSON.stringify(value));

const ask = { model: "text-embedding-3-small", input: ["a cat on a sofa", "a train at nine"] };
const base64 = await client.embeddings.create(ask);
const floats = await client.embeddings.create({ ...ask, encoding_format: "float" });
const vectors = (answer) => answer.data.map((each) => each.embedding);
say([
  JSON.stringify(vectors(base64)) === JSON.stringify(vectors(floats)),
  vectors(base64).map((each) => each.length),
]);

const speech = await client.audio.speech.create({
  model: "tts-1",
  voice: "alloy",
  input: "hello there",
  response_format: "wav",
});
say(Buffer.from(await speech.arrayBuffer()).toString("latin1", 0, 4));

const heard = await client.audio.transcriptions.create({
  model: "whisper-1",
  file: fs.createReadStream(sound),
});
say(heard.text);

const edited = await client.images.edit({
  model: "gpt-image-1",
  image: fs.createReadStream(picture),
  prompt: "a blue one",
});
say(edited.data[0].b64_json.slice(0, 8));
