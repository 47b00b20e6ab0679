// An app that knows no proxies.
fetch("https://api.openai.com/v1/chat/completions", {
  method: "POST",
  headers: { "content-type": "application/json", authorization: "Bearer sk-anything" },
  body: JSON.stringify({
    model: "gpt-3.5-turbo",
    messages: [{ role: "user", content: "hello there" }],
  }),
})
  .then((answer) => answer.json())
  .then((answer) => console.log(answer.choices[0].message.content));
